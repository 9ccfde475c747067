//! The comment on a request as it should be by now, the review, and the pull request. What is sent does not depend on when it is sent: a
//! post says only which turn it is about.

use outwork_api::integration::ForgeSettings;
use outwork_api::publication::NewPublication;
use outwork_api::time::Time;
use outwork_domain::approval::Approval;
use outwork_domain::integration::Conversation;
use outwork_domain::publication::{Publication, State as Published};
use outwork_domain::status::{TaskOutcome, TaskStatus};
use outwork_domain::task::TaskKind;
use outwork_domain::{State, Timestamp};
use outwork_forges::Kind;
use outwork_forges::call::{PAGE, Target};
use outwork_forges::report::{self, Change, Progress, Pull, Report};
use outwork_forges::review::{self, Review};
use outwork_store::{AttemptRecord, ConversationChange, TaskRecord, TurnRecord};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::asking::{Forge, forge};
use super::memory::{Memory, TurnMemory, remember};
use super::settings::{name, opens_when_done};
use super::{Stop, material, tell};
use crate::endpoints::publications::publish;
use crate::jobs::{Held, Outcome};
use crate::publish::Answer;
use crate::surfaces::settings::Known;
use crate::surfaces::{self, acting_for};
use crate::view;

pub(super) const NOTICE: &str = "notice";

/// Pages that are looked through for our mark.
const PAGES: u64 = 5;
/// Clocks differ.
const EARLIER: std::time::Duration = std::time::Duration::from_secs(3600);

/// Sends a post. It may have been sent before.
pub(crate) async fn send(
    held: &Held,
    known: &Known,
    kind: Kind,
    settings: &ForgeSettings,
    conversation: &Conversation,
) -> Outcome {
    let memory = Memory::of(conversation);
    let target = memory.target();
    let sent = async {
        let (plane, repository) = (&held.plane, &target.repository);
        let forge = forge(
            plane,
            kind,
            known,
            settings,
            repository,
            memory.installation,
        )
        .await?;
        let sending = Sending {
            held,
            known,
            kind,
            settings,
            conversation,
            memory,
            target: target.clone(),
            forge,
        };
        match held.job.kind.as_str() {
            NOTICE => sending.notice().await,
            _ => sending.progress().await,
        }
    };
    match sent.await {
        Ok(note) => Outcome::Done(Some(note)),
        Err(Stop::Job(outcome)) => outcome,
        Err(Stop::Tell { why, .. }) => Outcome::Failed(why),
    }
}

struct Sending<'a> {
    held: &'a Held,
    known: &'a Known,
    kind: Kind,
    settings: &'a ForgeSettings,
    conversation: &'a Conversation,
    memory: Memory,
    target: Target,
    forge: Forge<'a>,
}

/// A comment that says one thing once.
#[derive(Deserialize)]
struct Notice {
    key: String,
    text: String,
}

