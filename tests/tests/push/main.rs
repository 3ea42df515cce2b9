//! `depsync push`: plain directories behind real sshds are brought to a revision, whatever was done to them.

mod everyday;
mod scene;
