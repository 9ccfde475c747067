//! Sends what a thread is to be told. What a message says is made from the task as it is now: what was overtaken is not said.

use outwork_api::integration::SlackSettings;
use outwork_api::task::{Attempt as WireAttempt, Task as Wire};
use outwork_domain::integration::Conversation;
use outwork_domain::publication;
use outwork_domain::status::{TaskOutcome, TaskStatus};
use outwork_domain::{Desired, State};
use outwork_slack::Place;
use outwork_slack::blocks::{
    Card, Outcome as Ended, Post, Progress, note, progress, question, result,
};
use outwork_slack::mrkdwn::escaped;
use outwork_slack::web::{WebFault, add_reaction, open_direct, remove_reaction, update};
use outwork_store::{AttemptRecord, ConversationChange, TaskRecord, TurnRecord};
use serde::Deserialize;

use super::sync::{Target, kept, once};
use super::tell::{About, asks, mark};
use super::thread::{Thread, edit};
use super::web::{Web, outcome};
use crate::jobs::{Held, Outcome};
use crate::refusal::Refusal;
use crate::surfaces::settings::Known;
use crate::view;

/// A reaction is an ornament: after so many tries it is left out, so that what people read is not held up.
const REACTION_TRIES: u32 = 2;

/// A message that is no part of a thread: to a person or a channel, of kind `notice`.
#[derive(Deserialize)]
struct Notice {
    /// `U…`, or a channel.
    to: String,
    /// Plain text.
    text: String,
    #[serde(default)]
    url: Option<String>,
}

/// Sends one.
pub(crate) async fn send(
    held: &Held,
    known: &Known,
    settings: &SlackSettings,
    conversation: &Conversation,
) -> Outcome {
    let web = Web::of_bot(&held.plane, known.integration.id, settings);
    if held.job.kind == "notice" {
        return notice(held, &web).await;
    }
    let about: About = match serde_json::from_str(&held.job.body) {
        Ok(about) => about,
        Err(fault) => return Outcome::Failed(format!("The job cannot be read: {fault}.")),
    };
    let thread = Thread::of(conversation);
    let Some(place) = thread.place.clone() else {
        return Outcome::Failed("The conversation is no thread.".to_owned());
    };
    let sending = Sending {
        held,
        settings,
        conversation,
        web,
        thread,
        place,
    };
    sending.send(about).await
}

async fn notice(held: &Held, web: &Web<'_>) -> Outcome {
    let notice: Notice = match serde_json::from_str(&held.job.body) {
        Ok(notice) => notice,
        Err(fault) => return Outcome::Failed(format!("The job cannot be read: {fault}.")),
    };
    let Notice { to, text, url } = notice;
    let channel = match to.starts_with(['U', 'W']) {
        false => to,
        true => match web.call(open_direct(&to)).await {
            Ok(answer) => answer["channel"]["id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            Err(fault) => return outcome(&fault),
        },
    };
    let mut said = escaped(&text);
    if let Some(url) = url {
        said += &format!("\n{}", escaped(&url));
    }
    // Slack's clock may be somewhat behind.
    let oldest = held.job.created_at.as_millis() / 1000 - 3600;
    let target = Target {
        channel: &channel,
        thread: None,
        oldest: Some(format!("{oldest}.000000")),
    };
    once(held, web, &target, &note(&said)).await
}

struct Sending<'a> {
    held: &'a Held,
    settings: &'a SlackSettings,
    conversation: &'a Conversation,
    web: Web<'a>,
    thread: Thread,
    place: Place,
}

/// A turn as it is now.
struct Now {
    record: TaskRecord,
    wire: Wire,
}

impl Now {
    fn turn(&self, number: u32) -> Option<&TurnRecord> {
        let mut turns = self.record.turns.iter();
        turns.find(|turn| turn.turn.number.get() == number)
    }

    fn is_newest(&self, number: u32) -> bool {
        let newest = self.record.turns.last();
        newest.is_some_and(|turn| turn.turn.number.get() == number)
    }

