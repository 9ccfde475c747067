//! What this Slack knows.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::socket::Order;
use crate::{BOT, CHANNEL, TEAM};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// That status, these headers, and nothing is done.
    Status(u16, Vec<(&'static str, &'static str)>),
    /// `{"ok": false, "error": …}`, and nothing is done.
    Error(&'static str),
    /// It is done, and this status is the answer all the same.
    DoneBut(u16),
    /// It is done, and no answer ever comes.
    DoneAndSilent,
    /// No answer ever comes, and nothing is done.
    Silent,
}

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub ts: String,
    pub user: String,
    pub text: String,
    pub thread_ts: Option<String>,
    pub blocks: Value,
    pub metadata: Value,
    pub reactions: Vec<String>,
    /// How often it was changed.
    pub edits: u32,
}

impl Message {
    /// The names of its buttons, without what all of ours begin with.
    pub fn buttons(&self) -> Vec<String> {
        self.elements()
            .filter_map(|it| {
                Some(
                    it["action_id"]
                        .as_str()?
                        .trim_start_matches("outwork.")
                        .to_owned(),
                )
            })
            .collect()
    }

    /// All that is shown, in one text.
    pub fn shown(&self) -> String {
        let blocks = self.blocks.as_array().into_iter().flatten();
        let mut lines = Vec::new();
        for block in blocks {
            lines.extend(block["text"]["text"].as_str().map(str::to_owned));
            for element in block["elements"].as_array().into_iter().flatten() {
                lines.extend(element["text"].as_str().map(str::to_owned));
            }
        }
        lines.join("\n")
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Value> {
        let blocks = self.blocks.as_array().into_iter().flatten();
        let actions = blocks.filter(|block| block["type"] == "actions");
        actions.flat_map(|block| block["elements"].as_array().into_iter().flatten())
    }

    pub(crate) fn wire(&self, with_metadata: bool) -> Value {
        let mut wire = json!({"type": "message", "user": self.user, "ts": self.ts, "text": self.text, "team": TEAM});
        if let Some(thread) = &self.thread_ts {
            wire["thread_ts"] = json!(thread);
        }
        if self.user == BOT {
            wire["bot_id"] = json!("B0BOT");
            wire["app_id"] = json!("A0APP");
            wire["blocks"] = self.blocks.clone();
        }
        if with_metadata && !self.metadata.is_null() {
            wire["metadata"] = self.metadata.clone();
        }
        wire
    }
}

pub(crate) struct State {
    pub(crate) address: SocketAddr,
    now_seconds: i64,
    count: u32,
    pub(crate) channels: BTreeMap<String, Vec<Message>>,
    pub(crate) users: BTreeMap<String, Value>,
    pub(crate) faults: VecDeque<(&'static str, Fault)>,
    pub(crate) calls: Vec<String>,
    pub(crate) complaints: Vec<String>,
    pub(crate) ephemeral: Vec<Value>,
    pub(crate) forms: Vec<Value>,
    /// Those that can open a form, once.
    pub(crate) triggers: Vec<String>,
    /// Those that can open a connection, once.
    pub(crate) tickets: Vec<String>,
    /// What nobody has acknowledged, and the connection that it was sent on.
    pub(crate) envelopes: Vec<(String, Value, Option<usize>)>,
    pub(crate) connections: usize,
    pub(crate) socket_orders: Vec<Order>,
    pub(crate) is_socket_silent: bool,
}

impl State {
    pub(crate) fn new(address: SocketAddr, now_seconds: i64) -> Self {
        Self {
            address,
            now_seconds,
            count: 0,
            channels: [(CHANNEL.to_owned(), Vec::new())].into(),
            users: BTreeMap::new(),
            faults: VecDeque::new(),
            calls: Vec::new(),
            complaints: Vec::new(),
            ephemeral: Vec::new(),
            forms: Vec::new(),
            triggers: Vec::new(),
            tickets: Vec::new(),
            envelopes: Vec::new(),
            connections: 0,
            socket_orders: Vec::new(),
            is_socket_silent: false,
        }
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    pub(crate) fn ts(&mut self) -> String {
        let count = self.number();
        format!("{}.{count:06}", self.now_seconds + i64::from(count))
    }

    pub(crate) fn message(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        let messages = self.channels.get_mut(channel)?;
        messages.iter_mut().find(|message| message.ts == ts)
    }

    pub(crate) fn say(
        &mut self,
        user: &str,
        channel: &str,
        thread: Option<&str>,
        text: &str,
    ) -> (Value, String) {
        let ts = self.ts();
        let message = Message {
            ts: ts.clone(),
            user: user.to_owned(),
            text: text.to_owned(),
            thread_ts: thread.map(str::to_owned),
            ..Message::default()
        };
        let messages = self.channels.entry(channel.to_owned()).or_default();
        messages.push(message);
        let is_mention = text.contains(&format!("<@{BOT}>")) && !channel.starts_with('D');
        let mut event = json!({"user": user, "ts": ts, "text": text, "team": TEAM, "channel": channel, "event_ts": ts,
            "client_msg_id": format!("00000000-0000-0000-0000-{:012}", self.count)});
        match is_mention {
            true => event["type"] = json!("app_mention"),
            false => {
                event["type"] = json!("message");
                event["channel_type"] = json!(match channel.as_bytes().first() {
                    Some(b'D') => "im",
                    Some(b'G') => "group",
                    _ => "channel",
                });
            }
        }
        if let Some(thread) = thread {
            event["thread_ts"] = json!(thread);
            event["parent_user_id"] = json!(user);
        }
        let number = self.number();
        let envelope = json!({"token": "not-used-any-more", "team_id": TEAM, "context_team_id": TEAM,
            "context_enterprise_id": null, "api_app_id": "A0APP", "event": event, "type": "event_callback",
            "event_id": format!("Ev{number:08}"), "event_time": self.now_seconds, "is_ext_shared_channel": false,
            "event_context": format!("4-{number}"),
            "authorizations": [{"enterprise_id": null, "team_id": TEAM, "user_id": BOT, "is_bot": true,
                "is_enterprise_install": false}]});
        (envelope, ts)
    }

    pub(crate) fn press(&mut self, user: &str, channel: &str, ts: &str, action_id: &str) -> Value {
        let message = self
            .message(channel, ts)
            .expect("the message is there")
            .clone();
        let found = message.elements().find(|it| it["action_id"] == action_id);
        let button = found
            .unwrap_or_else(|| panic!("no {action_id} in {message:#?}"))
            .clone();
        let trigger = format!("{}.trigger", self.number());
        self.triggers.push(trigger.clone());
        let action_ts = self.ts();
        let mut container = json!({"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false});
        if let Some(thread) = &message.thread_ts {
            container["thread_ts"] = json!(thread);
        }
        json!({"type": "block_actions", "user": {"id": user, "username": user, "name": user, "team_id": TEAM},
            "api_app_id": "A0APP", "token": "not-used-any-more", "container": container, "trigger_id": trigger,
            "team": {"id": TEAM, "domain": "example"}, "enterprise": null, "is_enterprise_install": false,
            "channel": {"id": channel, "name": "general"}, "message": message.wire(false), "state": {"values": {}},
            "response_url": "https://hooks.slack.invalid/actions/1",
            "actions": [{"action_id": action_id, "block_id": "b1", "type": "button", "text": button["text"],
                "value": button["value"], "action_ts": action_ts}]})
    }

    pub(crate) fn submit(&mut self, user: &str, text: &str) -> Value {
        let view = self.forms.last().expect("a form is open").clone();
        let number = self.number();
        let input = view["blocks"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|block| block["type"] == "input");
        let input = input.expect("an input").clone();
        let (block, action) = (
            input["block_id"].as_str().expect("an id"),
            input["element"]["action_id"].as_str(),
        );
        let mut values = json!({});
        values[block] = json!({});
        values[block][action.expect("an id")] = json!({"type": "plain_text_input", "value": text});
        json!({"type": "view_submission", "team": {"id": TEAM, "domain": "example"},
            "user": {"id": user, "username": user, "name": user, "team_id": TEAM}, "api_app_id": "A0APP",
            "token": "not-used-any-more", "trigger_id": format!("{number}.t"), "response_urls": [],
            "is_enterprise_install": false, "enterprise": null,
            "view": {"id": format!("V{number:08}"), "team_id": TEAM, "type": "modal", "hash": "1.h",
                "callback_id": view["callback_id"], "private_metadata": view["private_metadata"], "title": view["title"],
                "blocks": view["blocks"], "state": {"values": values}}})
    }

    pub(crate) fn push(&mut self, payload: &Value) -> String {
        let id = format!("00000000-0000-4000-8000-{:012}", self.number());
        let kind = match payload["type"].as_str() {
            Some("event_callback") => "events_api",
            _ => "interactive",
        };
        let envelope = json!({"envelope_id": id, "payload": payload, "type": kind, "accepts_response_payload": false});
        self.envelopes.push((id.clone(), envelope, None));
        id
    }
}
