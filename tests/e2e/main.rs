//! Outwork as people use it: the real binary, both stores, real git, real sandboxes, the real
//! Codex CLI against a scripted model.

mod harness;

mod asking;
mod backup;
mod bad_input;
mod cache;
mod ci;
mod codex;
mod codex_client;
mod command;
mod completion;
mod compose;
mod conformance;
mod credentials;
mod environments;
mod escape;
mod forges;
mod hostile;
mod images;
mod init;
mod isolation;
mod launcher;
mod life;
mod limits;
mod man;
mod network;
mod output_schema;
mod packages;
mod pager;
mod picker;
mod publishing;
mod replay;
mod repositories;
mod run;
mod schedules;
mod scheduling;
mod scripts;
mod secrets;
mod servers;
mod sessions;
mod slack;
mod terminal;
mod upgrade;
mod webhooks;
mod workers_life;
