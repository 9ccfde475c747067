//! One message in Slack, posted once and then brought up to date, whatever dies in between.
//!
//! Before a message is posted, the job notes that it is about to be; once it is there, its time stamp is kept. Who finds the note and no time stamp
//! looks in the thread for the mark that every message of ours has (its metadata, which people do not see), and posts only if it is not there.

use outwork_domain::integration::Conversation;
use outwork_slack::Place;
use outwork_slack::blocks::{Post, note};
use outwork_slack::web::{
    WebFault, find_marked, history, next_cursor, post_message, replies, update,
};
use outwork_store::ConversationChange;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::thread::{Shown, Thread, edit};
use super::web::{Web, outcome};
use crate::jobs::{Held, Outcome};
use crate::surfaces::later;

/// Noted before a message is posted.
const SENDING: &str = "sending";
/// And after it, with the time stamp, where nothing else remembers it.
const SENT: &str = "sent ";
/// Pages that are looked through for a mark.
const PAGES: usize = 20;

/// Where a message goes.
pub(super) struct Target<'a> {
    pub(super) channel: &'a str,
    pub(super) thread: Option<&'a str>,
    /// Nothing of ours is older.
    pub(super) oldest: Option<String>,
}

impl<'a> Target<'a> {
    pub(super) fn of(place: &'a Place) -> Self {
        Self {
            channel: &place.channel,
            thread: Some(&place.thread),
            oldest: None,
        }
    }
}

/// A message that is never changed.
pub(super) async fn once(held: &Held, web: &Web<'_>, target: &Target<'_>, post: &Post) -> Outcome {
    if let Some(ts) = held
        .job
        .memo
        .as_deref()
        .and_then(|memo| memo.strip_prefix(SENT))
    {
        return Outcome::Done(Some(format!("It is there: {ts}.")));
    }
    let ts = match posted(held, web, target, post, &held.job.key).await {
        Ok(ts) => ts,
        Err(outcome) => return outcome,
    };
    match held.note(format!("{SENT}{ts}")).await {
        Ok(()) => Outcome::Done(Some(format!("Posted as {ts}."))),
        // Another server looks for it.
        Err(fault) => later(&fault),
    }
}

/// A message that is brought up to date as long as it is remembered.
pub(super) async fn kept(
    held: &Held,
    web: &Web<'_>,
    conversation: &Conversation,
    target: &Target<'_>,
    mark: &str,
    post: &Post,
) -> Outcome {
    let key = format!("{}/{mark}", conversation.id);
    let hash = hash(post);
    let before = Thread::of(conversation).messages.get(mark).cloned();
    let (ts, said) = match before {
        Some(before) if before.hash == hash => {
            return Outcome::Done(Some("It says so already.".to_owned()));
        }
        Some(before) => {
            let changed = web
                .call(update(target.channel, &before.ts, post, &key))
                .await;
            match changed {
                Ok(_) => {}
                Err(fault) if fault.is_of_message() => {
                    return Outcome::Done(Some("The message is gone.".to_owned()));
                }
                Err(fault) => return outcome(&fault),
            }
            (before.ts, "Changed")
        }
        None => match posted(held, web, target, post, &key).await {
            Ok(ts) => (ts, "Posted"),
            Err(outcome) => return outcome,
        },
    };
    let remembered = edit(
        &held.plane,
        conversation,
        ConversationChange::default(),
        |thread| {
            let shown = Shown {
                ts: ts.clone(),
                hash: hash.clone(),
            };
            thread.add_message(mark.to_owned(), shown);
        },
    );
    match remembered.await {
        Ok(_) => Outcome::Done(Some(format!("{said}: {ts}."))),
        Err(fault) => later(&fault),
    }
}

/// The time stamp of the message with that key, which is posted if it is not there.
async fn posted(
    held: &Held,
    web: &Web<'_>,
    target: &Target<'_>,
    post: &Post,
    key: &str,
) -> Result<String, Outcome> {
    if held.job.memo.as_deref() == Some(SENDING)
        && let Some(ts) = find(web, target, key)
            .await
            .map_err(|fault| outcome(&fault))?
    {
        return Ok(ts);
    }
    let noted = held.note(SENDING.to_owned()).await;
    noted.map_err(|fault| later(&fault))?;
    let mut answer = web
        .call(post_message(target.channel, target.thread, post, key))
        .await;
    if answer
        .as_ref()
        .is_err_and(|fault| fault.error() == Some("invalid_blocks"))
    {
        tracing::error!(
            key,
            ?answer,
            "Slack does not take the blocks; the text alone is sent"
        );
        let plain = note(&post.text);
        answer = web
            .call(post_message(target.channel, target.thread, &plain, key))
            .await;
    }
    let answer = answer.map_err(|fault| outcome(&fault))?;
    let ts = answer["ts"].as_str().map(str::to_owned);
    ts.ok_or_else(|| {
        let odd = WebFault::Passing("Slack's answer has no `ts`.".to_owned());
        outcome(&odd)
    })
}

async fn find(web: &Web<'_>, target: &Target<'_>, key: &str) -> Result<Option<String>, WebFault> {
    let mut cursor: Option<String> = None;
    let oldest = target.oldest.as_deref();
    for _ in 0..PAGES {
        let call = match target.thread {
            Some(thread) => replies(target.channel, thread, oldest, cursor.as_deref()),
            None => history(target.channel, oldest.unwrap_or("0"), cursor.as_deref()),
        };
        let answer: Value = web.call(call).await?;
        if let Some(ts) = find_marked(&answer, key) {
            return Ok(Some(ts));
        }
        cursor = next_cursor(&answer).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(None)
}

fn hash(post: &Post) -> String {
    let mut hash = Sha256::new();
    hash.update(post.text.as_bytes());
    hash.update(post.blocks.to_string().as_bytes());
    let hash = hash.finalize();
    let short: [u8; 8] = hash[..8].try_into().expect("32 bytes");
    format!("{:016x}", u64::from_be_bytes(short))
}
