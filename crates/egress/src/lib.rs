//! What leaves a sandbox, and only that.
//!
//! A sandbox has no network. What an agent may reach, it reaches through unix
//! sockets that this crate serves from outside:
//!
//! - [`gateway`]: the model. The agent speaks plain HTTP to it and holds no key;
//!   the gateway adds the key, lets only the model API's paths through, streams
//!   both ways, and counts tokens as they pass.
//! - [`proxy`]: the Internet, as far as a [`policy`] allows: which hosts, which
//!   methods, whether git may push. It reads inside TLS, or only where it goes.
//!
//! A proxy runs in a process of its own, which [`process`] starts and ends, and what
//! a sandbox must trust for it is made by [`trust`].
//!
//! The crate knows nothing of tasks and attempts: whoever starts a gateway or a
//! proxy gives it a socket path and reads its events. It installs no TLS provider:
//! before [`gateway::Upstream::new`] the process needs
//! `rustls::crypto::ring::default_provider().install_default()`. Proxy variables
//! (`HTTPS_PROXY` and the like) have no effect: what the proxy shall use is an
//! argument. The gateway trusts the system's certificates, or those that
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` name.

pub mod gateway;
pub mod policy;

pub mod proxy;

pub mod process;
pub mod trust;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

pub use process::{PROCESS_ARGUMENT, process_main};
