//! What a thread is to be told of its task: one message with the progress, which is edited, one for each question, and one with the result.

use outwork_domain::integration::Conversation;
use outwork_domain::{State, Timestamp};
use outwork_store::{TaskRecord, TurnRecord};
use serde::{Deserialize, Serialize};

use super::thread::Thread;
use crate::surfaces::Post;
use crate::surfaces::tell::Telling;

/// The newest turns are looked at: one that ended while nobody looked is told all the same.
const TURNS: usize = 5;

/// What a post is about; what it says is decided when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub(super) enum About {
    Progress {
        turn: u32,
    },
    Question {
        turn: u32,
        attempt: u32,
        epoch: i64,
    },
    Result {
        turn: u32,
    },
    /// 👀 comes or goes.
    Eyes {
        ts: String,
        add: bool,
    },
    Publication {
        id: String,
    },
    /// A text of ours.
    Note {
        text: String,
        /// Block Kit.
        blocks: serde_json::Value,
        /// The message that it replaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<String>,
    },
}

impl About {
    pub(super) fn post(&self, key: String) -> Post {
        let kind = match self {
            Self::Progress { .. } => "progress",
            Self::Question { .. } => "question",
            Self::Result { .. } => "result",
            Self::Eyes { .. } => "reaction",
            Self::Publication { .. } => "publication",
            Self::Note { .. } => "note",
        };
        Post {
            key,
            kind,
            body: serde_json::to_string(self).expect("plain data"),
        }
    }
}

/// What names the message with the progress of a turn, and so on.
pub(super) fn mark(task: &TaskRecord, turn: u32, what: &str) -> String {
    format!("{}/{turn}/{what}", task.task.id)
}

pub(super) fn asks(attempt: u32, epoch: i64) -> String {
    format!("asks/{attempt}/{epoch}")
}

/// Posts of the same key are kept once. Where the time is a part of the key, what they are about may change without a sign of it in the task's own rows; within
/// the millisecond of a change the task is told once more later.
pub(crate) fn tell(conversation: &Conversation, task: &TaskRecord, now: Timestamp) -> Telling {
    let thread = Thread::of(conversation);
    let mut posts = Vec::new();
    let from = task.turns.len().saturating_sub(TURNS);
    for turn in &task.turns[from..] {
        of_turn(&thread, task, turn, now, &mut posts);
    }
    for id in &thread.publications {
        let about = About::Publication { id: id.clone() };
        posts.push(about.post(format!("publication/{id}/{}", now.as_millis())));
    }
    Telling { posts, data: None }
}

fn of_turn(
    thread: &Thread,
    task: &TaskRecord,
    turn: &TurnRecord,
    now: Timestamp,
    posts: &mut Vec<Post>,
) {
    let number = turn.turn.number.get();
    let key = |what: &str| mark(task, number, what);
    let progress = About::Progress { turn: number };
    posts.push(progress.post(key(&format!("progress/{}", fingerprint(turn)))));
    for record in &turn.attempts {
        let attempt = &record.attempt;
        let (number_of, epoch) = (attempt.number.get(), attempt.epoch.get());
        let asks = asks(number_of, epoch);
        let about = About::Question {
            turn: number,
            attempt: number_of,
            epoch,
        };
        match &attempt.state {
            State::AwaitingInput { .. } => posts.push(about.post(key(&asks))),
            // Its buttons go.
            _ => {
                let open: Vec<&String> = thread
                    .messages
                    .keys()
                    .filter(|mark| mark.starts_with(&key(&format!("asks/{number_of}/"))))
                    .collect();
                for mark in open {
                    let epoch = mark.rsplit('/').next().and_then(|it| it.parse().ok());
                    posts.extend(epoch.map(|epoch| {
                        let about = About::Question {
                            turn: number,
                            attempt: number_of,
                            epoch,
                        };
                        about.post(format!("{mark}/over"))
                    }));
                }
            }
        }
    }
    let has_ended = turn.attempts.iter().all(|it| it.attempt.state.is_final());
    if !has_ended {
        return;
    }
    let result = About::Result { turn: number };
    let result_key = key("result");
    if thread.messages.contains_key(&result_key) {
        // Approvals and pull requests come later; the task changes then.
        posts.push(result.post(format!("{result_key}/{}", now.as_millis())));
    } else {
        posts.push(result.post(result_key));
    }
    for ts in thread
        .asked
        .iter()
        .filter(|asked| asked.after < number)
        .filter_map(|asked| asked.ts.clone())
    {
        let key = format!("unseen/{ts}");
        posts.push(About::Eyes { ts, add: false }.post(key));
    }
}

/// Changes whenever people should be told something new. Claims are counted, so that a state that comes again is another one.
fn fingerprint(turn: &TurnRecord) -> String {
    let each = turn.attempts.iter().map(|record| {
        let attempt = &record.attempt;
        let wanted = match attempt.desired {
            outwork_domain::Desired::Run => "",
            outwork_domain::Desired::Cancel { since: _ } => "!",
        };
        format!("{}{wanted}{}", attempt.state.as_str(), attempt.epoch.get())
    });
    each.collect::<Vec<_>>().join(",")
}
