//! A real NFS 4.2 mount, two clients: [`depsync_tests::nfs`].
//!
//! Each test boots one machine and runs its scenarios there, one after the other; their names and times are in the
//! test's output.

mod conformance;
