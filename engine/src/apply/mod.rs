//! Bringing a directory from one agreement to the next, so that a crash at any point leaves it wholly old or lets the
//! next command make it wholly new.
//!
//! Order of an update, each arrow a point where the process may die:
//!
//! stage everything, rebuilt and verified -> flush once -> write the journal -> take the steps (room for files that
//! replace directories, directories, files and links, removals, permissions) -> flush -> settle: agreement, position,
//! history and the end of the journal in one transaction -> remove the staging area.
//!
//! Laws:
//! - before the journal is written nothing live has changed; after it the update is finished, from staging alone;
//! - a live name never shows part of a file: files arrive by rename;
//! - every step looks before it acts: still old -> act, already new -> done, anything else was changed by somebody
//!   else, and is kept aside first (or, on a manager outside recovery, left alone). Between look and act lies a
//!   window; files are therefore *exchanged*, and what came out is looked at before it is dropped;
//! - a unit is one step: its whole directory is staged and exchanged in one call (see `unit`, `design`, `shadow`, `swap`);
//! - what cannot be done at one path (a permission, a link planted in the way) is a problem of that path; a full disk
//!   or a broken one stops the update, and the journal stays.

mod aside;
mod commit;
mod design;
mod flush;
mod leftovers;
mod live;
mod lock;
mod mtime;
mod places;
mod shadow;
mod stage;
mod step;
mod swap;
mod sweep;
mod unit;

pub use aside::Recovery;
pub use commit::{Committed, OnDrift, commit};
pub use design::{Changes, Changing, Design};
pub use flush::flush_directories;
pub use leftovers::sort_leftovers;
pub use lock::Lock;
pub use mtime::choose as choose_mtime;
pub use places::{Places, Wishes, WorkArea};
pub use stage::Stage;
pub use step::{Action, Step, Surroundings, Swap, Unit, steps};
pub use unit::{UnitRule, Units};