impl Sending<'_> {
    async fn notice(&self) -> Result<String, Stop> {
        let Ok(Notice { key, text }) = serde_json::from_str(&self.held.job.body) else {
            return Err(unreadable());
        };
        let began = self.held.job.memo.is_some();
        if began && self.find(&key, self.held.job.created_at).await?.is_some() {
            return Ok("It was written before.".to_owned());
        }
        self.held.note("begun".to_owned()).await?;
        self.create(&text).await?;
        Ok("Written.".to_owned())
    }

    async fn progress(&self) -> Result<String, Stop> {
        let Ok(tell::Progress { turn }) = serde_json::from_str(&self.held.job.body) else {
            return Err(unreadable());
        };
        let (plane, it) = (&self.held.plane, self.conversation);
        let task = match it.task_id {
            Some(id) => plane.store.task(it.workspace_id, id).await?,
            None => None,
        };
        let Some(task) = task else {
            return Ok("The task is gone.".to_owned());
        };
        let mut turns = task.turns.iter();
        let Some(record) = turns.find(|one| one.turn.number.get() == turn) else {
            return Ok("The turn is gone.".to_owned());
        };
        let key = format!("{}/turn/{turn}", task.task.id);
        let stands = self.stands(&task, record).await?;
        let text = Report {
            key: &key,
            name: name(self.settings),
            link: &format!("{}/tasks/{}", plane.public_url, task.task.id),
            progress: stands.shown(),
        }
        .text();
        self.write(turn, &key, &text, record.turn.created_at).await
    }

    /// Writes the turn's comment, or writes it anew.
    async fn write(
        &self,
        turn: u32,
        key: &str,
        text: &str,
        since: Timestamp,
    ) -> Result<String, Stop> {
        // A review has noted itself meanwhile.
        let known = self.now().await?.turn(turn).cloned().unwrap_or_default();
        let says = digest(text);
        if known.says.as_ref() == Some(&says) {
            return Ok("It says that already.".to_owned());
        }
        let comment = match known.comment {
            Some(comment) => Some(comment),
            None if known.is_begun => self.find(key, since).await?,
            None => None,
        };
        let comment = match comment {
            Some(comment) => match self.edit(comment, text).await? {
                true => comment,
                false => return Ok("The comment was taken away.".to_owned()),
            },
            None => {
                self.note(turn, |it| it.is_begun = true).await?;
                self.create(text).await?
            }
        };
        self.note(turn, |it| {
            it.comment = Some(comment);
            it.says = Some(says.clone());
        })
        .await?;
        Ok(format!("Comment {comment}."))
    }

    async fn now(&self) -> Result<Memory, Stop> {
        let it = self.conversation;
        let store = &self.held.plane.store;
        let now = store.conversation_by_id(it.workspace_id, it.id).await?;
        Ok(now.as_ref().map(Memory::of).unwrap_or_default())
    }

    async fn note(&self, turn: u32, change: impl Fn(&mut TurnMemory)) -> Result<(), Stop> {
        let it = self.conversation;
        let also = ConversationChange::default();
        let changed = remember(&self.held.plane, it, also, |memory| {
            change(memory.turn_mut(turn));
        });
        changed.await?;
        Ok(())
    }

    async fn create(&self, text: &str) -> Result<u64, Stop> {
        let answer = self
            .forge
            .ask(&self.kind.comment(&self.target, text))
            .await?;
        let id = answer["id"].as_u64();
        Ok(id.ok_or_else(|| self.forge.odd("a comment without a number"))?)
    }

    /// `false` if there is none of that number any more.
    async fn edit(&self, comment: u64, text: &str) -> Result<bool, Stop> {
        let call = self.kind.edit(&self.target, comment, text);
        let answer = self.forge.answer(&call).await?;
        match answer.status.as_u16() {
            404 | 410 => Ok(false),
            200..=299 => Ok(true),
            _ => Err(self.forge.refused(&answer).into()),
        }
    }

    /// The comment of that mark, if it was written since.
    async fn find(&self, key: &str, since: Timestamp) -> Result<Option<u64>, Stop> {
        let since = Time::from(since - EARLIER).to_string();
        for page in 1..=PAGES {
            let call = self.kind.comments(&self.target, Some(&since), page);
            let answer = self.forge.ask(&call).await?;
            let said = self.kind.read_comments(&answer).unwrap_or_default();
            if let Some(ours) = said.iter().find(|it| report::is_marked(&it.text, key)) {
                return Ok(Some(ours.id));
            }
            if (said.len() as u64) < PAGE {
                break;
            }
        }
        Ok(None)
    }

    /// How the turn stands, after what follows from that was done.
    async fn stands(&self, task: &TaskRecord, turn: &TurnRecord) -> Result<Stands, Stop> {
        let (status, outcome) = turn.status();
        let shown = view::task::shown(turn);
        Ok(match (status, outcome) {
            (_, Some(TaskOutcome::Succeeded)) => match (&self.memory.reviews, shown) {
                (Some(commit), Some(shown))
                    if task.task.kind == TaskKind::Review && turn.turn.number.get() == 1 =>
                {
                    let comments = self.review(task, turn, shown, commit).await?;
                    Stands::Reviewed { comments }
                }
                (_, shown) => self.succeeded(task, turn, shown).await?,
            },
            (_, Some(TaskOutcome::Cancelled)) => Stands::Cancelled,
            (_, Some(_)) => failed(turn),
            (TaskStatus::NeedsInput, None) => asks(turn),
            (TaskStatus::Pending, None) => {
                let newest = task.turns.last().map(|it| it.turn.id);
                let waits = match newest == Some(turn.turn.id) {
                    true => {
                        let waits = view::waiting::of(&self.held.plane, std::slice::from_ref(task));
                        waits.await?.remove(&task.task.id).map(|it| it.text())
                    }
                    false => None,
                };
                Stands::Queued { waits }
            }
            (TaskStatus::Running | TaskStatus::Completed | TaskStatus::Failed, None) => {
                Stands::Running
            }
        })
    }

    async fn succeeded(
        &self,
        task: &TaskRecord,
        turn: &TurnRecord,
        shown: Option<&AttemptRecord>,
    ) -> Result<Stands, Stop> {
        let result = shown.and_then(|it| it.result.as_ref());
        let message = result.and_then(|it| it.message.clone()).unwrap_or_default();
        let stat = shown.and_then(view::attempt::stat).unwrap_or_default();
        let pull = match shown {
            Some(shown) if changes(task, shown) => self.published(task, turn, shown).await?,
            Some(_) | None => Became::Nothing,
        };
        if let Became::Open { number, .. } = &pull {
            self.follow(task, *number).await?;
        }
        Ok(Stands::Succeeded {
            message,
            change: Change {
                files: stat.files_changed,
                added: stat.lines_added,
                removed: stat.lines_removed,
            },
            pull,
        })
    }

    /// What became of a result; it is published now if it should be and was not.
    async fn published(
        &self,
        task: &TaskRecord,
        turn: &TurnRecord,
        shown: &AttemptRecord,
    ) -> Result<Became, Stop> {
        let (plane, it) = (&self.held.plane, &task.task);
        let all = plane.store.publications(it.workspace_id, it.id).await?;
        let own = all.iter().find(|one| one.attempt_id == shown.attempt.id);
        if let Some(own) = own {
            return Ok(became(own));
        }
        let mut approvals = plane.store.approvals([it.id].into_iter()).await?;
        let said = approvals.remove(&it.id);
        let approval = view::approval::state(task, turn, Some(shown), said.as_ref());
        if !approval.lets_pass() {
            return Ok(match approval {
                Approval::Rejected => Became::Failed("It was rejected.".to_owned()),
                _ => Became::Approval,
            });
        }
        let is_newest = task.turns.last().map(|it| it.turn.id) == Some(turn.turn.id);
        if !is_newest || !opens_when_done(self.settings) {
            return Ok(Became::WhenAsked);
        }
        let acting = acting_for(plane, &self.known.integration, "").await?;
        let Some(member) = acting else {
            return Ok(Became::WhenAsked);
        };
        let name = format!("forge/{}", shown.attempt.id);
        let hash = Sha256::digest(&name).into();
        let new = NewPublication::default();
        let asked = publish::ask(plane, &member, it.id, new, Some((name, hash)));
        match asked.await.map_err(Stop::from) {
            Ok((publication, _)) => Ok(became(&publication)),
            Err(Stop::Tell { why, hint: _ }) => Ok(Became::Failed(why)),
            Err(stop) => Err(stop),
        }
    }

    /// Those who talk about the pull request talk about the task, too.
    async fn follow(&self, task: &TaskRecord, number: u64) -> Result<(), Stop> {
        let target = Target {
            number,
            is_pull: true,
            ..self.target.clone()
        };
        let kind = self.kind.as_str();
        let key = outwork_forges::event::conversation(kind, &target.repository, true, number);
        let plane = &self.held.plane;
        let memory = Memory::new(&target, self.memory.installation);
        let it = surfaces::open(plane, &self.known.integration, &key, memory.text()).await?;
        if it.task_id.is_none() {
            let change = ConversationChange {
                task: Some(task.task.id),
                ..ConversationChange::default()
            };
            let changed = plane.store.change_conversation(it.id, change, plane.now());
            changed.await?;
        }
        Ok(())
    }

    /// Posts the review, once, and answers how many comments it has.
    async fn review(
        &self,
        task: &TaskRecord,
        turn: &TurnRecord,
        shown: &AttemptRecord,
        commit: &str,
    ) -> Result<usize, Stop> {
        let number = turn.turn.number.get();
        let known = self.memory.turn(number).cloned().unwrap_or_default();
        if let Some(comments) = known.reviewed {
            return Ok(comments);
        }
        let result = shown.result.as_ref();
        let answer = result.and_then(|it| it.message.as_deref()).unwrap_or("");
        let files = material::files_of(&self.forge, self.kind, &self.target).await?;
        let key = format!("{}/review", task.task.id);
        let review = review::review(answer, &files, &key);
        let mut comments = review.comments.len();
        if !(known.review_is_begun && self.is_reviewed(&key, turn.turn.created_at).await?) {
            self.note(number, |it| it.review_is_begun = true).await?;
            comments = self.post(&review, commit).await?;
        }
        self.note(number, |it| it.reviewed = Some(comments)).await?;
        Ok(comments)
    }

    async fn post(&self, review: &Review, commit: &str) -> Result<usize, Stop> {
        let Some(call) = self.kind.review(&self.target, commit, review) else {
            self.create(&review.as_comment()).await?;
            return Ok(0);
        };
        let answer: Answer = self.forge.answer(&call).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(review.comments.len()),
            // A line is not there any more: somebody pushed meanwhile.
            422 if !review.comments.is_empty() => {
                self.create(&review.as_comment()).await?;
                Ok(0)
            }
            _ => Err(self.forge.refused(&answer).into()),
        }
    }

    /// Whether the review was posted, as one or as a comment.
    async fn is_reviewed(&self, key: &str, since: Timestamp) -> Result<bool, Stop> {
        for page in 1..=PAGES {
            if self.kind == Kind::GitLab {
                break;
            }
            let answer = self
                .forge
                .ask(&self.kind.reviews(&self.target, page))
                .await?;
            let reviews = answer.as_array().cloned().unwrap_or_default();
            let mut bodies = reviews.iter().filter_map(|it| it["body"].as_str());
            if bodies.any(|body| report::is_marked(body, key)) {
                return Ok(true);
            }
            if reviews.is_empty() {
                break;
            }
        }
        Ok(self.find(key, since).await?.is_some())
    }
}

