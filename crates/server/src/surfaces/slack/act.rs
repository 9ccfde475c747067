//! What somebody in Slack asked for, done as the API does it, for the member that this person is.
//!
//! `give`: a new task, and in which environment; `go_on`: what is asked of a task that there is; `buttons`: what is pressed and filled in.

mod buttons;
mod give;
mod go_on;

use outwork_api::integration::SlackSettings;
use outwork_domain::integration::Conversation;
use outwork_domain::principal::{Member, Principal};
use outwork_domain::status::TaskStatus;
use outwork_slack::blocks::{Post, note};
use outwork_slack::mrkdwn::escaped;
use outwork_slack::text::{self, Wish, begins_with_another};
use outwork_slack::web::post_ephemeral;
use outwork_slack::{Form, Inbound, Message, Place, Press};
use outwork_store::{Idempotency, StoreError};
use sha2::{Digest, Sha256};

use super::context::names;
use super::tell::About;
use super::thread::Thread;
use super::web::Web;
use super::who::{Who, who};
use crate::endpoints::tasks;
use crate::jobs::{Held, Outcome};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::surfaces::settings::Known;
use crate::surfaces::{later, open, post};

/// For how long a job that is done again makes no second task.
const KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
/// A fault of the server's own is tried again that often before people are told.
const QUIET_TRIES: u32 = 3;

const HELP: &str = "Write to me what is to be done: `@outwork fix the flaky test`, or `@outwork in ENVIRONMENT: fix …`. \
     In a task's thread: what you write to me is the answer to its question, or a follow-up; alone in a message, `status`, `cancel`, `approve`, `reject`, `retry`, \
     `diff` and `pr` do what they say.";

type Acted = Result<String, Stop>;

/// Why an act did not come to its end.
enum Stop {
    /// The job's outcome.
    Job(Outcome),
    /// People are told.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(fault: StoreError) -> Self {
        Self::Refused(fault.into())
    }
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Self::Job(outcome)
    }
}

/// Does what came in.
pub(crate) async fn handle(held: &Held, known: &Known, settings: &SlackSettings) -> Outcome {
    let inbound: Inbound = match serde_json::from_str(&held.job.body) {
        Ok(inbound) => inbound,
        Err(fault) => return Outcome::Failed(format!("The job cannot be read: {fault}.")),
    };
    let act = Act {
        held,
        plane: &held.plane,
        known,
        settings,
        web: Web::of_bot(&held.plane, known.integration.id, settings),
    };
    let acted = match &inbound {
        Inbound::Message(message) => act.message(message).await,
        Inbound::Press(press) => act.press(press).await,
        Inbound::Form(form) => act.form(form).await,
    };
    match acted {
        Ok(said) => Outcome::Done(Some(said)),
        Err(Stop::Job(outcome)) => outcome,
        Err(Stop::Refused(refusal)) => act.refused(&inbound, &refusal).await,
    }
}

struct Act<'a> {
    held: &'a Held,
    plane: &'a Plane,
    known: &'a Known,
    settings: &'a SlackSettings,
    web: Web<'a>,
}

fn said(text: &str) -> Acted {
    Ok(text.to_owned())
}

