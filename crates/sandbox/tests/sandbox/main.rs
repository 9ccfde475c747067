//! Real sandboxes, real processes. Passes as root and as an ordinary user; needs user namespaces, `python3`, `node`,
//! `git` and coreutils.
//! No packet can leave: whatever is sent is sent inside an empty network namespace, after a look that it is one.
#![allow(clippy::unwrap_used)] // Tests, also where a function helps several of them.

mod handles;
mod harness;
mod image;
mod launchers;
mod limited;

mod backend_ends;
mod backends;
mod disk;
mod ending;
mod errors;
mod fence;
mod forwards;
mod limits;
mod memory;
mod nested;
mod network;
mod output;
mod overlay;
mod own_files;
mod privileges;
mod programs;
mod runtimes;
mod store;
mod view;
mod worker;
mod workspace;
