//! The commands from end to end: parsed, run against a server over HTTP and repositories on disk.

mod harness;
mod hostile;
mod server;

mod apply;
mod arguments;
mod cache;
mod conflicts;
mod containment;
mod credentials;
mod environments;
mod errors;
mod exec;
mod init;
mod people;
mod pull_requests;
mod reading;
mod repositories;
mod secrets;
mod setup;
mod sync;
mod usage;
mod webhooks;