    fn attempt(&self, turn: u32, number: u32) -> Option<&WireAttempt> {
        let mut turns = self.wire.turns.iter();
        let turn = turns.find(|it| it.number == turn)?;
        turn.attempts.iter().find(|it| it.number == number)
    }
}

impl Sending<'_> {
    async fn send(&self, about: About) -> Outcome {
        let sent = match about {
            About::Eyes { ts, add } => return self.react(&ts, add).await,
            About::Note {
                text,
                blocks,
                instead_of,
            } => {
                return self
                    .note(&Post { text, blocks }, instead_of.as_deref())
                    .await;
            }
            About::Publication { id } => self.publication(&id).await,
            About::Progress { turn } => self.progress(turn).await,
            About::Question {
                turn,
                attempt,
                epoch,
            } => self.question(turn, attempt, epoch).await,
            About::Result { turn } => self.result(turn).await,
        };
        sent.unwrap_or_else(|fault| failed(&fault))
    }

    async fn now(&self) -> Result<Option<Now>, Refusal> {
        let plane = &self.held.plane;
        let Some(task) = self.conversation.task_id else {
            return Ok(None);
        };
        let workspace = self.conversation.workspace_id;
        let Some(record) = plane.store.task(workspace, task).await? else {
            return Ok(None);
        };
        let wire = view::task::whole(plane, record.clone()).await?;
        Ok(Some(Now { record, wire }))
    }

    fn card<'a>(&'a self, now: &'a Now, turn: u32) -> Card<'a> {
        let it = &now.wire.summary;
        Card {
            task: &it.id,
            title: &it.title,
            url: &it.url,
            environment: &it.environment_label,
            why: self.thread.why.as_deref().filter(|_| turn == 1),
            turn,
            link_only: self.settings.link_only,
        }
    }

    /// Who is called: nobody in a conversation with one person.
    fn whom(&self, turn: u32) -> Option<&str> {
        let asker = self.thread.asker(turn)?;
        (!self.place.channel.starts_with('D')).then_some(&asker.user)
    }

    async fn kept(&self, mark: &str, post: &Post) -> Outcome {
        let target = Target::of(&self.place);
        kept(self.held, &self.web, self.conversation, &target, mark, post).await
    }

    async fn progress(&self, number: u32) -> Result<Outcome, Refusal> {
        let Some(now) = self.now().await? else {
            return Ok(gone());
        };
        let Some(turn) = now.turn(number) else {
            return Ok(gone());
        };
        let how_far = how_far(&now, turn);
        let post = progress(&self.card(&now, number), &how_far.shown());
        let mark = mark(&now.record, number, "progress");
        Ok(self.kept(&mark, &post).await)
    }

    async fn question(&self, number: u32, attempt: u32, epoch: i64) -> Result<Outcome, Refusal> {
        let Some(now) = self.now().await? else {
            return Ok(gone());
        };
        let mark = mark(&now.record, number, &asks(attempt, epoch));
        let card = self.card(&now, number);
        let of_turn = now.turn(number).map_or(&[][..], |turn| &turn.attempts);
        let asking = of_turn.iter().find(|record| {
            record.attempt.number.get() == attempt && record.attempt.epoch.get() == epoch
        });
        let question_now = asking.and_then(|record| match &record.attempt.state {
            State::AwaitingInput { question, .. } => Some(question),
            _ => None,
        });
        let post = match question_now {
            Some(asked) => question(&card, asked, self.whom(number)),
            None if !self.thread.messages.contains_key(&mark) => {
                let said = "It was answered before it could be told.";
                return Ok(Outcome::Done(Some(said.to_owned())));
            }
            None => note(&format!(
                "❓ <{}|The question> is not open any more.",
                escaped(card.url)
            )),
        };
        Ok(self.kept(&mark, &post).await)
    }

    async fn result(&self, number: u32) -> Result<Outcome, Refusal> {
        let Some(now) = self.now().await? else {
            return Ok(gone());
        };
        let Some(turn) = now.turn(number) else {
            return Ok(gone());
        };
        let shown = view::task::shown(turn).or_else(|| turn.attempts.first());
        let Some(shown) = shown else {
            return Ok(gone());
        };
        let (_, ended) = turn.status();
        let ended = ended.map_or("failed", TaskOutcome::as_str);
        let is_newest = now.is_newest(number);
        let approval = now.wire.approval.as_ref().filter(|_| is_newest);
        let approval = approval.map(|it| it.state.as_str());
        let pull_request = now.wire.pull_request.as_ref().filter(|_| is_newest);
        let wire = now.attempt(number, shown.attempt.number.get());
        let outcome = Ended {
            outcome: ended,
            message: shown.result.as_ref().and_then(|it| it.message.as_deref()),
            failure: failure(shown),
            diff: view::attempt::stat(shown)
                .map(|stat| (stat.files_changed, stat.lines_added, stat.lines_removed)),
            verification: wire
                .and_then(|it| it.verification.as_ref())
                .map(|it| it.state.as_str()),
            pull_request: pull_request.map(|it| it.url.as_str()),
            approval: approval.filter(|state| *state != "not_needed"),
        };
        let post = result(&self.card(&now, number), &outcome, self.whom(number));
        let mark = mark(&now.record, number, "result");
        Ok(self.kept(&mark, &post).await)
    }

    async fn publication(&self, id: &str) -> Result<Outcome, Refusal> {
        let plane = &self.held.plane;
        let is_told = !self.thread.publications.iter().any(|one| one == id);
        let (false, Ok(parsed)) = (is_told, id.parse()) else {
            return Ok(Outcome::Done(Some("It was told before.".to_owned())));
        };
        let workspace = self.conversation.workspace_id;
        let Some(it) = plane.store.publication(workspace, parsed).await? else {
            return Ok(gone());
        };
        let said = match &it.state {
            publication::State::Queued { .. } | publication::State::Publishing { .. } => {
                return Ok(Outcome::Done(Some("It is under way.".to_owned())));
            }
            publication::State::Published {
                pull_request: Some(opened),
                ..
            } => format!(
                "🔀 <{}|Pull request #{}> on branch `{}`.",
                escaped(&opened.url).replace('|', "%7C"),
                opened.number,
                code(&it.asked.branch)
            ),
            publication::State::Published { note, .. } => {
                let note = note.as_deref().map(escaped).unwrap_or_default();
                format!("🔀 Branch `{}`. {note}", code(&it.asked.branch))
            }
            publication::State::Failed { failure, .. } => {
                let hint = failure.hint.as_deref().map(escaped).unwrap_or_default();
                let message = escaped(&failure.message);
                format!("❌ No pull request: {message} {hint}")
            }
        };
        let mark = format!("publication/{id}");
        let post = note(&said);
        let outcome = self.kept(&mark, &post).await;
        if let Outcome::Done(_) = outcome {
            let told = edit(
                plane,
                self.conversation,
                ConversationChange::default(),
                |thread| {
                    thread.publications.retain(|one| one != id);
                },
            );
            told.await?;
        }
        Ok(outcome)
    }

    async fn react(&self, ts: &str, add: bool) -> Outcome {
        const EYES: &str = "eyes";
        let channel = &self.place.channel;
        let call = match add {
            true => add_reaction(channel, ts, EYES),
            false => remove_reaction(channel, ts, EYES),
        };
        match self.web.call(call).await {
            Ok(_) => Outcome::Done(None),
            Err(fault @ (WebFault::Limited(_) | WebFault::Passing(_)))
                if self.held.job.tries < REACTION_TRIES =>
            {
                outcome(&fault)
            }
            Err(fault) => {
                let (text, _) = fault.explained();
                Outcome::Done(Some(format!("Left out. {text}")))
            }
        }
    }

    async fn note(&self, post: &Post, instead_of: Option<&str>) -> Outcome {
        let Some(ts) = instead_of else {
            return once(self.held, &self.web, &Target::of(&self.place), post).await;
        };
        let call = update(&self.place.channel, ts, post, &self.held.job.key);
        match self.web.call(call).await {
            Ok(_) => Outcome::Done(None),
            Err(fault) if fault.is_of_message() => {
                Outcome::Done(Some("The message is gone.".to_owned()))
            }
            Err(fault) => outcome(&fault),
        }
    }
}