impl Act<'_> {
    /// What was wrong is told to whom it concerns; what may pass is tried again first.
    async fn refused(&self, inbound: &Inbound, refusal: &Refusal) -> Outcome {
        refusal.log(None);
        let problem = refusal.problem();
        if problem.status >= 500 && self.held.job.tries < QUIET_TRIES {
            return Outcome::Later {
                trouble: problem.detail.clone(),
                wait: None,
            };
        }
        let mut text = format!("⚠️ {}", escaped(&problem.detail));
        if let Some(hint) = &problem.hint {
            text += &format!("\n{}", escaped(hint));
        }
        let told = match inbound {
            Inbound::Message(message) => {
                self.reply(&message.place, &note(&text), Some(&message.ts))
                    .await
            }
            Inbound::Press(Press { place, user, .. }) | Inbound::Form(Form { place, user, .. }) => {
                self.whisper(place, user, &text).await;
                Ok(())
            }
        };
        match told {
            Ok(()) => Outcome::Done(Some(format!("Refused: {}", problem.detail))),
            Err(fault) => later(&fault),
        }
    }

    fn key(&self) -> String {
        self.held.job.key.clone()
    }

    fn idempotency(&self, who: &Principal) -> Idempotency {
        Idempotency {
            principal_id: who.id,
            route: format!("slack {}", self.known.integration.id),
            key: self.key(),
            fingerprint: Sha256::digest(self.held.job.body.as_bytes()).into(),
            expires_at: self.plane.now() + KEPT,
        }
    }

    async fn conversation(&self, place: &Place) -> Result<Option<Conversation>, StoreError> {
        let integration = self.known.integration.id;
        self.plane
            .store
            .conversation(integration, &place.key())
            .await
    }

    async fn opened(&self, place: &Place) -> Result<Conversation, StoreError> {
        let data = Thread::at(place).text();
        open(self.plane, &self.known.integration, &place.key(), data).await
    }

    /// Posts into the thread, once; and takes the 👀 off the message that is done with.
    async fn reply(
        &self,
        place: &Place,
        what: &Post,
        done_with: Option<&str>,
    ) -> Result<(), StoreError> {
        let conversation = self.opened(place).await?;
        let about = About::Note {
            text: what.text.clone(),
            blocks: what.blocks.clone(),
            instead_of: None,
        };
        let mut posts = vec![about.post(format!("note/{}", self.key()))];
        let thread = Thread::of(&conversation);
        let has_eyes = |ts: &&str| thread.asked.iter().any(|one| one.ts.as_deref() == Some(ts));
        if let Some(ts) = done_with.filter(has_eyes) {
            let eyes = About::Eyes {
                ts: ts.to_owned(),
                add: false,
            };
            posts.push(eyes.post(format!("unseen/{ts}")));
        }
        self.enqueue(&conversation, posts).await
    }

    async fn enqueue(
        &self,
        conversation: &Conversation,
        posts: Vec<crate::surfaces::Post>,
    ) -> Result<(), StoreError> {
        let job = |it| post(self.plane, &self.known.integration, conversation.id, it);
        let jobs = posts.into_iter().map(job).collect();
        self.plane.store.enqueue(jobs).await.map(drop)
    }

    /// Something for one person alone. It is lost if Slack does not take it: they press again.
    async fn whisper(&self, place: &Place, user: &str, text: &str) {
        let call = post_ephemeral(&place.channel, Some(&place.thread), user, text);
        if let Err(fault) = self.web.call(call).await {
            tracing::info!(?fault, "somebody could not be told something");
        }
    }

    async fn who(&self, user: &str) -> Result<Who, Outcome> {
        who(self.plane, self.known, self.settings, &self.web, user).await
    }

    async fn message(&self, message: &Message) -> Acted {
        let conversation = self.conversation(&message.place).await?;
        let thread_has_task = conversation.as_ref().is_some_and(|it| it.task_id.is_some());
        if !message.is_to_us && !thread_has_task {
            return said("It is said to nobody here.");
        }
        let channels = &self.settings.channels;
        let is_listed = channels.is_empty() || channels.contains(&message.place.channel);
        if !is_listed && !message.is_direct {
            if message.is_to_us {
                let text = "Tasks are not given in this channel: an admin lists the channels of the integration.";
                self.reply(&message.place, &note(text), None).await?;
            }
            return said("The channel is not listed.");
        }
        let us = message.us.as_deref();
        let names = names(&self.web, us, [message.text.clone()].into_iter(), &[]).await;
        let wish = text::read(&message.text, us, |id| names.get(id).cloned());
        let task = match conversation.as_ref().and_then(|it| it.task_id) {
            Some(task) => Some(tasks::by_id(self.plane, self.workspace(), task).await?),
            None => None,
        };
        // People may talk with one another in the thread: what is said to nobody is taken as the answer that is waited for, and as nothing else.
        if !message.is_to_us {
            let asks = task
                .as_ref()
                .is_some_and(|task| matches!(task.status().0, TaskStatus::NeedsInput));
            let is_text = matches!(wish, Wish::Say { .. });
            if !asks || !is_text || begins_with_another(&message.text, us) {
                return said("People talk with one another.");
            }
        }
        let principal = match self.who(&message.user).await? {
            Who::Member(principal) => principal,
            // Nobody is bothered who was not asked for anything.
            Who::Nobody(_) if !message.is_to_us => return said("Somebody who may not answer."),
            Who::Nobody(why) => {
                let post = note(&format!("⚠️ {}", escaped(&why)));
                self.reply(&message.place, &post, None).await?;
                return Ok(format!("Refused: {why}"));
            }
        };
        match (wish, task) {
            (Wish::Help | Wish::Nothing, _) => {
                self.reply(&message.place, &note(HELP), None).await?;
                said("Help was given.")
            }
            (Wish::Say { environment, text }, None) => {
                self.new_task(message, principal, environment.as_deref(), &text)
                    .await
            }
            (_, None) => {
                let text = "There is no task in this thread. `@outwork help` says how to give one.";
                self.reply(&message.place, &note(text), None).await?;
                said("There is no task.")
            }
            (Wish::Say { environment, text }, Some(task)) => {
                let text = match environment {
                    // Within a task's thread it is a part of the sentence.
                    Some(name) => format!("in {name}: {text}"),
                    None => text,
                };
                let asked = (message.user.as_str(), Some(message));
                self.say(&message.place, principal, &task, &text, asked)
                    .await
            }
            (wish, Some(task)) => {
                let asked = (message.user.as_str(), Some(message));
                self.command(&message.place, principal, &task, wish, asked)
                    .await
            }
        }
    }

    fn workspace(&self) -> outwork_domain::WorkspaceId {
        self.known.integration.workspace_id
    }

    async fn see(&self, conversation: &Conversation, ts: &str) -> Result<(), StoreError> {
        let eyes = About::Eyes {
            ts: ts.to_owned(),
            add: true,
        };
        let posts = vec![eyes.post(format!("seen/{ts}"))];
        self.enqueue(conversation, posts).await
    }
}

fn may_give(principal: Principal) -> Result<Member, Refusal> {
    principal.member().map_err(Refusal::from)
}

fn with_context(text: &str, context: &str) -> String {
    match context.is_empty() {
        true => text.to_owned(),
        false => format!("{text}\n\n{context}"),
    }
}
