//! Socket Mode: what Slack sends over its WebSocket. Each envelope is acknowledged by its id once what is in it is kept; what is not acknowledged
//! comes again.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::inbound::{Received, Unreadable};
use crate::{event, interaction};

/// A message of Slack's.
#[derive(Debug)]
pub enum Sent {
    /// The connection is made.
    Hello,
    /// This connection ends soon: open another.
    Disconnect {
        /// `warning`, `refresh_requested`, `link_disabled`.
        reason: String,
    },
    /// Something that came, to be acknowledged.
    Envelope {
        /// By which it is acknowledged.
        id: String,
        /// What it comes to.
        received: Result<Received, Unreadable>,
    },
    /// Nothing that is known.
    Other,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    envelope_id: Option<String>,
    #[serde(default)]
    payload: Value,
}

/// Reads a message.
pub fn read(text: &str) -> Result<Sent, Unreadable> {
    let wire: Wire = serde_json::from_str(text).map_err(|fault| Unreadable(fault.to_string()))?;
    let payload = wire.payload.to_string();
    let received = match wire.kind.as_str() {
        "hello" => return Ok(Sent::Hello),
        "disconnect" => {
            let reason = wire.reason.unwrap_or_default();
            return Ok(Sent::Disconnect { reason });
        }
        "events_api" => event::read(payload.as_bytes()),
        "interactive" => interaction::read(payload.as_bytes()),
        other => Ok(Received::Ignored(format!("`{other}` is not listened to"))),
    };
    Ok(match wire.envelope_id {
        Some(id) => Sent::Envelope { id, received },
        None => Sent::Other,
    })
}

/// The acknowledgement of an envelope.
pub fn acknowledged(envelope_id: &str) -> String {
    let it: Value = json!({"envelope_id": envelope_id});
    it.to_string()
}
