//! That a conversation has to be looked at. What it is told then is what is true then: [`super::send`].

use outwork_domain::integration::Conversation;
use outwork_domain::status::TaskStatus;
use outwork_store::{TaskRecord, TurnRecord};
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use crate::plane::Plane;
use crate::surfaces::Post;
use crate::surfaces::tell::Telling;

pub(super) const PROGRESS: &str = "progress";

/// Which turn a post is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) turn: u32,
}

/// A post for each state of the newest turn, if it was asked for here. Until it ends, what changes within a state is not told; after that
/// every change is a reason to look: it may be published, approved, or chosen anew.
pub(crate) fn tell(plane: &Plane, conversation: &Conversation, task: &TaskRecord) -> Telling {
    let memory = Memory::of(conversation);
    let newest = task.turns.last();
    let asked_here = newest.filter(|turn| memory.turn(turn.turn.number.get()).is_some());
    let posts = asked_here
        .map(|turn| post(plane, task, turn))
        .into_iter()
        .collect();
    Telling { posts, data: None }
}

fn post(plane: &Plane, task: &TaskRecord, turn: &TurnRecord) -> Post {
    let number = turn.turn.number.get();
    let (status, outcome) = turn.status();
    let claims: i64 = turn
        .attempts
        .iter()
        .map(|record| record.attempt.epoch.get())
        .sum();
    let state = match (status, outcome) {
        // Two changes can have the same time; a look that finds nothing new sends nothing.
        (_, Some(_)) => format!("end/{}", plane.ids.uuid()),
        (TaskStatus::Pending, None) => "pending".to_owned(),
        (status, None) => format!("{}/{claims}", status.as_str()),
    };
    let body = serde_json::to_string(&Progress { turn: number }).expect("plain data");
    Post {
        key: format!("turn/{number}/{}/{state}", task.task.id),
        kind: PROGRESS,
        body,
    }
}
