//! Buttons and forms: `payload=JSON` in a form over HTTP, the JSON itself over Socket Mode.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::checked_id;
use crate::inbound::{Form, Inbound, Place, Press, Received, Unreadable};

/// What a form that was opened by a button knows of it; Slack hands it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedBy {
    /// Where the button was.
    pub place: Place,
    /// Which one.
    pub button: String,
    /// What it carried.
    pub value: String,
}

/// The block and the input of a form's one text.
pub const TEXT_BLOCK: &str = "outwork_text";
/// See [`TEXT_BLOCK`].
pub const TEXT_ACTION: &str = "outwork_text_input";

/// The JSON in a form that Slack posted; `None` where it has none.
pub fn payload(form: &[u8]) -> Option<Vec<u8>> {
    let mut pairs = form.split(|byte| *byte == b'&');
    let value = pairs.find_map(|pair| pair.strip_prefix(b"payload="))?;
    unescaped(value)
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                out.push(u8::try_from(16 * high + low).ok()?);
            }
            other => out.push(*other),
        }
    }
    Some(out)
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    team: Option<Named>,
    user: Option<Named>,
    channel: Option<Named>,
    message: Option<InMessage>,
    container: Option<Container>,
    trigger_id: Option<String>,
    #[serde(default)]
    actions: Vec<Action>,
    view: Option<View>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct InMessage {
    ts: String,
    thread_ts: Option<String>,
}

#[derive(Deserialize)]
struct Container {
    message_ts: Option<String>,
    channel_id: Option<String>,
    thread_ts: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    action_ts: String,
    value: Option<String>,
    selected_option: Option<SelectedOption>,
}

#[derive(Deserialize)]
struct SelectedOption {
    value: String,
}

#[derive(Deserialize)]
struct View {
    id: String,
    callback_id: Option<String>,
    private_metadata: Option<String>,
    state: Option<Value>,
}

/// Reads the JSON of an interaction.
pub fn read(json: &[u8]) -> Result<Received, Unreadable> {
    let payload: Payload =
        serde_json::from_slice(json).map_err(|fault| Unreadable(fault.to_string()))?;
    match payload.kind.as_str() {
        "block_actions" => press(payload),
        "view_submission" => form(payload),
        _ => Ok(Received::Ignored("it is no button of ours".to_owned())),
    }
}

fn missing(field: &str) -> Unreadable {
    Unreadable(format!("`{field}` is missing"))
}

fn press(payload: Payload) -> Result<Received, Unreadable> {
    let Some(action) = payload.actions.into_iter().next() else {
        return Err(missing("actions"));
    };
    let Some(button) = action.action_id.strip_prefix(crate::blocks::ACTION_PREFIX) else {
        return Ok(Received::Ignored("it is no button of ours".to_owned()));
    };
    let team = payload.team.ok_or_else(|| missing("team"))?.id;
    let user = payload.user.ok_or_else(|| missing("user"))?.id;
    let container = payload.container.as_ref();
    let channel = payload.channel.map(|it| it.id);
    let channel = channel.or_else(|| container?.channel_id.clone());
    let channel = channel.ok_or_else(|| missing("channel"))?;
    let in_message = payload.message.as_ref();
    let ts = in_message.map(|it| it.ts.clone());
    let ts = ts.or_else(|| container?.message_ts.clone());
    let ts = ts.ok_or_else(|| missing("message"))?;
    let thread = in_message
        .and_then(|it| it.thread_ts.clone())
        .or_else(|| container?.thread_ts.clone())
        .unwrap_or_else(|| ts.clone());
    let value = action.value;
    let value = value.or_else(|| Some(action.selected_option?.value));
    let press = Press {
        place: Place {
            team: checked_id("team", &team)?,
            channel: checked_id("channel", &channel)?,
            thread: checked_id("thread_ts", &thread)?,
        },
        ts: checked_id("ts", &ts)?,
        user: checked_id("user", &user)?,
        // A list of environments has a button for each.
        button: button.split('.').next().unwrap_or(button).to_owned(),
        value: value.unwrap_or_default(),
        at: checked_id("action_ts", &action.action_ts)?,
        trigger: payload.trigger_id,
    };
    Ok(Received::Work(Box::new(Inbound::Press(press))))
}

fn form(payload: Payload) -> Result<Received, Unreadable> {
    let view = payload.view.ok_or_else(|| missing("view"))?;
    if view.callback_id.as_deref() != Some(crate::blocks::FORM) {
        return Ok(Received::Ignored("it is no form of ours".to_owned()));
    }
    let opened_by = view
        .private_metadata
        .ok_or_else(|| missing("private_metadata"))?;
    // It is signed with the rest of the request, and was written by this server.
    let opened_by: OpenedBy =
        serde_json::from_str(&opened_by).map_err(|fault| Unreadable(fault.to_string()))?;
    let OpenedBy {
        place,
        button,
        value,
    } = opened_by;
    let state = view.state.unwrap_or(Value::Null);
    let text = state["values"][TEXT_BLOCK][TEXT_ACTION]["value"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let user = payload.user.ok_or_else(|| missing("user"))?.id;
    let form = Form {
        place,
        user: checked_id("user", &user)?,
        button,
        value,
        text,
        id: checked_id("view.id", &view.id)?,
    };
    Ok(Received::Work(Box::new(Inbound::Form(form))))
}
