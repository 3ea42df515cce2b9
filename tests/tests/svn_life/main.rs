//! Life with a deployment in a Subversion repository: the real program, real servers, and people who use `svn`.
//!
//! | file | is |
//! |---|---|
//! | `town` | a repository behind svnserve, nodes that work on it with the program, and what `svn log -v` says |
//! | `everyday` | managers, a person and workers at the same time; and when two change the same file |
//! | `trap` | programs that stand before `svn` and its like, and kill at the right moment |
//! | `killed` | the program killed at every step, and at every program that it starts |
//! | `large` | a change of most of a large tree over http, which takes another way |
//! | `lost` | commits whose answer was lost |
//! | `contact` | a node and a repository that meet for the first time |
//! | `rewound` | a repository that was replaced, or put back from a backup |

mod contact;
mod everyday;
mod killed;
mod large;
mod lost;
mod rewound;
mod town;
mod trap;
