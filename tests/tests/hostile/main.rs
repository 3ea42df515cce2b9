//! A hub that means harm, met by the program as a person runs it.
//!
//! The forger (`depsync_tests::forge`) writes a second revision whose hashes are right and whose content is not. Whatever
//! it is: the program ends with 6 or 3, the deployment directory and everything around it stay as they are to the
//! nanosecond, memory stays bounded, and once the hub is honest again the node goes on as if nothing had been.

mod bombs;
mod differences;
mod links;
mod objects;
mod race;
mod scene;
mod statements;
mod trees;
