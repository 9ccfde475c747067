//! The Web API: what is asked, and what an answer means.

use std::time::Duration;

use serde_json::{Value, json};

use crate::blocks::Post;

/// The kind of a message's metadata: by its key a message that was sent is found again.
pub const EVENT_TYPE: &str = "outwork_post";
/// The longest that is waited because Slack says so: the deadline comes first, and then people are told.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How long when it says so and does not say how long.
const USUAL_WAIT: Duration = Duration::from_secs(30);
/// Messages of a thread that are asked for at once.
const PAGE: u32 = 200;

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `chat.postMessage` and the like.
    pub method: &'static str,
    /// Its arguments.
    pub arguments: Value,
    /// Whether the arguments go into the address: the methods that read take no JSON.
    pub is_reading: bool,
}

fn writing(method: &'static str, arguments: Value) -> Call {
    Call {
        method,
        arguments,
        is_reading: false,
    }
}

fn reading(method: &'static str, arguments: Value) -> Call {
    Call {
        method,
        arguments,
        is_reading: true,
    }
}

/// Whose the token is.
pub fn auth_test() -> Call {
    writing("auth.test", json!({}))
}

/// A message; in a thread if that is named. `key` marks it.
pub fn post_message(channel: &str, thread: Option<&str>, post: &Post, key: &str) -> Call {
    let mut arguments = message(channel, post);
    if let Some(thread) = thread {
        arguments["thread_ts"] = json!(thread);
    }
    // Slack would ask for the addresses in a message, which an agent wrote.
    arguments["unfurl_links"] = json!(false);
    arguments["unfurl_media"] = json!(false);
    arguments["metadata"] = json!({"event_type": EVENT_TYPE, "event_payload": {"key": key}});
    writing("chat.postMessage", arguments)
}

/// A message instead of what is there. Without its metadata it would lose its mark.
pub fn update(channel: &str, ts: &str, post: &Post, key: &str) -> Call {
    let mut arguments = message(channel, post);
    arguments["ts"] = json!(ts);
    arguments["metadata"] = json!({"event_type": EVENT_TYPE, "event_payload": {"key": key}});
    writing("chat.update", arguments)
}

fn message(channel: &str, post: &Post) -> Value {
    let Post { text, blocks } = post;
    json!({"channel": channel, "text": text, "blocks": blocks})
}

/// A message that one person sees, and that nobody finds again.
pub fn post_ephemeral(channel: &str, thread: Option<&str>, user: &str, text: &str) -> Call {
    let mut arguments = json!({"channel": channel, "user": user, "text": text});
    if let Some(thread) = thread {
        arguments["thread_ts"] = json!(thread);
    }
    writing("chat.postEphemeral", arguments)
}

/// 👀 and the like.
pub fn add_reaction(channel: &str, ts: &str, name: &str) -> Call {
    let arguments = json!({"channel": channel, "timestamp": ts, "name": name});
    writing("reactions.add", arguments)
}

/// Takes it back.
pub fn remove_reaction(channel: &str, ts: &str, name: &str) -> Call {
    let arguments = json!({"channel": channel, "timestamp": ts, "name": name});
    writing("reactions.remove", arguments)
}

/// The messages of a thread, the first one first; `oldest` bounds them.
pub fn replies(channel: &str, thread: &str, oldest: Option<&str>, cursor: Option<&str>) -> Call {
    let mut arguments =
        json!({"channel": channel, "ts": thread, "limit": PAGE, "include_all_metadata": true});
    if let Some(oldest) = oldest {
        arguments["oldest"] = json!(oldest);
    }
    if let Some(cursor) = cursor {
        arguments["cursor"] = json!(cursor);
    }
    reading("conversations.replies", arguments)
}

/// The newest messages of a channel that are in no thread.
pub fn history(channel: &str, oldest: &str, cursor: Option<&str>) -> Call {
    let mut arguments =
        json!({"channel": channel, "limit": PAGE, "oldest": oldest, "include_all_metadata": true});
    if let Some(cursor) = cursor {
        arguments["cursor"] = json!(cursor);
    }
    reading("conversations.history", arguments)
}

/// Who somebody is.
pub fn user(id: &str) -> Call {
    reading("users.info", json!({"user": id}))
}

/// The conversation with somebody alone.
pub fn open_direct(user: &str) -> Call {
    writing("conversations.open", json!({"users": user}))
}

/// Opens a form.
pub fn open_form(trigger: &str, view: &Value) -> Call {
    writing("views.open", json!({"trigger_id": trigger, "view": view}))
}

/// Where Socket Mode is to be had; with the app's token, not the bot's.
pub fn open_socket() -> Call {
    writing("apps.connections.open", json!({}))
}

