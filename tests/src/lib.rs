//! What tests are made of: nodes, strict and faulty storages, and the suite that every transport must pass.

pub mod conformance;
pub mod faults;
pub mod node;
pub mod place;
pub mod recording;
pub mod storage_memory;
