//! # outwork-git: the only place that starts git
//!
//! Everything that Outwork does with git goes through the type [`Git`]: a git binary with a scrubbed environment, no shell, no hooks, no
//! credential helpers but ours, a time limit on each call, and a process group that is killed when the call is given up.
//!
//! * [`RepoUrl`], [`RefName`], [`CommitRef`], [`CommitId`]: what a user may name, checked when parsed, so that nothing unchecked reaches git.
//! * [`Credentials`]: what a private repository is read with; no argument, address or repository ever holds it.
//! * [`Git::resolve`]: branch to commit through `git ls-remote`, with errors that say what to do.
//! * [`Mirror`]: one bare copy per repository; the warm path starts one local git and touches no network.
//! * [`Checkout`]: a working tree for the sandbox, with a `.git` for the agent and a second git directory that the agent never sees.
//! * [`Checkout::diff`]: the exact diff of a working tree that must be assumed hostile. `docs/git.md` says why it can be trusted.
//! * [`Repository`]: the user's own repository: what it is, and applying a diff to it, all or nothing.
//!
//! Sandboxes, tasks and HTTP are unknown here. Time limits are durations; nothing here reads the clock, the environment or the user's git
//! configuration (except [`Repository`], which works in the user's own repository with the user's own configuration).

mod names;
mod url;

mod process;

mod credentials;
mod remote;

#[cfg(unix)]
mod mirror;

#[cfg(unix)]
mod agent_git;
#[cfg(unix)]
mod checkout;
#[cfg(unix)]
mod git_dir;
#[cfg(unix)]
mod index;
#[cfg(unix)]
mod layered;
#[cfg(unix)]
mod listing;
#[cfg(unix)]
mod notes;
#[cfg(unix)]
mod object;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod seal;
#[cfg(unix)]
mod snapshot;
#[cfg(unix)]
mod tracked;
#[cfg(unix)]
mod trusted;

#[cfg(unix)]
mod hints;
#[cfg(unix)]
mod ignore;
#[cfg(unix)]
mod submodule;
#[cfg(unix)]
mod tree_dir;
#[cfg(unix)]
mod tree_remove;
#[cfg(unix)]
mod tree_write;
#[cfg(unix)]
mod walk;
#[cfg(unix)]
mod wildmatch;

#[cfg(unix)]
mod diff;
#[cfg(unix)]
mod import;
mod summary;
#[cfg(unix)]
mod trees;

mod patch;
mod repository;

#[cfg(unix)]
pub use checkout::{Checkout, CheckoutError, CheckoutRequest, Owner, ReadOnlyBind, Restored};
pub use credentials::{Credentials, InvalidCredential, KnownHosts, PrivateKey, Token, Username};
#[cfg(unix)]
pub use diff::{Diff, DiffError};
#[cfg(unix)]
pub use layered::{LayeredCheckout, LayeredRequest};
#[cfg(unix)]
pub use mirror::{Mirror, MirrorError};
pub use names::{CommitId, CommitRef, InvalidName, ObjectId, RefName, TreeId};
pub use patch::Conflict;
#[cfg(unix)]
pub use place::Place;
pub use process::{Git, GitError};
pub use remote::{Asked, Denied, RefSpec, ResolveError, Resolved};
pub use repository::{
    Applied, ApplyError, ApplyPlan, Remote, Repository, RepositoryError, ThreeWay,
};
#[cfg(unix)]
pub use snapshot::SnapshotCheckout;
pub use summary::{ChangeKind, FileChange, FileMode};
pub use url::{InvalidUrl, RepoUrl};
#[cfg(unix)]
pub use walk::{DiffLimits, WalkError, Warning};
