//! What was said in the thread before: material for the agent.

use std::collections::{BTreeSet, HashMap};

use outwork_domain::Timestamp;
use outwork_domain::untrusted::{Quoted, context};
use outwork_slack::web::{WebFault, next_cursor, replies};
use outwork_slack::{Message, text};
use serde_json::Value;

use super::web::Web;

/// Pages of a thread that are read; what is beyond is newer than all that fits.
const PAGES: usize = 10;
/// People whose names are asked for.
const NAMES: usize = 30;

/// The names of people by their ids.
pub(super) type Names = HashMap<String, String>;

/// The names of all who wrote these messages or are named in them, but for the app's own.
pub(super) async fn names(
    web: &Web<'_>,
    us: Option<&str>,
    texts: impl Iterator<Item = String>,
    authors: &[String],
) -> Names {
    let mut ids: BTreeSet<String> = authors.iter().cloned().collect();
    for text in texts {
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("<@") {
            let end = after.find(['|', '>']).unwrap_or(0);
            let id = &after[..end];
            if (2..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                ids.insert(id.to_owned());
            }
            rest = after;
        }
    }
    ids.retain(|id| Some(id.as_str()) != us);
    let mut names = Names::new();
    for id in ids.into_iter().take(NAMES) {
        let name = web.name(&id).await;
        names.insert(id, name);
    }
    names
}

/// The part of a prompt with what was said before that message, after `since`. Empty if nothing was, or if the app may not read the thread.
pub(super) async fn before(
    web: &Web<'_>,
    message: &Message,
    since: Option<&str>,
) -> Result<String, WebFault> {
    if !message.is_reply {
        return Ok(String::new());
    }
    let place = &message.place;
    let mut found: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let call = replies(&place.channel, &place.thread, since, cursor.as_deref());
        let answer = match web.call(call).await {
            Ok(answer) => answer,
            // The task is done without it: an app that may write need not be one that may read.
            Err(WebFault::Refused { .. }) => return Ok(String::new()),
            Err(passing) => return Err(passing),
        };
        found.extend(answer["messages"].as_array().into_iter().flatten().cloned());
        cursor = next_cursor(&answer).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let us = message.us.as_deref();
    found.retain(|one| {
        let ts = one["ts"].as_str().unwrap_or_default();
        let is_before = order(ts) < order(&message.ts);
        let is_after = since.is_none_or(|since| order(ts) > order(since));
        let is_ours = us.is_some() && one["user"].as_str() == us;
        is_before && is_after && !is_ours
    });
    let texts = found.iter().map(|one| content(one).to_owned());
    let author = |one: &Value| one["user"].as_str().unwrap_or_default().to_owned();
    let mut authors: Vec<String> = found.iter().map(author).collect();
    authors.retain(|id| !id.is_empty());
    let names = names(web, us, texts, &authors).await;
    let quoted = found.iter().map(|one| {
        let user = author(one);
        let named = |id: &str| names.get(id).cloned();
        let by = named(&user).or_else(|| one["username"].as_str().map(str::to_owned));
        Quoted {
            kind: "message".to_owned(),
            by: by.unwrap_or(user),
            at: time(one["ts"].as_str().unwrap_or_default()),
            text: text::plain(content(one), us, named),
        }
    });
    Ok(context(&quoted.collect::<Vec<_>>()))
}

fn content(message: &Value) -> &str {
    message["text"].as_str().unwrap_or_default()
}

/// Time stamps are numbers with six digits after the point; as a float they would lose some.
fn order(ts: &str) -> (u64, u64) {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, "0"));
    (
        seconds.parse().unwrap_or_default(),
        rest.parse().unwrap_or_default(),
    )
}

fn time(ts: &str) -> String {
    let (seconds, _) = order(ts);
    let millis = i64::try_from(seconds.saturating_mul(1000)).unwrap_or_default();
    let time: outwork_api::Time = Timestamp::from_millis(millis).into();
    time.to_string()
}
