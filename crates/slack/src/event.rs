//! The Events API: JSON with an event, over HTTP or Socket Mode.

use serde::Deserialize;
use serde_json::Value;

use crate::inbound::{Inbound, Message, Place, Received, Unreadable};
use crate::text::calls;

/// The longest text of a message that is kept: Slack cuts them at 40,000 characters.
const TEXT_CHARS: usize = 40_000;

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    challenge: Option<String>,
    team_id: Option<String>,
    event: Option<Value>,
    #[serde(default)]
    authorizations: Vec<Authorization>,
    #[serde(default)]
    is_ext_shared_channel: bool,
}

#[derive(Deserialize)]
struct Authorization {
    user_id: Option<String>,
    #[serde(default)]
    is_bot: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    #[serde(default)]
    hidden: bool,
    channel: Option<String>,
    channel_type: Option<String>,
    user: Option<String>,
    bot_id: Option<String>,
    text: Option<String>,
    ts: Option<String>,
    thread_ts: Option<String>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
}

/// Reads a body of the Events API.
pub fn read(body: &[u8]) -> Result<Received, Unreadable> {
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|fault| Unreadable(fault.to_string()))?;
    match envelope.kind.as_str() {
        "url_verification" => match envelope.challenge {
            Some(challenge) => Ok(Received::Challenge(challenge)),
            None => Err(Unreadable("`challenge` is missing".to_owned())),
        },
        "event_callback" => event(envelope),
        // Slack has put off some of its events: nothing was sent that has to be worked on.
        "app_rate_limited" => Ok(ignored("Slack holds events back: there are too many")),
        other => Ok(ignored(&format!("`{}` is not listened to", short(other)))),
    }
}

fn ignored(why: &str) -> Received {
    Received::Ignored(why.to_owned())
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn event(envelope: Envelope) -> Result<Received, Unreadable> {
    let missing = |field: &str| Unreadable(format!("`{field}` is missing"));
    let us = envelope
        .authorizations
        .into_iter()
        .find(|one| one.is_bot)
        .and_then(|one| one.user_id);
    let event = envelope.event.ok_or_else(|| missing("event"))?;
    let event: Event =
        serde_json::from_value(event).map_err(|fault| Unreadable(fault.to_string()))?;
    let is_mention = match event.kind.as_str() {
        "app_mention" => true,
        "message" => false,
        other => return Ok(ignored(&format!("`{}` is not listened to", short(other)))),
    };
    if let Some(why) = not_a_persons(&event, us.as_deref()) {
        return Ok(ignored(&why));
    }
    let team = envelope.team_id.ok_or_else(|| missing("team_id"))?;
    let channel = event.channel.ok_or_else(|| missing("channel"))?;
    let ts = event.ts.ok_or_else(|| missing("ts"))?;
    let user = event.user.ok_or_else(|| missing("user"))?;
    for (field, id) in [
        ("team_id", &team),
        ("channel", &channel),
        ("user", &user),
        ("ts", &ts),
    ] {
        if !is_id(id) {
            return Err(Unreadable(format!("`{field}` is no id")));
        }
    }
    let thread = event.thread_ts.filter(|thread| is_id(thread));
    let is_direct = event.channel_type.as_deref() == Some("im") || channel.starts_with('D');
    let text = with_files(event.text.unwrap_or_default(), &event.files);
    let is_called = us.as_deref().is_some_and(|us| calls(&text, us));
    let is_to_us = is_mention || is_direct || is_called;
    let is_reply = thread.as_ref().is_some_and(|thread| *thread != ts);
    if !is_to_us && !is_reply {
        return Ok(ignored("it is said to nobody here"));
    }
    let place = Place {
        team,
        channel,
        thread: thread.unwrap_or_else(|| ts.clone()),
    };
    let message = Message {
        place,
        ts,
        user,
        text,
        is_to_us,
        is_direct,
        is_reply,
        us,
        is_shared_outside: envelope.is_ext_shared_channel,
    };
    Ok(Received::Work(Box::new(Inbound::Message(message))))
}

/// Why it is not what a person wrote just now.
fn not_a_persons(event: &Event, us: Option<&str>) -> Option<String> {
    if event.bot_id.is_some() {
        return Some("a bot wrote it".to_owned());
    }
    if us.is_some() && event.user.as_deref() == us {
        return Some("the app wrote it itself".to_owned());
    }
    if event.user.as_deref() == Some("USLACKBOT") {
        return Some("Slack itself wrote it".to_owned());
    }
    match event.subtype.as_deref() {
        _ if event.hidden => Some("it is no new message".to_owned()),
        // Files with a text, and a reply that is shown in the channel, too.
        None | Some("file_share" | "thread_broadcast") => None,
        Some(other) => Some(format!("`{}` is no new message", short(other))),
    }
}

/// Ids and time stamps of Slack's; they become a part of keys.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

pub(crate) fn checked_id(field: &str, text: &str) -> Result<String, Unreadable> {
    match is_id(text) {
        true => Ok(text.to_owned()),
        false => Err(Unreadable(format!("`{field}` is no id"))),
    }
}

fn with_files(text: String, files: &[File]) -> String {
    let mut text: String = text.chars().take(TEXT_CHARS).collect();
    let names: Vec<String> = files
        .iter()
        .filter_map(|file| file.name.as_deref())
        .take(20)
        .map(short)
        .collect();
    if !names.is_empty() {
        text += &format!("\n(attached, not passed on: {})", names.join(", "));
    }
    text
}
