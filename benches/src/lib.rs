//! What depsync costs: measured, modelled, and made into advice.
//!
//! | room | is |
//! |---|---|
//! | [`model`] | what a change costs over each transport, as a function of rate, size, tree, nodes and link |
//! | [`advice`] | which transport that speaks for |
//! | [`rate`] | the harness: real daemons over real hubs, at given rates of change |
//! | [`beside`] | depsync beside its peers, work by work |
//! | `kit` | what measurements share: the machine's facts, the ledger, trees, pictures |
//!
//! `model` and `advice` are pure, and all that is built without the feature `harness`.

pub mod advice;
#[cfg(feature = "harness")]
pub mod beside;
#[cfg(feature = "harness")]
mod kit;
pub mod model;
#[cfg(feature = "harness")]
pub mod rate;
