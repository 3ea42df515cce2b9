//! What measurements share.

pub(crate) mod answer;
pub(crate) mod crew;
pub(crate) mod ledger;
pub(crate) mod lsyncd;
pub(crate) mod machine;
pub(crate) mod measured;
pub(crate) mod peers;
pub(crate) mod plot;
pub(crate) mod setting;
pub(crate) mod statistics;
pub(crate) mod syncthing;
pub(crate) mod tree;
pub(crate) mod walk;
pub(crate) mod written;
