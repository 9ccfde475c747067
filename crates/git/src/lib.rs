//! # outwork-git: the only place that starts git
//!
//! Everything that Outwork does with git goes through the type [`Git`]: a git binary with a scrubbed environment, no shell, no hooks, no
//! credential helpers but ours, a time limit on each call, and a process group that is killed when the call is given up.
//!
//! * [`RepoUrl`], [`RefName`], [`CommitRef`], [`CommitId`]: what a user may name, checked when parsed, so that nothing unchecked reaches git.
//! * [`Credentials`]: what a private repository is read with; no argument, address or repository ever holds it.
//! * [`Git::resolve`]: branch to commit through `git ls-remote`, with errors that say what to do.
//! * [`Mirror`]: one bare copy per repository; the warm path starts one local git and touches no network.
//! * [`Checkout`]: a whole working tree, with a `.git` for the agent and a second git directory that the agent never sees; after a setup script it
//!   is sealed and kept as part of a snapshot ([`SnapshotCheckout`]).
//! * [`LayeredCheckout`]: a commit over a snapshot's, of which only the difference is written.
//! * [`LayeredCheckout::diff`]: the exact diff of a working tree that must be assumed hostile. `docs/git.md` says why it can be trusted.
//! * [`Copy::merges`]: results as commits that are merged, to see which of them conflict.
//! * [`Git::prepare`] and [`Prepared::push`]: a diff as a commit of a branch, which is pushed and replaces nobody's.
//! * [`Repository`]: the user's own repository: what it is, and applying a diff to it, all or nothing.
//!
//! Sandboxes, tasks and HTTP are unknown here. Time limits are durations; nothing here reads the clock, the environment or the user's git
//! configuration (except [`Repository`], which works in the user's own repository with the user's own configuration).

mod names;
mod url;

mod process;

mod credentials;
mod remote;

#[cfg(target_os = "linux")]
mod mirror;

#[cfg(target_os = "linux")]
mod agent_git;
#[cfg(target_os = "linux")]
mod checkout;
#[cfg(target_os = "linux")]
mod git_dir;
#[cfg(target_os = "linux")]
mod index;
#[cfg(target_os = "linux")]
mod layered;
#[cfg(target_os = "linux")]
mod listing;
#[cfg(target_os = "linux")]
mod notes;
#[cfg(target_os = "linux")]
mod object;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod seal;
#[cfg(target_os = "linux")]
mod snapshot;
#[cfg(target_os = "linux")]
mod tracked;
#[cfg(target_os = "linux")]
mod trusted;

#[cfg(target_os = "linux")]
mod hints;
#[cfg(target_os = "linux")]
mod ignore;
#[cfg(target_os = "linux")]
mod submodule;
#[cfg(target_os = "linux")]
mod tree_dir;
#[cfg(target_os = "linux")]
mod tree_write;
#[cfg(target_os = "linux")]
mod walk;
mod wildmatch;

#[cfg(target_os = "linux")]
mod diff;
#[cfg(target_os = "linux")]
mod import;
mod summary;
#[cfg(target_os = "linux")]
mod trees;

#[cfg(target_os = "linux")]
mod merges;
mod patch;
#[cfg(target_os = "linux")]
mod publish;
mod repository;

#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub mod fuzzed;

#[cfg(target_os = "linux")]
pub use checkout::{Checkout, CheckoutError, CheckoutRequest, Owner, ReadOnlyBind, Restored};
pub use credentials::{
    Credentials, InvalidCredential, KnownHosts, Login, PrivateKey, Token, Trouble, Username,
};
#[cfg(target_os = "linux")]
pub use diff::{Diff, DiffError};
#[cfg(target_os = "linux")]
pub use layered::{LayeredCheckout, LayeredRequest};
#[cfg(target_os = "linux")]
pub use merges::{Copy, Merged, Merges, MergesError, Side};
#[cfg(target_os = "linux")]
pub use mirror::{Mirror, MirrorError};
pub use names::{CommitId, CommitRef, InvalidName, ObjectId, RefName, TreeId};
pub use patch::Conflict;
pub use patch::parts::lines::{NotShown, Side as PatchSide};
pub use patch::parts::{
    Choice, ComposeError, ContradictingPart, Contradiction, FilePart, FileStatus, HunkPart,
    MalformedPatch, Part, Patch, Selection, compose, is_at,
};
pub use patch::touched::touched;
#[cfg(target_os = "linux")]
pub use place::Place;
pub use process::{Git, GitError};
#[cfg(target_os = "linux")]
pub use publish::{BranchRequest, Identity, InvalidIdentity, PrepareError, Prepared, PushError};
pub use remote::{Asked, Denied, RefSpec, ResolveError, Resolved};
pub use repository::{
    Applied, ApplyError, ApplyPlan, BranchError, Remote, Repository, RepositoryError, ThreeWay,
    Undone,
};
#[cfg(target_os = "linux")]
pub use snapshot::SnapshotCheckout;
pub use summary::{ChangeKind, FileChange, FileMode};
pub use url::{InvalidUrl, RepoUrl};
#[cfg(target_os = "linux")]
pub use walk::{DiffLimits, WalkError, Warning};
