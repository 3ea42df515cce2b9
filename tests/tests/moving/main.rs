//! Moving in from an existing cluster: what is there is adopted as it is, and what was told to the other tool is understood.
//!
//! | file | is |
//! |---|---|
//! | `exploded` | applications that a server has made of their archives |
//! | `imported` | `import carbon.xml`, as a person gives it, and what follows |
//! | `presets` | `init --preset` |
//! | `seeding` | the first start of a populated node with an empty hub |

mod exploded;
mod imported;
mod presets;
mod seeding;
