//! The typed client: JSON over HTTP, and events over SSE.
//!
//! [`Client`] speaks the task API, [`HttpWorkerApi`] the worker API. Neither reads the process
//! environment or draws random numbers: keys ([`IdempotencyKey`]) and jitter ([`Jitter`]) come from
//! the caller. The process must have installed a rustls crypto provider.
//!
//! Below `/api/v1` (bearer token of kind `user` or `integration`):
//!
//! | method | request |
//! |---|---|
//! | [`Client::me`] | `GET /me` |
//! | [`Client::environments`] | `GET /environments?limit=&cursor=` |
//! | [`Client::create_environment`] | `POST /environments` (key) |
//! | [`Client::environment`] | `GET /environments/{env}` |
//! | [`Client::update_environment`] | `PATCH /environments/{env}` (`If-Match`) |
//! | [`Client::delete_environment`] | `DELETE /environments/{env}` |
//! | [`Client::tasks`] | `GET /tasks?environment=&limit=&cursor=` |
//! | [`Client::submit`] | `POST /tasks` (key) |
//! | [`Client::task`] | `GET /tasks/{task}` |
//! | [`Client::follow_up`] | `POST /tasks/{task}/turns` (key) |
//! | [`Client::answer`], [`Client::steer`] | `POST /tasks/{task}/answer`, `…/steer` (key) |
//! | [`Client::interrupt`] | `POST /tasks/{task}/interrupt` |
//! | [`Client::retry`] | `POST /tasks/{task}/retry` (key) |
//! | [`Client::publish`], [`Client::publications`] | `POST /tasks/{task}/publications` (key), `GET` |
//! | [`Client::publication`] | `GET /publications/{pub}` |
//! | [`Client::find_overlaps`], [`Client::overlaps`] | `POST /overlaps`, `GET /tasks/{task}/overlaps` |
//! | [`Client::merges`] | `POST /merges` |
//! | [`Client::dismiss`], [`Client::restore`] | `PUT`, `DELETE /tasks/{task}/dismissal` |
//! | [`Client::cancel_task`] | `POST /tasks/{task}/cancel` |
//! | [`Client::task_diff`] | `GET /tasks/{task}/diff?turn=&attempt=` (bytes) |
//! | [`Client::task_session`] | `GET /tasks/{task}/session?turn=&attempt=` (bytes) |
//! | [`Client::attempt`] | `GET /attempts/{att}` |
//! | [`Client::cancel_attempt`] | `POST /attempts/{att}/cancel` |
//! | [`Client::attempt_diff`] | `GET /attempts/{att}/diff` (bytes) |
//! | [`Client::events`] | `GET /attempts/{att}/events?after=&limit=` |
//! | [`Client::follow`] | the same with `Accept: text/event-stream` and `Last-Event-ID` |
//! | [`Client::model`], [`Client::set_model`], [`Client::delete_model`] | `GET`, `PUT`, `DELETE /model` |
//! | [`Client::usage`] | `GET /usage?from=&to=&by=` |
//! | [`Client::workers`], [`Client::forget_worker`] | `GET /workers`, `DELETE /workers/{wkr}` |
//! | [`Client::drain_worker`], [`Client::undrain_worker`], [`Client::retire_worker`], [`Client::revoke_worker`] | `POST /workers/{wkr}/drain` and so on |
//! | [`Client::set_worker_slots`] | `PUT /workers/{wkr}/slots` |
//! | [`Client::enrolment_tokens`], [`Client::make_enrolment_token`], [`Client::revoke_enrolment_token`] | `GET`, `POST /enrolment-tokens`, `DELETE /enrolment-tokens/{enr}` |
//! | [`Client::worker_tokens`] | `GET /worker-tokens` |
//! | [`Client::comments`], [`Client::comment`] | `GET`, `POST /tasks/{task}/comments` |
//! | [`Client::change_comment`], [`Client::delete_comment`] | `PATCH`, `DELETE /comments/{com}` |
//! | [`Client::approvals`], [`Client::approve`] | `GET`, `POST /tasks/{task}/approvals` |
//! | [`Client::viewed`], [`Client::mark_viewed`] | `GET`, `PUT /attempts/{att}/viewed` |
//! | [`Client::audit`] | `GET /audit?limit=&cursor=` |
//! | [`Client::members`], [`Client::add_member`], [`Client::change_member`], [`Client::remove_member`] | `GET`, `POST /members`, `PATCH`, `DELETE /members/{prn}` |
//! | [`Client::integrations`], [`Client::add_integration`], [`Client::change_integration`], [`Client::remove_integration`] | `GET`, `POST /integrations`, `PATCH`, `DELETE /integrations/{int}` |
//! | [`Client::deliveries`], [`Client::replay_delivery`] | `GET /integrations/{int}/deliveries`, `POST …/{job}/replay` |
//! | [`Client::linked_users`], [`Client::link_user`], [`Client::unlink_user`] | `GET`, `POST /integrations/{int}/users`, `DELETE …/{user}` |
//! | [`Client::member_tokens`], [`Client::make_member_token`] | `GET`, `POST /members/{prn}/tokens` |
//! | [`Client::revoke_member_token`] | `DELETE /tokens/{tok}` |
//! | [`Client::webhooks`], [`Client::add_webhook`], [`Client::webhook`], [`Client::change_webhook`], [`Client::remove_webhook`] | `GET`, `POST /webhooks`, `GET`, `PATCH`, `DELETE /webhooks/{whk}` |
//! | [`Client::rotate_webhook`], [`Client::test_webhook`] | `POST /webhooks/{whk}/rotate`, `…/test` |
//! | [`Client::webhook_deliveries`], [`Client::replay_webhook_delivery`], [`Client::replay_webhook_deliveries`] | `GET /webhooks/{whk}/deliveries`, `POST …/{job}/replay`, `POST /webhooks/{whk}/replay` |
//! | [`Client::notifications`], [`Client::set_notifications`] | `GET`, `PUT /me/notifications`, `…/environments/{env}/notifications` |
//! | [`Client::codex_login`] | `POST /codex-logins` |
//! | [`Client::revoke_codex_logins`] | `DELETE /codex-logins` |
//! | [`Client::approve_device`] | `POST /codex-logins/approve` |
//! | [`Client::enroll`] | `POST /api/worker/v1/enroll` |

mod address;
mod codex;
pub mod error;
pub mod http;
mod integrations;
pub mod sse;

pub mod follow;
mod members;
mod notices;
mod radar;
mod review;
mod schedules;
pub mod settings;
pub mod tasks;
mod usage;
mod webhooks;

pub mod worker;
mod workers;

pub use error::{ClientError, InvalidBaseUrl, InvalidToken};
pub use follow::{EventRecord, Follow, Followed, Jitter};
pub use http::{Client, IdempotencyKey, Token};
pub use tasks::{EventQuery, TaskQuery};
pub use usage::UsageQuery;
pub use worker::HttpWorkerApi;
