//! Publishing results: a commit pushed to a branch, and a pull request for it. The server does it itself, with a credential that no worker
//! ever has.
//!
//! Everything may be done again, by another server too, because each act looks first at what is there: the same publication gives the same
//! commit; the commit is noted before it is pushed; a push moves the branch only from where it was looked at; and a pull request of the
//! branch that is open is brought up to date instead of opening another.
//!
//! * `job`: the steps; `access`: with which credential and where; `branch`: the commit and its push.
//! * `forge`: the interfaces of the repositories' servers; `text`: what is written in commits and descriptions.
//! * `trouble`: what goes wrong, and whether it may pass.

mod access;
mod branch;
mod forge;
mod job;
mod text;
mod trouble;

pub(crate) use access::ForgeAddress;
pub(crate) use forge::http::{Act, Answer, Api};
pub(crate) use job::run;
pub(crate) use trouble::Trouble;
