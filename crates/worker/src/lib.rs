//! The worker: takes attempts over [`outwork_api::worker::WorkerApi`], runs each in a sandbox of its own and hands the
//! result back. It dials out only, holds no database and no push credential, and may be killed at any instruction.
//!
//! ```text
//!  heartbeat (own thread) ─┐                        ┌─ attempt ── prepare → snapshot → agent → collect
//!  commands (SSE) ─────────┼─→ leases ── wish ──→   │     │ events, steps, results, the end
//!  answers to each verb ───┘  (Run, Release,        │     ▼
//!                              Cancel, Abandon)     └─ outbox (a file) ── delivery ──→ WorkerApi
//! ```
//!
//! Three promises hold it together:
//!
//! * **Whoever lost a lease stops.** A claim that the server refuses is abandoned at once: the sandbox is killed and nothing
//!   more is sent. A server that is merely away changes nothing (`lease` and `docs/decisions/0003-worker-leases.md`).
//! * **What happened is not lost.** Everything that the server has to hear goes through one ordered file until it is
//!   acknowledged; a worker that is killed after an attempt ended hands it in at its next start.
//! * **Nothing is left.** Sandboxes end with the worker; what lies on disk is swept at the next start.
//!
//! In `data_dir/worker`, readable for the worker alone:
//!
//! | path | what |
//! |---|---|
//! | `lock` | held while a worker uses the directory |
//! | `id` | the id that the server gave |
//! | `git/` | git's private configuration |
//! | `mirrors/` | bare mirrors of repositories, kept |
//! | `snapshots/` | trees after setup, kept by key |
//! | `images/` | unpacked images |
//! | `base/<fingerprint>/` | the skeleton of the worker's own system |
//! | `run/<slot>/` | sockets, short paths because a socket's path has 108 bytes at most |
//! | `attempts/<attempt>/<epoch>/` | `upper/`, `maintained/`, `git/` of a running attempt, and its `outbox/` |
//!
//! Read in this order: [`config`], `state_dir`, `lease`, `mask` and `outbox` (and its `delivery`), `supervisor`; then what
//! attempts see: `base`, `layers`, `sandbox_layout`, `runtimes`; then `attempt` (one file for each step) and `failure`; beside it
//! [`install`] (agents), [`doctor`] and [`stepped`] (for the simulation).

pub mod config;

mod hostile_file;
mod session;
mod state_dir;

mod lease;
mod mask;
mod outbox;
mod retry;

mod base;
mod images;
mod layers;
mod runtimes;
mod sandbox_layout;

mod attempt;
mod failure;
mod supervisor;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

pub mod doctor;
pub mod install;
pub mod stepped;

pub use config::{
    Backend, CacheLimits, Clock, Containment, GitProgram, ImageSources, IpNet, Kernel, Network,
    OciRuntime, Timing, UpstreamProxies, WorkerConfig,
};
pub use state_dir::StateDirError;
pub use supervisor::{StartError, Worker, WorkerEnd, WorkerHandle};
