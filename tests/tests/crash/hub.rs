//! `publish` and its like, killed: the hub shows the old or the new revision.
