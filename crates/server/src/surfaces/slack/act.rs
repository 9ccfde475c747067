//! What somebody in Slack asked for, done as the API does it, for the member that this person is.

use outwork_api::approval::{NewApproval, Verdict};
use outwork_api::integration::SlackSettings;
use outwork_api::publication::NewPublication;
use outwork_api::task::{NewRetry, NewTask, NewTurn, Priority, TaskKind};
use outwork_domain::integration::Conversation;
use outwork_domain::principal::{Member, Principal};
use outwork_domain::status::{TaskStatus, task_status};
use outwork_domain::{EnvironmentId, TaskId};
use outwork_slack::blocks::{Button, Post, choice, form, note};
use outwork_slack::choose::{Candidate, Choice, choose};
use outwork_slack::mrkdwn::escaped;
use outwork_slack::text::{self, Wish, begins_with_another};
use outwork_slack::web::{open_form, post_ephemeral};
use outwork_slack::{Form, Inbound, Message, Place, Press};
use outwork_store::{EnvironmentRecord, Idempotency, StoreError, TaskRecord};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::context::{before, names};
use super::send::status;
use super::tell::About;
use super::thread::{Along, Asked, Thread, edit};
use super::web::{Web, outcome};
use super::who::{Who, who};
use crate::endpoints::attempts::diff::patch_bytes;
use crate::endpoints::{approvals, publications, tasks};
use crate::jobs::{Held, Outcome};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::submit;
use crate::surfaces::settings::Known;
use crate::surfaces::{later, open, post};
use crate::view;

/// For how long a job that is done again makes no second task.
const KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
/// A fault of the server's own is tried again that often before people are told.
const QUIET_TRIES: u32 = 3;
/// Environments of a workspace that are looked at.
const ENVIRONMENTS: u32 = 500;
/// So much of a diff is shown in a thread.
const DIFF_CHARS: usize = 2400;

const HELP: &str = "Write to me what is to be done: `@outwork fix the flaky test`, or `@outwork in ENVIRONMENT: fix …`. \
     In a task's thread: what you write to me is the answer to its question, or a follow-up; alone in a message, `status`, `cancel`, `approve`, `reject`, `retry`, \
     `diff` and `pr` do what they say.";

