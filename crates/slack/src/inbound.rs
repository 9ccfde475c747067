//! What came in, as it is kept until it is worked on.

use serde::{Deserialize, Serialize};

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The Slack workspace: `T…`.
    pub team: String,
    /// The channel, group or direct conversation: `C…`, `G…`, `D…`.
    pub channel: String,
    /// The thread, by the time stamp of its first message, which need not have an answer yet.
    pub thread: String,
}

impl Place {
    /// What is unique about it.
    pub fn key(&self) -> String {
        let Self {
            team,
            channel,
            thread,
        } = self;
        format!("slack:{team}/{channel}/{thread}")
    }
}

/// Somebody's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where.
    pub place: Place,
    /// Its time stamp, which is its name within the channel.
    pub ts: String,
    /// Who wrote it: `U…`.
    pub user: String,
    /// As Slack has it, with `<@U…>` and the like.
    pub text: String,
    /// Whether it calls the app by name, or is said to it alone.
    pub is_to_us: bool,
    /// Whether it is in a conversation with the app alone.
    pub is_direct: bool,
    /// Whether it is in a thread that was there.
    pub is_reply: bool,
    /// The app's own user, where the event names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub us: Option<String>,
    /// Whether other organisations read along.
    #[serde(default)]
    pub is_shared_outside: bool,
}

/// A button that somebody pressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// Where the message with the button is.
    pub place: Place,
    /// The message with the button.
    pub ts: String,
    /// Who pressed it.
    pub user: String,
    /// Which button: [`crate::blocks::Button`].
    pub button: String,
    /// What the button carries.
    pub value: String,
    /// When, by Slack's clock.
    pub at: String,
    /// With it a form can be opened, within three seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
}

/// A form that somebody filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Where the button was that opened it.
    pub place: Place,
    /// Who filled it in.
    pub user: String,
    /// What it is for: the button that opened it.
    pub button: String,
    /// What that button carried.
    pub value: String,
    /// What was written.
    pub text: String,
    /// The form's id, which one that was opened does not share with another.
    pub id: String,
}

/// Something that has to be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Inbound {
    /// Somebody wrote.
    Message(Message),
    /// Somebody pressed a button.
    Press(Press),
    /// Somebody filled in a form.
    Form(Form),
}

impl Inbound {
    /// The same for all that Slack tells of it: again after no answer, and, of one message, as a mention and as a message.
    pub fn key(&self) -> String {
        match self {
            Self::Message(Message { place, ts, .. }) => {
                format!("message:{}/{}/{ts}", place.team, place.channel)
            }
            Self::Press(Press {
                place,
                ts,
                user,
                button,
                at,
                ..
            }) => format!("press:{}/{ts}/{user}/{button}/{at}", place.channel),
            Self::Form(Form { id, user, .. }) => format!("form:{id}/{user}"),
        }
    }

    /// What is worked on in order: one thread's.
    pub fn lane(&self) -> String {
        self.place().key()
    }

    /// Where it was.
    pub fn place(&self) -> &Place {
        match self {
            Self::Message(message) => &message.place,
            Self::Press(press) => &press.place,
            Self::Form(form) => &form.place,
        }
    }

    /// Who did it.
    pub fn user(&self) -> &str {
        match self {
            Self::Message(message) => &message.user,
            Self::Press(press) => &press.user,
            Self::Form(form) => &form.user,
        }
    }

    /// Its name in a list of deliveries.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Press(_) => "button",
            Self::Form(_) => "form",
        }
    }
}

/// What a request of Slack's comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// It has to be worked on.
    Work(Box<Inbound>),
    /// Slack asks whether somebody is there, and wants this text back.
    Challenge(String),
    /// Nothing has to be done, and why.
    Ignored(String),
}

/// It is not as Slack writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not as Slack writes it: {0}")]
pub struct Unreadable(pub String);
