//! What is remembered of a thread, as the conversation's `data`. Two may want to change it at once: who acts on what came in, and who sends.

use std::collections::BTreeMap;

use outwork_domain::integration::Conversation;
use outwork_slack::{Message, Place};
use outwork_store::{ConversationChange, StoreError};
use serde::{Deserialize, Serialize};

use crate::plane::Plane;
use crate::surfaces::remember;

/// Messages that wait for somebody to choose an environment.
const PENDING: usize = 5;
/// Who asked, of the newest turns.
const ASKED: usize = 50;
/// Messages that may still be edited.
const MESSAGES: usize = 60;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thread {
    /// Where it is; `None` where it is no thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place>,
    /// Why the environment is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// Who asked for what, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) asked: Vec<Asked>,
    /// The messages that are brought up to date, by what they tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) messages: BTreeMap<String, Shown>,
    /// What waits for an environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<Message>,
    /// Publications of which the thread has not been told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) publications: Vec<String>,
}

/// Somebody asked for a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Who.
    pub(super) user: String,
    /// With which message, which has 👀 for as long as the turn runs; `None`: with a button.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ts: Option<String>,
    /// How many turns the task had.
    pub(super) after: u32,
}

/// A message as it was sent last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) ts: String,
    /// Of what it shows.
    pub(super) hash: String,
}

impl Thread {
    pub(super) fn of(conversation: &Conversation) -> Self {
        // What a newer server wrote is read as far as it is understood.
        serde_json::from_str(&conversation.data).unwrap_or_default()
    }

    pub(super) fn at(place: &Place) -> Self {
        Self {
            place: Some(place.clone()),
            ..Self::default()
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// Who asked for that turn.
    pub(super) fn asker(&self, turn: u32) -> Option<&Asked> {
        self.asked.iter().rev().find(|asked| asked.after < turn)
    }

    pub(super) fn add_asked(&mut self, new: Asked) {
        let is_known = |one: &Asked| one.ts.is_some() && one.ts == new.ts;
        if !self.asked.iter().any(is_known) {
            self.asked.push(new);
        }
        let extra = self.asked.len().saturating_sub(ASKED);
        self.asked.drain(..extra);
    }

    pub(super) fn add_pending(&mut self, message: Message) {
        self.pending.retain(|one| one.ts != message.ts);
        self.pending.push(message);
        let extra = self.pending.len().saturating_sub(PENDING);
        self.pending.drain(..extra);
    }

    pub(super) fn add_message(&mut self, mark: String, shown: Shown) {
        self.messages.insert(mark, shown);
        while self.messages.len() > MESSAGES {
            let oldest = self
                .messages
                .iter()
                .min_by(|(_, a), (_, b)| a.ts.cmp(&b.ts))
                .map(|(mark, _)| mark.clone());
            if let Some(oldest) = oldest {
                self.messages.remove(&oldest);
            }
        }
    }
}

/// Changes what is remembered; what others changed meanwhile stays changed. `also` changes with it.
pub(super) async fn edit(
    plane: &Plane,
    conversation: &Conversation,
    also: ConversationChange,
    change: impl Fn(&mut Thread),
) -> Result<Conversation, StoreError> {
    remember(plane, conversation, also, |current| {
        let mut thread = Thread::of(current);
        change(&mut thread);
        thread.text()
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asker_of_a_turn_is_who_asked_last_before_it() {
        let mut thread = Thread::default();
        for (user, after) in [("U1", 0), ("U2", 1), ("U3", 4)] {
            thread.add_asked(Asked {
                user: user.to_owned(),
                ts: Some(format!("{after}.0")),
                after,
            });
        }
        let asker = |turn| thread.asker(turn).map(|it| it.user.as_str());
        assert_eq!(
            [asker(1), asker(2), asker(3), asker(5)],
            [Some("U1"), Some("U2"), Some("U2"), Some("U3")]
        );
        let text = thread.text();
        assert_eq!(
            serde_json::from_str::<Thread>(&text).expect("the same"),
            thread
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut thread = Thread::default();
        for n in 0..200 {
            thread.add_asked(Asked {
                user: "U1".to_owned(),
                ts: None,
                after: n,
            });
            let shown = Shown {
                ts: format!("{n:03}.0"),
                hash: String::new(),
            };
            thread.add_message(format!("m{n}"), shown);
        }
        assert_eq!(
            (thread.asked.len(), thread.messages.len()),
            (ASKED, MESSAGES)
        );
        assert!(thread.messages.contains_key("m199") && !thread.messages.contains_key("m0"));
    }
}
