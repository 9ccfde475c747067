//! The methods of the Web API.

use serde_json::{Map, Value, json};

use crate::state::{Message, State};
use crate::{APP_TOKEN, BOT, BOT_TOKEN, TEAM, blocks};

/// Why a call is refused: `error`, and what is said about the arguments.
pub(crate) struct Refused(pub(crate) &'static str, pub(crate) String);

fn refused(error: &'static str) -> Refused {
    Refused(error, String::new())
}

type Answered = Result<Value, Refused>;

/// What a method takes: its name, whether it reads (and takes no JSON), what it needs and what it may be given.
const METHODS: &[(&str, bool, &[&str], &[&str])] = &[
    ("auth.test", false, &[], &[]),
    (
        "chat.postMessage",
        false,
        &["channel"],
        &[
            "text",
            "blocks",
            "thread_ts",
            "reply_broadcast",
            "unfurl_links",
            "unfurl_media",
            "metadata",
            "mrkdwn",
            "parse",
            "link_names",
        ],
    ),
    (
        "chat.update",
        false,
        &["channel", "ts"],
        &[
            "text",
            "blocks",
            "metadata",
            "parse",
            "link_names",
            "reply_broadcast",
            "as_user",
            "file_ids",
        ],
    ),
    (
        "chat.postEphemeral",
        false,
        &["channel", "user"],
        &["text", "blocks", "thread_ts"],
    ),
    (
        "reactions.add",
        false,
        &["channel", "timestamp", "name"],
        &[],
    ),
    (
        "reactions.remove",
        false,
        &["name"],
        &["channel", "timestamp", "file", "file_comment"],
    ),
    (
        "conversations.replies",
        true,
        &["channel", "ts"],
        &[
            "cursor",
            "limit",
            "oldest",
            "latest",
            "inclusive",
            "include_all_metadata",
        ],
    ),
    (
        "conversations.history",
        true,
        &["channel"],
        &[
            "cursor",
            "limit",
            "oldest",
            "latest",
            "inclusive",
            "include_all_metadata",
        ],
    ),
    (
        "conversations.open",
        false,
        &[],
        &["users", "channel", "return_im", "prevent_creation"],
    ),
    ("users.info", true, &["user"], &["include_locale"]),
    (
        "views.open",
        false,
        &["view"],
        &["trigger_id", "interactivity_pointer"],
    ),
    ("apps.connections.open", false, &[], &[]),
];

/// Whether the arguments of a method must not be JSON.
pub(crate) fn is_reading(method: &str) -> bool {
    let known = METHODS.iter().find(|(name, ..)| *name == method);
    known.is_some_and(|(_, is_reading, _, _)| *is_reading)
}

/// Does what is asked.
pub(crate) fn call(
    state: &mut State,
    method: &str,
    token: Option<&str>,
    arguments: &Map<String, Value>,
) -> Answered {
    let Some((_, _, needed, further)) = METHODS.iter().find(|(name, ..)| *name == method) else {
        return Err(refused("unknown_method"));
    };
    let wanted = match method {
        "apps.connections.open" => APP_TOKEN,
        _ => BOT_TOKEN,
    };
    match token {
        None => return Err(refused("not_authed")),
        Some(token) if token == wanted => {}
        Some(APP_TOKEN | BOT_TOKEN) => return Err(refused("not_allowed_token_type")),
        Some(_) => return Err(refused("invalid_auth")),
    }
    for name in *needed {
        if arguments.get(*name).is_none_or(Value::is_null) {
            return Err(Refused(
                "invalid_arguments",
                format!("missing required field: {name}"),
            ));
        }
    }
    let known =
        |name: &&String| needed.contains(&name.as_str()) || further.contains(&name.as_str());
    if let Some(name) = arguments.keys().find(|name| !known(name)) {
        return Err(Refused(
            "invalid_arguments",
            format!("unknown field: {name}"),
        ));
    }
    let it = Arguments(arguments);
    match method {
        "auth.test" => Ok(
            json!({"ok": true, "url": "https://example.slack.com/", "team": "Example", "user": "outwork",
            "team_id": TEAM, "user_id": BOT, "bot_id": "B0BOT", "is_enterprise_install": false}),
        ),
        "chat.postMessage" => post(state, &it),
        "chat.update" => update(state, &it),
        "chat.postEphemeral" => ephemeral(state, &it, arguments),
        "reactions.add" => react(state, &it, true),
        "reactions.remove" => react(state, &it, false),
        "conversations.replies" => replies(state, &it),
        "conversations.history" => history(state, &it),
        "conversations.open" => open(state, &it),
        "users.info" => match state.users.get(it.text("user")?) {
            Some(user) => Ok(json!({"ok": true, "user": user})),
            None => Err(refused("user_not_found")),
        },
        "views.open" => open_view(state, &it, arguments),
        _ => {
            let ticket = format!("ticket-{}", state.number());
            state.tickets.push(ticket.clone());
            let url = format!("ws://{}/link/?ticket={ticket}&app_id=A0APP", state.address);
            Ok(json!({"ok": true, "url": url}))
        }
    }
}

struct Arguments<'a>(&'a Map<String, Value>);

