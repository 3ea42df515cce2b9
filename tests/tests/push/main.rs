//! `depsync push`: plain directories behind real sshds are brought to a revision, whatever was done to them.

mod broken;
mod cluster;
mod drift;
mod everyday;
mod full;
mod guards;
mod locks;
mod scene;
mod words;
