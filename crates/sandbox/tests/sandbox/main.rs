//! Real sandboxes, real processes. Passes as root and as an ordinary user; needs user namespaces, `python3` and coreutils.
//! No packet can leave: whatever is sent is sent inside an empty network namespace, after a look that it is one.
#![allow(clippy::unwrap_used)] // Tests, also where a function helps several of them.

mod harness;

mod ending;
mod errors;
mod forwards;
mod network;
mod output;
mod privileges;
mod view;
mod worker;
mod workspace;