/// What the button of an environment carries.
#[derive(Debug, Serialize, Deserialize)]
struct Chosen {
    environment: String,
    /// The message that asked.
    ts: String,
}

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
                .is_some_and(|task| matches!(status_of(task), TaskStatus::NeedsInput));
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

    /// The environments that are offered here.
    async fn environments(&self) -> Result<Vec<EnvironmentRecord>, StoreError> {
        let workspace = self.workspace();
        let paged = self
            .plane
            .store
            .environments(workspace, ENVIRONMENTS, None)
            .await?;
        let listed = &self.known.environments;
        let mut all = paged.items;
        all.retain(|record| {
            let label = &record.environment.spec.label;
            listed.is_empty() || listed.iter().any(|one| same_label(one, label))
        });
        Ok(all)
    }

    async fn new_task(
        &self,
        message: &Message,
        principal: Principal,
        named: Option<&str>,
        text: &str,
    ) -> Acted {
        // Before anything is said of environments: who may not give tasks need not know them.
        let member = may_give(principal)?;
        let environments = self.environments().await?;
        let candidates: Vec<Candidate> = environments.iter().map(candidate).collect();
        let recent = self.recent(message).await?;
        let default = self.known.default_environment.as_ref();
        let default =
            default.and_then(|label| candidates.iter().find(|one| same_label(&one.label, label)));
        match choose(named, text, &candidates, &recent) {
            Choice::Chosen { id, why } => self.submit(message, &member, &id, &why, text).await,
            Choice::Ask { .. } if named.is_none() && default.is_some() => {
                let id = default.map(|one| one.id.clone()).unwrap_or_default();
                let why = "it is the usual one here";
                self.submit(message, &member, &id, why, text).await
            }
            Choice::Ask { from, why } => self.ask_which(message, &candidates, &from, &why).await,
            Choice::Nothing => {
                let text = "There is no environment here that tasks can run in. An admin makes one with `outwork env create`, or lists one for this integration.";
                self.reply(&message.place, &note(text), None).await?;
                said("There is no environment.")
            }
        }
    }

    /// The environments that this person, then others in this channel, used last.
    async fn recent(&self, message: &Message) -> Result<Vec<String>, StoreError> {
        let mut recent = Vec::new();
        for key in recent_keys(&message.place, &message.user) {
            let integration = self.known.integration.id;
            let last = self.plane.store.conversation(integration, &key).await?;
            let id = last.and_then(|it| it.environment_id);
            recent.extend(id.map(|id| id.to_string()));
        }
        Ok(recent)
    }

    async fn ask_which(
        &self,
        message: &Message,
        candidates: &[Candidate],
        from: &[String],
        why: &str,
    ) -> Acted {
        let conversation = self.opened(&message.place).await?;
        edit(self.plane, &conversation, Along::default(), |thread| {
            thread.add_pending(message.clone());
        })
        .await?;
        let choices: Vec<(String, String)> = from
            .iter()
            .filter_map(|id| candidates.iter().find(|one| one.id == *id))
            .map(|one| {
                let chosen = Chosen {
                    environment: one.id.clone(),
                    ts: message.ts.clone(),
                };
                let value = serde_json::to_string(&chosen).expect("strings");
                (one.label.clone(), value)
            })
            .collect();
        self.reply(&message.place, &choice(why, &choices), None)
            .await?;
        said("It was asked in which environment.")
    }

    /// Gives the task.
    async fn submit(
        &self,
        message: &Message,
        member: &Member,
        environment: &str,
        why: &str,
        text: &str,
    ) -> Acted {
        let environment_id: EnvironmentId = environment
            .parse()
            .map_err(|_| Refusal::not_found("environment", environment))?;
        let context = before(&self.web, message, None).await;
        let context = context.map_err(|fault| outcome(&fault))?;
        let conversation = self.opened(&message.place).await?;
        let asked = Asked {
            user: message.user.clone(),
            ts: Some(message.ts.clone()),
            after: 0,
        };
        let conversation = edit(self.plane, &conversation, Along::default(), |thread| {
            thread.why = Some(why.to_owned());
            thread.pending.retain(|one| one.ts != message.ts);
            thread.add_asked(asked.clone());
        })
        .await?;
        self.see(&conversation, &message.ts).await?;
        let new = NewTask {
            environment: environment_id.to_string(),
            prompt: with_context(text, &context),
            branch: None,
            commit: None,
            attempts: None,
            agents: Vec::new(),
            starting_diff: None,
            starting_session: None,
            interactive: true,
            priority: Priority::Normal,
            output_schema: None,
            kind: TaskKind::Code,
            paths: Vec::new(),
        };
        let idempotency = self.idempotency(member.principal());
        let made = submit::task::submit(self.plane, member, new, Some(idempotency)).await?;
        let along = Along {
            task: Some(made.id()),
            environment: Some(environment_id),
        };
        edit(self.plane, &conversation, along, |_| {}).await?;
        for key in recent_keys(&message.place, &message.user) {
            let data = Thread::default().text();
            let last = open(self.plane, &self.known.integration, &key, data).await?;
            let along = Along {
                task: None,
                environment: Some(environment_id),
            };
            edit(self.plane, &last, along, |_| {}).await?;
        }
        // Who tells need not wait for the next change of the task.
        _ = self.plane.signals.tasks.send(Some(made.id()));
        Ok(format!("Task {}: {why}.", made.id()))
    }

    async fn see(&self, conversation: &Conversation, ts: &str) -> Result<(), StoreError> {
        let eyes = About::Eyes {
            ts: ts.to_owned(),
            add: true,
        };
        let posts = vec![eyes.post(format!("seen/{ts}"))];
        self.enqueue(conversation, posts).await
    }

    /// An answer, a word to an agent that runs, or a follow-up: as the task stands.
    async fn say(
        &self,
        place: &Place,
        principal: Principal,
        task: &TaskRecord,
        text: &str,
        (user, message): (&str, Option<&Message>),
    ) -> Acted {
        let member = may_give(principal)?;
        let id = task.task.id;
        let idempotency = self.idempotency(member.principal());
        match status_of(task) {
            TaskStatus::NeedsInput => {
                self.answer(&member, id, text, idempotency).await?;
                said("The question is answered.")
            }
            TaskStatus::Pending | TaskStatus::Running => {
                let kind = submit::tell::Kind::Steer(text.to_owned());
                submit::tell::tell(self.plane, &member, id, None, kind, Some(idempotency)).await?;
                let post = note("💬 The agent is told.");
                self.reply(place, &post, None).await?;
                said("The agent is told.")
            }
            TaskStatus::Completed | TaskStatus::Failed => {
                self.follow_up(place, &member, task, text, (user, message))
                    .await
            }
        }
    }

    async fn answer(
        &self,
        member: &Member,
        task: TaskId,
        text: &str,
        idempotency: Idempotency,
    ) -> Result<(), Refusal> {
        let kind = submit::tell::Kind::Answer(text.to_owned());
        submit::tell::tell(self.plane, member, task, None, kind, Some(idempotency))
            .await
            .map(drop)
    }

    async fn follow_up(
        &self,
        place: &Place,
        member: &Member,
        task: &TaskRecord,
        text: &str,
        (user, message): (&str, Option<&Message>),
    ) -> Acted {
        let conversation = self.opened(place).await?;
        let thread = Thread::of(&conversation);
        // What was said since somebody asked last.
        let since = thread
            .asked
            .iter()
            .filter_map(|one| one.ts.as_deref())
            .rfind(|ts| message.is_none_or(|message| *ts != message.ts));
        let context = match message {
            Some(message) => before(&self.web, message, since).await,
            None => Ok(String::new()),
        };
        let context = context.map_err(|fault| outcome(&fault))?;
        self.asks(&conversation, task, user, message).await?;
        let new = NewTurn {
            prompt: with_context(text, &context),
            comments: None,
            attempts: None,
            attempt: None,
            output_schema: None,
        };
        let idempotency = self.idempotency(member.principal());
        let id = task.task.id;
        submit::turn::submit(self.plane, member, id, new, Some(idempotency)).await?;
        said("A follow-up was given.")
    }

    /// Remembers who asked for the next turn, and shows that it was seen.
    async fn asks(
        &self,
        conversation: &Conversation,
        task: &TaskRecord,
        user: &str,
        message: Option<&Message>,
    ) -> Result<(), StoreError> {
        let asked = Asked {
            user: user.to_owned(),
            ts: message.map(|message| message.ts.clone()),
            after: u32::try_from(task.turns.len()).unwrap_or(u32::MAX),
        };
        edit(self.plane, conversation, Along::default(), |thread| {
            thread.add_asked(asked.clone());
        })
        .await?;
        match message {
            Some(message) => self.see(conversation, &message.ts).await,
            None => Ok(()),
        }
    }

    async fn command(
        &self,
        place: &Place,
        principal: Principal,
        task: &TaskRecord,
        wish: Wish,
        (user, message): (&str, Option<&Message>),
    ) -> Acted {
        let id = task.task.id;
        match wish {
            Wish::Cancel => {
                may_give(principal)?;
                let now = self.plane.now();
                self.plane
                    .store
                    .cancel_task(self.workspace(), id, now)
                    .await?;
                said("It is cancelled.")
            }
            Wish::Approve { text } => {
                self.judge(place, principal, id, Verdict::Approve, text, user)
                    .await
            }
            Wish::Reject { text } => {
                self.judge(place, principal, id, Verdict::Reject, text, user)
                    .await
            }
            Wish::Retry => {
                let member = may_give(principal)?;
                let conversation = self.opened(place).await?;
                self.asks(&conversation, task, user, message).await?;
                let idempotency = self.idempotency(member.principal());
                let new = NewRetry::default();
                submit::turn::retry(self.plane, &member, id, new, Some(idempotency)).await?;
                said("It is tried again.")
            }
            Wish::PullRequest => self.publish(place, principal, id).await,
            Wish::Diff => {
                let post = self.diff(task).await?;
                self.reply(place, &post, None).await?;
                said("The diff was shown.")
            }
            Wish::Status => {
                let wire = view::task::whole(self.plane, task.clone()).await?;
                let post = status(task, &wire, self.settings.link_only);
                self.reply(place, &post, None).await?;
                said("The state was told.")
            }
            // Dealt with before.
            Wish::Help | Wish::Nothing | Wish::Say { .. } => said("Nothing was asked for."),
        }
    }

    async fn judge(
        &self,
        place: &Place,
        principal: Principal,
        task: TaskId,
        verdict: Verdict,
        text: Option<String>,
        user: &str,
    ) -> Acted {
        let reviewer = principal.reviewer().map_err(Refusal::from)?;
        let new = NewApproval {
            turn: None,
            attempt: None,
            verdict,
            text,
        };
        let stands = approvals::give::judge(self.plane, &reviewer, task, new).await?;
        let did = match verdict {
            Verdict::Approve => "👍 Approved",
            Verdict::Reject => "👎 Rejected",
            Verdict::Withdraw => "Withdrawn",
        };
        let waits = match stands.state.as_str() {
            "waiting" => format!(
                " {} of {} approvals are given.",
                stands.given.len(),
                stands.needed
            ),
            _ => String::new(),
        };
        let post = note(&format!("{did} by <@{user}>.{waits}"));
        self.reply(place, &post, None).await?;
        Ok(format!("{did}."))
    }

    async fn publish(&self, place: &Place, principal: Principal, task: TaskId) -> Acted {
        let member = may_give(principal)?;
        let fingerprint = Sha256::digest(self.held.job.body.as_bytes()).into();
        let request = Some((self.key(), fingerprint));
        let new = NewPublication::default();
        let asked = publications::publish::ask(self.plane, &member, task, new, request).await?;
        let (publication, _) = asked;
        let conversation = self.opened(place).await?;
        let id = publication.id.to_string();
        edit(self.plane, &conversation, Along::default(), |thread| {
            if !thread.publications.contains(&id) {
                thread.publications.push(id.clone());
            }
        })
        .await?;
        // It may have ended before it was remembered.
        let about = About::Publication { id: id.clone() };
        let posts = vec![about.post(format!("publication/{id}/asked"))];
        self.enqueue(&conversation, posts).await?;
        Ok(format!("Publication {id}."))
    }

    async fn diff(&self, task: &TaskRecord) -> Result<Post, Stop> {
        let turn = tasks::diff::chosen_turn(task, None)?;
        let attempt = tasks::diff::named_or_shown(task, turn, None)?;
        let url = format!("{}/tasks/{}", self.plane.public_url, task.task.id);
        let stat = view::attempt::stat(attempt).unwrap_or_default();
        let link = format!("<{}|{} files>", escaped(&url), stat.files_changed);
        if self.settings.link_only {
            return Ok(note(&format!("<{}|The diff>", escaped(&url))));
        }
        let head = format!("{link}, +{} −{}", stat.lines_added, stat.lines_removed);
        let bytes = patch_bytes(self.plane, task, attempt, None).await?;
        let text = String::from_utf8_lossy(&bytes);
        let shown: String = text.chars().take(DIFF_CHARS).collect();
        let shown = escaped(&shown).replace("```", "`\u{200b}`\u{200b}`");
        let shown: String = shown.chars().take(DIFF_CHARS).collect();
        // An entity that was cut is no entity.
        let shown = match shown.rfind('&') {
            Some(at) if !shown[at..].contains(';') => &shown[..at],
            _ => &shown,
        };
        let more = match text.chars().count() > DIFF_CHARS {
            true => "\n… the rest is there.",
            false => "",
        };
        Ok(note(&format!("{head}\n```\n{shown}\n```{more}")))
    }

    async fn press(&self, press: &Press) -> Acted {
        let Some(button) = Button::of(&press.button) else {
            return said("It is no button of this version.");
        };
        if button == Button::Open {
            return said("The task's page was opened.");
        }
        let principal = match self.who(&press.user).await? {
            Who::Member(principal) => principal,
            Who::Nobody(why) => {
                let text = format!("⚠️ {}", escaped(&why));
                self.whisper(&press.place, &press.user, &text).await;
                return Ok(format!("Refused: {why}"));
            }
        };
        if button == Button::Environment {
            return self.chosen(press, principal).await;
        }
        let task = self.task_of(&press.place, &press.value).await?;
        let wish = match button {
            Button::FollowUp | Button::Answer => {
                may_give(principal)?;
                return self.open_form(press, button, &task).await;
            }
            Button::PullRequest => Wish::PullRequest,
            Button::Cancel => Wish::Cancel,
            Button::Approve => Wish::Approve { text: None },
            Button::Reject => Wish::Reject { text: None },
            Button::Retry => Wish::Retry,
            Button::Open | Button::Environment => return said("Nothing was asked for."),
        };
        let asked = (press.user.as_str(), None);
        self.command(&press.place, principal, &task, wish, asked)
            .await
    }

    /// The task of a thread, if it is the one that the button is about.
    async fn task_of(&self, place: &Place, value: &str) -> Result<TaskRecord, Stop> {
        let missing = || Refusal::not_found("task", value);
        let conversation = self.conversation(place).await?;
        let task = conversation.and_then(|it| it.task_id);
        let task = task.filter(|task| task.to_string() == value);
        let task = task.ok_or_else(missing)?;
        Ok(tasks::by_id(self.plane, self.workspace(), task).await?)
    }

    async fn open_form(&self, press: &Press, button: Button, task: &TaskRecord) -> Acted {
        let newest = task.turns.last().map_or(&[][..], |turn| &turn.attempts);
        let asked = newest
            .iter()
            .find_map(|record| match &record.attempt.state {
                outwork_domain::State::AwaitingInput { question, .. } => Some(question.as_str()),
                _ => None,
            });
        let asked = asked.filter(|_| button == Button::Answer && !self.settings.link_only);
        let view = form(&press.place, button, &press.value, asked);
        let opened = match &press.trigger {
            Some(trigger) => self.web.call(open_form(trigger, &view)).await.is_ok(),
            None => false,
        };
        if opened {
            return said("A form was opened.");
        }
        let text = "The form could not be opened in time. Write it into this thread instead, to me: `@outwork …`.";
        self.whisper(&press.place, &press.user, text).await;
        said("A form could not be opened.")
    }

    /// The environment of a message that asked.
    async fn chosen(&self, press: &Press, principal: Principal) -> Acted {
        let Ok(chosen) = serde_json::from_str::<Chosen>(&press.value) else {
            return said("The button says nothing that is understood.");
        };
        let conversation = self.conversation(&press.place).await?;
        let thread = conversation.as_ref().map(Thread::of).unwrap_or_default();
        let waiting = thread.pending.into_iter().find(|one| one.ts == chosen.ts);
        let has_task = conversation.as_ref().is_some_and(|it| it.task_id.is_some());
        let Some(message) = waiting.filter(|_| !has_task) else {
            self.whisper(&press.place, &press.user, "That was chosen before.")
                .await;
            return said("It was chosen before.");
        };
        if message.user != press.user {
            let text = format!("<@{}> asked, and chooses.", message.user);
            self.whisper(&press.place, &press.user, &text).await;
            return said("Somebody else asked.");
        }
        let member = may_give(principal)?;
        let environments = self.environments().await?;
        let environment = environments
            .iter()
            .find(|one| one.environment.id.to_string() == chosen.environment);
        let Some(environment) = environment else {
            return Err(Refusal::not_found("environment", &chosen.environment).into());
        };
        let us = message.us.as_deref();
        let names = names(&self.web, us, [message.text.clone()].into_iter(), &[]).await;
        let text = match text::read(&message.text, us, |id| names.get(id).cloned()) {
            Wish::Say { text, .. } => text,
            _ => text::plain(&message.text, us, |id| names.get(id).cloned()),
        };
        let why = "it was chosen";
        let acted = self
            .submit(&message, &member, &chosen.environment, why, &text)
            .await?;
        let label = escaped(&environment.environment.spec.label);
        let post = note(&format!(
            "Environment *{label}*, chosen by <@{}>.",
            press.user
        ));
        let conversation = self.opened(&press.place).await?;
        let about = About::Note {
            text: post.text,
            blocks: post.blocks,
            instead_of: Some(press.ts.clone()),
        };
        let posts = vec![about.post(format!("chosen/{}", press.ts))];
        self.enqueue(&conversation, posts).await?;
        Ok(acted)
    }

    async fn form(&self, form: &Form) -> Acted {
        let principal = match self.who(&form.user).await? {
            Who::Member(principal) => principal,
            Who::Nobody(why) => {
                let text = format!("⚠️ {}", escaped(&why));
                self.whisper(&form.place, &form.user, &text).await;
                return Ok(format!("Refused: {why}"));
            }
        };
        let task = self.task_of(&form.place, &form.value).await?;
        let text = form.text.trim();
        if text.is_empty() {
            return said("Nothing was written.");
        }
        let asked = (form.user.as_str(), None);
        match Button::of(&form.button) {
            Some(Button::Answer) => {
                let member = may_give(principal)?;
                let idempotency = self.idempotency(member.principal());
                self.answer(&member, task.task.id, text, idempotency)
                    .await?;
                said("The question is answered.")
            }
            _ => self.say(&form.place, principal, &task, text, asked).await,
        }
    }
}

fn may_give(principal: Principal) -> Result<Member, Refusal> {
    principal.member().map_err(Refusal::from)
}

fn status_of(task: &TaskRecord) -> TaskStatus {
    let newest = task.turns.last().map_or(&[][..], |turn| &turn.attempts);
    task_status(newest.iter().map(|record| &record.attempt.state)).0
}

fn same_label(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn candidate(record: &EnvironmentRecord) -> Candidate {
    let environment = &record.environment;
    Candidate {
        id: environment.id.to_string(),
        label: environment.spec.label.clone(),
        repository: environment.spec.repository_url.clone(),
    }
}

fn with_context(text: &str, context: &str) -> String {
    match context.is_empty() {
        true => text.to_owned(),
        false => format!("{text}\n\n{context}"),
    }
}

/// Under these it is remembered which environment was used last.
fn recent_keys(place: &Place, user: &str) -> [String; 2] {
    let Place { team, channel, .. } = place;
    [
        format!("slack:last/{team}/{user}"),
        format!("slack:last/{team}/{channel}"),
    ]
}