/// How a turn stands, in words of its own.
enum Stands {
    Queued {
        waits: Option<String>,
    },
    Running,
    NeedsInput {
        question: String,
    },
    Succeeded {
        message: String,
        change: Change,
        pull: Became,
    },
    Reviewed {
        comments: usize,
    },
    Failed {
        message: String,
        hint: Option<String>,
    },
    Cancelled,
}

/// What became of a result.
enum Became {
    Nothing,
    WhenAsked,
    Approval,
    UnderWay,
    Open { number: u64, url: String },
    Branch(String),
    Failed(String),
}

impl Stands {
    fn shown(&self) -> Progress<'_> {
        match self {
            Self::Queued { waits } => Progress::Queued {
                waits_for: waits.as_deref(),
            },
            Self::Running => Progress::Running,
            Self::NeedsInput { question } => Progress::NeedsInput { question },
            Self::Succeeded {
                message,
                change,
                pull,
            } => Progress::Succeeded {
                message,
                change: *change,
                pull: pull.shown(),
            },
            Self::Reviewed { comments } => Progress::Reviewed {
                comments: *comments,
            },
            Self::Failed { message, hint } => Progress::Failed {
                message,
                hint: hint.as_deref(),
            },
            Self::Cancelled => Progress::Cancelled,
        }
    }
}

