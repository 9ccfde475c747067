//! Slack's bytes and texts, without Slack.

mod blocks;
mod choose;
mod interaction;
mod mrkdwn;
mod payloads;
mod signature;
mod socket;
mod text;
mod web;
mod websocket;
