//! Many tenants by one configuration: real processes over one hub.
//!
//! | file | is |
//! |---|---|
//! | `commands` | a command for one of them, and the list of all |
//! | `kept` | one process keeps all of them in step |
//! | `lazily` | those that are loaded when somebody uses them, and let go when nobody does |
//! | `many` | hundreds of them: threads, and what the hub is asked |
//! | `repository` | each at an address of its own in a Subversion repository |
//! | `town` | the configurations |

mod commands;
mod kept;
mod lazily;
mod many;
mod repository;
mod town;
