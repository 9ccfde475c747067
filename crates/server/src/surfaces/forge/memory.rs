//! What is remembered of a conversation at a forge.

use outwork_domain::integration::Conversation;
use outwork_forges::call::Target;
use outwork_store::{ConversationChange, StoreError};
use serde::{Deserialize, Serialize};

use crate::plane::Plane;
use crate::surfaces;

/// The whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) repository: String,
    pub(super) number: u64,
    pub(super) is_pull: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) installation: Option<u64>,
    /// Turns that were asked for here, by number; others of the task are told elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) turns: Vec<TurnMemory>,
    /// Of a review: the commit that is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reviews: Option<String>,
    /// How often its checks were looked into since a person asked for something.
    #[serde(default)]
    pub(super) check_rounds: u32,
    /// Nobody waits for anything any more.
    #[serde(default)]
    pub(super) is_closed: bool,
}

/// What is remembered of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TurnMemory {
    pub(super) turn: u32,
    /// Somebody began to write its comment: it may be there.
    #[serde(default)]
    pub(super) is_begun: bool,
    /// The comment's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<u64>,
    /// A hash of what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) says: Option<String>,
    /// Somebody began to post its review.
    #[serde(default)]
    pub(super) review_is_begun: bool,
    /// It is posted, with so many comments on lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reviewed: Option<usize>,
}

impl Memory {
    pub(super) fn of(conversation: &Conversation) -> Self {
        serde_json::from_str(&conversation.data).unwrap_or_default()
    }

    pub(super) fn new(target: &Target, installation: Option<u64>) -> Self {
        Self {
            repository: target.repository.clone(),
            number: target.number,
            is_pull: target.is_pull,
            installation,
            ..Self::default()
        }
    }

    pub(super) fn target(&self) -> Target {
        Target {
            repository: self.repository.clone(),
            number: self.number,
            is_pull: self.is_pull,
        }
    }

    pub(super) fn turn(&self, number: u32) -> Option<&TurnMemory> {
        self.turns.iter().find(|it| it.turn == number)
    }

    /// That of the turn, made now if there is none.
    pub(super) fn turn_mut(&mut self, number: u32) -> &mut TurnMemory {
        if self.turn(number).is_none() {
            self.turns.push(TurnMemory {
                turn: number,
                ..TurnMemory::default()
            });
        }
        let mut turns = self.turns.iter_mut();
        let found = turns.find(|it| it.turn == number);
        found.expect("it was put there just now")
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }
}

/// Changes what is remembered; `also` changes with it.
pub(super) async fn remember(
    plane: &Plane,
    conversation: &Conversation,
    also: ConversationChange,
    change: impl Fn(&mut Memory),
) -> Result<Conversation, StoreError> {
    surfaces::remember(plane, conversation, also, |current| {
        let mut memory = Memory::of(current);
        change(&mut memory);
        memory.text()
    })
    .await
}
