//! # outwork-forges: what is said to and by the servers of repositories
//!
//! GitHub, GitLab, and Gitea with Forgejo, as far as tasks come from them and results go back. Everything here is pure: bytes and values
//! go in, values come out. Who sends the requests, who keeps what is to be done and who asks for the time is elsewhere.
//!
//! * [`signature`]: whether a delivery is from the server that it says.
//! * [`event`]: what a delivery is about, in one vocabulary for all three; [`github`], [`gitlab`] and [`gitea`] read it.
//! * [`mention`]: where a text calls us, and what it asks for.
//! * [`call`]: requests to a server's interface and what their answers hold; [`Kind`] knows how each server wants them.
//! * [`thread`]: the conversation around a mention, as pieces of strangers' text.
//! * [`words`]: strangers' and agents' text made harmless; [`report`]: the comments that we write; [`review`]: comments on lines.
//! * [`app`]: GitHub Apps: the form that makes one, and the token with which one speaks for itself.
//!
//! Whatever comes from a server was written by strangers. It chooses what is asked and nothing else.

pub mod signature;

pub mod event;
pub mod mention;

pub mod gitea;
pub mod github;
pub mod gitlab;

pub mod call;
pub mod thread;

pub mod report;
pub mod review;
pub mod words;

pub mod app;

mod kind;

pub use kind::Kind;
