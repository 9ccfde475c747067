//! # outwork-server: the control plane
//!
//! It owns every task: it takes submissions, gives attempts to workers under leases, keeps what they report, and shows it. Workers and people
//! come over HTTP; the worker of `outwork up` comes in process through the same [`WorkerApi`](outwork_api::worker::WorkerApi).
//!
//! What it does not do: it runs no agent, opens no sandbox and decides no state. The domain decides, the store writes, this crate connects.
//!
//! Read in this order:
//! * [`config`]: what the composition root hands in, time and randomness included; [`server`]: starting and stopping.
//! * `plane`: what all parts share; `signals`: who is woken when something was committed.
//! * [`token`], `seal`, `key_check`, `credentials`: credentials and secrets at rest.
//! * `git_gateway`: private repositories for workers, which hold no credential of theirs.
//! * `refusal`: every error as a problem; `http`: what surrounds each request; `view`: domain to wire.
//! * `endpoints`: the task API, one file each; `submit`: how a task comes to be.
//! * `codex_api`: the stock client's API, on the same services.
//! * `web`: the web page's files, and who is signed in with a browser.
//! * `publish`: results as branches and pull requests; `webhooks`: telling others what happens; `notices`: telling people.
//! * `schedules`: tasks that are submitted again and again.
//! * `surfaces`: forges and chats that give tasks and are told what came of them; `jobs`: who does that.
//! * `worker`: the worker protocol; `reconcile`: what moves on by itself.

// utoipa's macros repeat a handler's types with the paths they were written with.
#![allow(unused_qualifications)]

pub mod config;
mod serve;
pub mod server;

mod heard;
mod ids;
mod jobs;
mod plane;
mod signals;

mod credentials;
mod git_gateway;
mod key_check;
mod seal;
pub mod token;

mod refusal;

mod http;
mod view;

mod endpoints;
mod submit;

mod surfaces;

mod codex_api;

mod web;

mod worker;

mod publish;

mod notices;
mod schedules;
mod webhooks;

mod reconcile;

pub use config::{Clock, FreeSpace, ModelDefault, OtherKey, Random, ServerConfig, WebhookConfig};
pub use git_gateway::{GitGatewayConfig, GitGatewayPatience};
pub use http::openapi::{task_api_document, worker_api_document};
pub use serve::serve;
pub use server::{Server, StartError};
pub use token::new_token;
