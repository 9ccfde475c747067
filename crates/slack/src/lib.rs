//! What Slack says, and what is said to Slack, as data. Pure: bytes in, values out; no request is made here, and no clock is read.
//!
//! * [`signature`]: whether bytes are Slack's and of now.
//! * [`event`] and [`interaction`]: a message or a button, reduced to what Outwork needs: an [`Inbound`].
//! * [`socket`] and [`websocket`]: the same over Socket Mode.
//! * [`text`]: what a message asks for. [`choose`]: in which environment.
//! * [`blocks`]: messages of Block Kit, within its limits. [`mrkdwn`]: an agent's Markdown in Slack's words.
//! * [`web`]: calls of the Web API, and what its answers mean.
//!
//! A message is a stranger's text: it can ask for something, and which environment of those that are offered; it decides nothing else. An
//! agent's words are a stranger's, too: they call nobody, show no address under another name, and have nothing fetched (`unfurl_links` is off,
//! since Slack would ask for each address that a message has).

pub mod signature;

pub mod event;
pub mod interaction;

pub mod socket;
pub mod websocket;

pub mod choose;
pub mod text;

pub mod blocks;
pub mod mrkdwn;

pub mod web;

mod inbound;

pub use inbound::{Form, Inbound, Message, Place, Press, Received, Unreadable};
