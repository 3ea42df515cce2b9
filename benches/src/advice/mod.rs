//! Which transport a model speaks for, and where that changes.
//!
//! | file | is |
//! |---|---|
//! | `rank` | the transports for a workload, best first, and whether it is close |
//! | `crossover` | the rates at which another one becomes the best |
//! | `schedule` | the lowest rates: a command that configuration management runs now and then |

mod crossover;
mod rank;
mod schedule;

pub use crossover::{Crossover, crossovers};
pub use rank::{CLOSE, Candidate, Goal, Ranking, rank};
pub use schedule::{DAY_S, Daily, Schedule, daily};