/// Why a call did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebFault {
    /// Too many: not before that.
    Limited(Duration),
    /// It may work later.
    Passing(String),
    /// It will not, with these arguments, by Slack's word for it.
    Refused {
        /// `channel_not_found` and the like.
        error: String,
        /// The scope that is missing.
        needed: Option<String>,
        /// What Slack says about the arguments.
        details: Vec<String>,
    },
}

/// What an answer says; the whole body when it was done.
pub fn answered(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<Value, WebFault> {
    if status == 429 {
        let wait = retry_after.and_then(|text| text.trim().parse().ok());
        let wait = wait.map_or(USUAL_WAIT, Duration::from_secs);
        return Err(WebFault::Limited(wait.min(LONGEST_WAIT)));
    }
    if status >= 500 {
        return Err(WebFault::Passing(format!("Slack answers {status}.")));
    }
    let body: Value = match serde_json::from_slice(body) {
        Ok(body @ Value::Object(_)) => body,
        Ok(_) | Err(_) => {
            let text = format!("Slack does not answer as it should ({status}).");
            return Err(WebFault::Passing(text));
        }
    };
    if body["ok"] == true {
        return Ok(body);
    }
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    let error = text("error").unwrap_or_else(|| format!("http_{status}"));
    match error.as_str() {
        "ratelimited" | "rate_limited" => Err(WebFault::Limited(USUAL_WAIT)),
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "external_channel_migrating"
        | "team_added_to_org" => Err(WebFault::Passing(format!("Slack answers `{error}`."))),
        _ => {
            let details = [&body["errors"], &body["response_metadata"]["messages"]];
            let details = details.iter().filter_map(|list| list.as_array()).flatten();
            Err(WebFault::Refused {
                needed: text("needed"),
                details: details
                    .filter_map(|line| line.as_str())
                    .take(5)
                    .map(|line| line.chars().take(200).collect())
                    .collect(),
                error,
            })
        }
    }
}

impl WebFault {
    /// Slack's word for it.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => Some(error),
            Self::Limited(_) | Self::Passing(_) => None,
        }
    }

    /// Whether the credentials are the matter.
    pub fn is_of_token(&self) -> bool {
        matches!(
            self.error(),
            Some(
                "invalid_auth"
                    | "not_authed"
                    | "account_inactive"
                    | "token_revoked"
                    | "token_expired"
                    | "not_allowed_token_type"
            )
        )
    }

    /// Whether there is no message there that could be changed.
    pub fn is_of_message(&self) -> bool {
        matches!(
            self.error(),
            Some(
                "message_not_found"
                    | "cant_update_message"
                    | "edit_window_closed"
                    | "no_item_specified"
                    | "thread_not_found"
            )
        )
    }

    /// For people: what happened and what to do.
    pub fn explained(&self) -> (String, Option<&'static str>) {
        let (error, needed, details) = match self {
            Self::Limited(_) => return ("Slack takes no more for now.".to_owned(), None),
            Self::Passing(text) => return (text.clone(), None),
            Self::Refused {
                error,
                needed,
                details,
            } => (error, needed, details),
        };
        let clean: String = error
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect();
        let mut text = format!("Slack answers `{clean}`.");
        if let Some(needed) = needed {
            let needed: String = needed
                .chars()
                .filter(|c| !c.is_control())
                .take(100)
                .collect();
            text = format!("Slack answers `{clean}`: the token lacks `{needed}`.");
        }
        if !details.is_empty() {
            text += &format!(" ({})", details.join("; "));
        }
        let hint = match error.as_str() {
            _ if self.is_of_token() => {
                Some("Install the app again, and store its token with `outwork integration edit`.")
            }
            "missing_scope" => Some("Add the scope to the app, and install it again."),
            "not_in_channel" | "channel_not_found" => {
                Some("Invite the app to the channel: `/invite @outwork`.")
            }
            "is_archived" => Some("The channel is archived."),
            _ => None,
        };
        (text, hint)
    }
}

/// The time stamp of a message with that key among those of an answer of [`replies`] or [`history`].
pub fn find_marked(answer: &Value, key: &str) -> Option<String> {
    let messages = answer["messages"].as_array()?;
    let marked = messages.iter().find(|message| {
        let metadata = &message["metadata"];
        metadata["event_type"] == EVENT_TYPE && metadata["event_payload"]["key"] == key
    })?;
    marked["ts"].as_str().map(str::to_owned)
}

/// Where the next page begins.
pub fn next_cursor(answer: &Value) -> Option<&str> {
    let cursor = answer["response_metadata"]["next_cursor"].as_str()?;
    (!cursor.is_empty()).then_some(cursor)
}