impl Became {
    fn shown(&self) -> Pull<'_> {
        match self {
            Self::Nothing => Pull::Nothing,
            Self::WhenAsked => Pull::WhenAsked,
            Self::Approval => Pull::Approval,
            Self::UnderWay => Pull::UnderWay,
            Self::Open { number, url } => Pull::Open {
                number: *number,
                url,
            },
            Self::Branch(name) => Pull::Branch { name },
            Self::Failed(message) => Pull::Failed { message },
        }
    }
}

fn became(publication: &Publication) -> Became {
    match &publication.state {
        Published::Queued { .. } | Published::Publishing { .. } => Became::UnderWay,
        Published::Published {
            pull_request: Some(pull),
            ..
        } => Became::Open {
            number: pull.number,
            url: pull.url.clone(),
        },
        Published::Published {
            pull_request: None, ..
        } => Became::Branch(publication.asked.branch.clone()),
        Published::Failed { failure, .. } => {
            let hint = failure.hint.as_ref().map(|hint| format!(" {hint}"));
            Became::Failed(format!("{}{}", failure.message, hint.unwrap_or_default()))
        }
    }
}

/// Whether there is something to be published.
fn changes(task: &TaskRecord, shown: &AttemptRecord) -> bool {
    let diff = view::attempt::diff(shown, &task.repository);
    diff.is_some_and(|diff| diff.size_bytes > 0)
}

fn failed(turn: &TurnRecord) -> Stands {
    let failure = turn
        .attempts
        .iter()
        .find_map(|record| match &record.attempt.state {
            State::Failed { failure, .. } => Some(failure),
            State::Queued { .. }
            | State::Held { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Cancelled { .. } => None,
        });
    Stands::Failed {
        message: failure.map(|it| it.message.clone()).unwrap_or_default(),
        hint: failure.and_then(|it| it.hint.clone()),
    }
}

fn asks(turn: &TurnRecord) -> Stands {
    let question = turn
        .attempts
        .iter()
        .find_map(|record| match &record.attempt.state {
            State::AwaitingInput { question, .. } => Some(question.clone()),
            State::Queued { .. }
            | State::Held { .. }
            | State::Failed { .. }
            | State::Succeeded { .. }
            | State::Cancelled { .. } => None,
        });
    Stands::NeedsInput {
        question: question.unwrap_or_default(),
    }
}

fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text);
    bytes
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn unreadable() -> Stop {
    Stop::Job(Outcome::Failed(
        "What was to be told cannot be read.".to_owned(),
    ))
}
