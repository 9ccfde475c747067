//! The control plane over real HTTP, with a real store and real repositories. The worker is driven by hand: it speaks the worker API.

mod rig;

mod access;
mod agreement;
mod cache;
mod canary;
mod cancelling;
mod codex_api;
mod codex_client;
mod containment;
mod credentials;
mod disk;
mod documents;
mod environments;
mod following;
mod git_gateway;
mod idempotency;
mod in_process;
mod leases;
mod leftovers;
mod life;
mod log;
mod model;
mod operating;
mod output_schema;
mod paging;
mod private;
mod problems;
mod repositories;
mod scheduling;
mod secret_key;
mod secrets;
mod sessions;
mod signposts;
mod submission;
mod verbs;
