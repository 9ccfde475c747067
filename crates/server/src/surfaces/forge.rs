//! Forges: GitHub, GitLab, and Gitea with Forgejo. What differs between them is in `outwork_forges`; here is what the server does about it.
//!
//! * `receive`: signature and reduction; `handle`: what somebody asked for, with `start` (a new task), `go_on` (a follow-up, an answer, an end),
//!   `checks` (what checks say of our own pull requests) and `material` (what the agent is given to read).
//! * `tell`: that a conversation has to be looked at; `send`: the comment, the review and the pull request as they should be by now.
//! * `asking`: how a forge is asked, `tokens`: with what, `app_form`: how a GitHub App is made; `memory`: what is remembered of a conversation.
//!
//! One comment belongs to each request, and is written anew as it goes on. It begins with a mark, by which a server finds it that goes on after
//! another was killed between the act and the note of it.

pub(crate) mod app_form;
mod asking;
mod checks;
mod go_on;
mod handle;
mod material;
mod memory;
mod receive;
mod send;
mod settings;
mod start;
mod tell;
mod tokens;

pub(crate) use handle::handle;
pub(crate) use receive::receive;
pub(crate) use send::send;
pub(crate) use settings::check;
pub(crate) use tell::tell;
pub(crate) use tokens::{Tokens, push_access};

use outwork_api::problem::Code;
use outwork_store::StoreError;

use crate::jobs::Outcome;
use crate::publish::Trouble;
use crate::refusal::Refusal;

/// Why a step ended the whole.
#[derive(Debug)]
enum Stop {
    /// What becomes of the job.
    Job(Outcome),
    /// People have to be told that it cannot be done, and why.
    Tell { why: String, hint: Option<String> },
}

impl From<StoreError> for Stop {
    fn from(fault: StoreError) -> Self {
        Self::Job(super::later(&fault))
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Job(match trouble {
            Trouble::Passing { text, wait } => Outcome::Later {
                trouble: text,
                wait,
            },
            Trouble::Final(failure) => {
                let hint = failure.hint.map(|hint| format!(" {hint}"));
                Outcome::Failed(format!("{}{}", failure.message, hint.unwrap_or_default()))
            }
            Trouble::Store(fault) => super::later(&fault),
        })
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        refusal.log(None);
        let problem = refusal.problem();
        let passes = problem.status >= 500 || problem.is(Code::IdempotencyInFlight);
        match passes {
            true => Self::Job(Outcome::Later {
                trouble: problem.detail.clone(),
                wait: None,
            }),
            false => Self::Tell {
                why: problem.detail.clone(),
                hint: problem.hint.clone(),
            },
        }
    }
}
