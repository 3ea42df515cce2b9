//! Other programs: how they are started, listened to and stopped. Every child process of a transport comes from here.
//!
//! A [`Program`] is a name and its arguments. Laws:
//! - it runs under `LC_ALL=C.UTF-8`: messages are not translated, names are bytes or UTF-8;
//! - its stdin is empty unless somebody writes to it, and its stdout and stderr are always read, so that it never waits
//!   for us;
//! - operands stand behind `--`: no name is ever taken for an option;
//! - it is the head of a process group of its own, and when it is to end the whole group is told: its stdin is closed,
//!   then TERM, then KILL, and it is buried. That happens when a deadline passes, on cancellation, and on drop;
//! - of what it prints no more is kept than a bound says.
//!
//! What goes wrong says which program it was, and the last lines that it printed on stderr.

mod output;
mod program;
mod running;

pub(crate) use program::{Finished, Program, room_for_arguments};
pub(crate) use running::Running;
