//! The conformance suite, for every storage and every wrapper.

use depsync_tests::place::{Place, Wrapper};
use depsync_tests::svn::Shelf;
use depsync_tests::{behaviours, general_behaviours, quick_behaviours};

mod memory {
    use super::*;
    behaviours! { Place::memory(Wrapper::Bare) }
}

mod mount {
    use super::*;
    behaviours! { Place::mount(Wrapper::Bare) }
}

mod ssh {
    use super::*;
    behaviours! { Place::ssh(Wrapper::Bare) }
}

mod memory_through_faulty {
    use super::*;
    behaviours! { Place::memory(Wrapper::Faulty) }
}

mod memory_through_recording {
    use super::*;
    behaviours! { Place::memory(Wrapper::Recording) }
}

mod ssh_through_faulty {
    use super::*;
    quick_behaviours! { Place::ssh(Wrapper::Faulty) }
}

mod ssh_through_recording {
    use super::*;
    quick_behaviours! { Place::ssh(Wrapper::Recording) }
}

mod svn_file {
    use super::*;
    general_behaviours! { Shelf::file() }
}

mod svn_svnserve {
    use super::*;
    general_behaviours! { Shelf::svnserve() }
}

mod svn_apache {
    use super::*;
    general_behaviours! { Shelf::apache() }
}