impl Arguments<'_> {
    fn text(&self, name: &str) -> Result<&str, Refused> {
        let value = self.0.get(name).and_then(Value::as_str);
        value.ok_or_else(|| Refused("invalid_arguments", format!("{name} must be a string")))
    }

    fn maybe(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

/// Text and blocks of a message.
fn contents(it: &Arguments<'_>) -> Result<(String, Value), Refused> {
    let text = it.maybe("text").unwrap_or_default().to_owned();
    let given = it.0.get("blocks").cloned().unwrap_or(Value::Null);
    if text.is_empty() && given.is_null() {
        return Err(refused("no_text"));
    }
    if text.encode_utf16().count() > 40_000 {
        return Err(refused("msg_too_long"));
    }
    blocks::mrkdwn(&text).map_err(|why| Refused("invalid_arguments", why))?;
    if !given.is_null() {
        blocks::check(&given, 50).map_err(|why| Refused("invalid_blocks", why))?;
    }
    Ok((text, given))
}

fn metadata(it: &Arguments<'_>) -> Result<Value, Refused> {
    let Some(metadata) = it.0.get("metadata") else {
        return Ok(Value::Null);
    };
    let kind = metadata["event_type"].as_str().unwrap_or_default();
    let is_word = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word || !metadata["event_payload"].is_object() {
        return Err(refused("invalid_metadata_format"));
    }
    Ok(metadata.clone())
}

fn post(state: &mut State, it: &Arguments<'_>) -> Answered {
    let channel = it.text("channel")?.to_owned();
    let (text, given) = contents(it)?;
    let metadata = metadata(it)?;
    if it.0.get("unfurl_links") != Some(&json!(false))
        || it.0.get("unfurl_media") != Some(&json!(false))
    {
        // Not Slack's rule, but ours: Slack would fetch the addresses of an agent's text.
        return Err(Refused(
            "invalid_arguments",
            "an app of ours has nothing unfurled".to_owned(),
        ));
    }
    if !state.channels.contains_key(&channel) {
        return Err(refused("channel_not_found"));
    }
    let thread = it.maybe("thread_ts").map(str::to_owned);
    if let Some(thread) = &thread
        && state.message(&channel, thread).is_none()
    {
        return Err(refused("thread_not_found"));
    }
    let message = Message {
        ts: state.ts(),
        user: BOT.to_owned(),
        text,
        thread_ts: thread,
        blocks: given,
        metadata,
        ..Message::default()
    };
    let answer =
        json!({"ok": true, "channel": channel, "ts": message.ts, "message": message.wire(true)});
    state
        .channels
        .get_mut(&channel)
        .expect("looked at")
        .push(message);
    Ok(answer)
}

fn update(state: &mut State, it: &Arguments<'_>) -> Answered {
    let (channel, ts) = (it.text("channel")?.to_owned(), it.text("ts")?.to_owned());
    let (text, given) = contents(it)?;
    let metadata = metadata(it)?;
    let Some(message) = state.message(&channel, &ts) else {
        return Err(refused("message_not_found"));
    };
    if message.user != BOT {
        return Err(refused("cant_update_message"));
    }
    message.text = text;
    message.blocks = given;
    // As Slack does: what is not said again is gone.
    message.metadata = metadata;
    message.edits += 1;
    let wire = message.wire(true);
    Ok(json!({"ok": true, "channel": channel, "ts": ts, "text": wire["text"], "message": wire}))
}

fn ephemeral(state: &mut State, it: &Arguments<'_>, arguments: &Map<String, Value>) -> Answered {
    contents(it)?;
    if !state.channels.contains_key(it.text("channel")?) {
        return Err(refused("channel_not_found"));
    }
    let shown = Value::Object(arguments.clone());
    state.ephemeral.push(shown);
    let ts = state.ts();
    Ok(json!({"ok": true, "message_ts": ts}))
}

fn react(state: &mut State, it: &Arguments<'_>, add: bool) -> Answered {
    let (channel, ts, name) = (
        it.text("channel")?,
        it.text("timestamp")?,
        it.text("name")?.to_owned(),
    );
    let Some(message) = state.message(channel, ts) else {
        return Err(refused("message_not_found"));
    };
    let at = message.reactions.iter().position(|one| *one == name);
    match (add, at) {
        (true, Some(_)) => return Err(refused("already_reacted")),
        (false, None) => return Err(refused("no_reaction")),
        (true, None) => message.reactions.push(name),
        (false, Some(at)) => _ = message.reactions.remove(at),
    }
    Ok(json!({"ok": true}))
}

fn replies(state: &mut State, it: &Arguments<'_>) -> Answered {
    let (channel, root) = (it.text("channel")?.to_owned(), it.text("ts")?.to_owned());
    if state.message(&channel, &root).is_none() {
        return Err(refused("thread_not_found"));
    }
    let oldest = it.maybe("oldest").unwrap_or("0").to_owned();
    let all: Vec<Message> = state.channels[&channel]
        .iter()
        // The first message is always there.
        .filter(|one| {
            one.ts == root
                || (one.thread_ts.as_deref() == Some(&root) && is_after(&one.ts, &oldest))
        })
        .cloned()
        .collect();
    page(it, &all)
}

fn history(state: &mut State, it: &Arguments<'_>) -> Answered {
    let channel = it.text("channel")?;
    let Some(messages) = state.channels.get(channel) else {
        return Err(refused("channel_not_found"));
    };
    let oldest = it.maybe("oldest").unwrap_or("0");
    let mut all: Vec<Message> = messages
        .iter()
        .filter(|one| one.thread_ts.is_none() && is_after(&one.ts, oldest))
        .cloned()
        .collect();
    all.reverse();
    page(it, &all)
}

fn is_after(ts: &str, oldest: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    number(ts) > number(oldest)
}

fn page(it: &Arguments<'_>, all: &[Message]) -> Answered {
    let limit = it.maybe("limit").unwrap_or("100");
    let limit: usize = limit.parse().map_err(|_| refused("invalid_limit"))?;
    let from = it.maybe("cursor").unwrap_or("0");
    let from: usize = from.parse().map_err(|_| refused("invalid_cursor"))?;
    let with_metadata = it.maybe("include_all_metadata") == Some("true");
    let end = all.len().min(from + limit.min(1000));
    let messages: Vec<Value> = all[from.min(end)..end]
        .iter()
        .map(|one| one.wire(with_metadata))
        .collect();
    let next = if end < all.len() {
        end.to_string()
    } else {
        String::new()
    };
    Ok(
        json!({"ok": true, "messages": messages, "has_more": end < all.len(), "response_metadata": {"next_cursor": next}}),
    )
}

fn open(state: &mut State, it: &Arguments<'_>) -> Answered {
    let user = it.text("users")?;
    if !state.users.contains_key(user) {
        return Err(refused("user_not_found"));
    }
    let channel = format!("D{}", &user[1..]);
    state.channels.entry(channel.clone()).or_default();
    Ok(json!({"ok": true, "channel": {"id": channel}}))
}

fn open_view(state: &mut State, it: &Arguments<'_>, arguments: &Map<String, Value>) -> Answered {
    let trigger = it.text("trigger_id")?;
    let Some(at) = state.triggers.iter().position(|one| one == trigger) else {
        return Err(refused("expired_trigger_id"));
    };
    state.triggers.remove(at);
    let view = &arguments["view"];
    blocks::view(view).map_err(|why| Refused("invalid_arguments", why))?;
    state.forms.push(view.clone());
    Ok(json!({"ok": true, "view": {"id": "V0", "type": "modal"}}))
}