fn gone() -> Outcome {
    Outcome::Done(Some("The task is not there any more.".to_owned()))
}

fn failed(fault: &Refusal) -> Outcome {
    Outcome::Later {
        trouble: fault.problem().detail.clone(),
        wait: None,
    }
}

/// Within backquotes.
fn code(text: &str) -> String {
    escaped(text).replace('`', "'")
}

fn failure(record: &AttemptRecord) -> Option<(&str, Option<&str>)> {
    match &record.attempt.state {
        State::Failed { failure, .. } => Some((&failure.message, failure.hint.as_deref())),
        State::Queued { .. }
        | State::Held { .. }
        | State::AwaitingInput { .. }
        | State::Succeeded { .. }
        | State::Cancelled { .. } => None,
    }
}

/// How far a turn is, with what it takes to say so.
enum HowFar {
    Waiting(Option<String>),
    Running(&'static str),
    Asks,
    Stopping,
    Ended(&'static str),
}

impl HowFar {
    fn shown(&self) -> Progress<'_> {
        match self {
            Self::Waiting(why) => Progress::Waiting {
                why: why.as_deref(),
            },
            Self::Running(step) => Progress::Running { step },
            Self::Asks => Progress::Asks,
            Self::Stopping => Progress::Stopping,
            Self::Ended(outcome) => Progress::Ended { outcome },
        }
    }
}

/// How a task stands, for who asks.
pub(super) fn status(record: &TaskRecord, wire: &Wire, link_only: bool) -> Post {
    let it = &wire.summary;
    let turn = record.turns.last();
    let card = Card {
        task: &it.id,
        title: &it.title,
        url: &it.url,
        environment: &it.environment_label,
        why: None,
        turn: turn.map_or(1, |turn| turn.turn.number.get()),
        link_only,
    };
    let waits_for = it.waiting_for.as_ref().map(|it| it.text.as_str());
    let how_far = turn.map_or(HowFar::Waiting(None), |turn| how_far_with(turn, waits_for));
    progress(&card, &how_far.shown())
}

fn how_far(now: &Now, turn: &TurnRecord) -> HowFar {
    let waits_for = now.wire.summary.waiting_for.as_ref();
    how_far_with(turn, waits_for.map(|it| it.text.as_str()))
}

fn how_far_with(turn: &TurnRecord, waits_for: Option<&str>) -> HowFar {
    let attempts = || turn.attempts.iter().map(|record| &record.attempt);
    let (status, ended) = turn.status();
    let is_stopping =
        attempts().any(|attempt| attempt.desired != Desired::Run && !attempt.state.is_final());
    match status {
        TaskStatus::Completed | TaskStatus::Failed => {
            HowFar::Ended(ended.map_or("failed", TaskOutcome::as_str))
        }
        _ if is_stopping => HowFar::Stopping,
        TaskStatus::Pending => HowFar::Waiting(waits_for.map(str::to_owned)),
        TaskStatus::NeedsInput => HowFar::Asks,
        TaskStatus::Running => {
            let states = attempts().map(|attempt| attempt.state.as_str());
            // The one that is furthest.
            let furthest = states.max_by_key(|state| match *state {
                "leased" => 1,
                "preparing" => 2,
                "setting_up" => 3,
                "running" => 4,
                "collecting" => 5,
                _ => 0,
            });
            HowFar::Running(match furthest {
                Some("preparing") => "gets the repository",
                Some("setting_up") => "sets up",
                Some("running") => "the agent works",
                Some("collecting") => "the result is collected",
                _ => "starts",
            })
        }
    }
}
