//! An attempt's log, line by line, as it grows.

use std::time::Duration;

use futures_util::StreamExt;
use outwork_api::client::{Client, Follow, Followed, Jitter};
use outwork_tui::Answer;
use tokio::sync::mpsc::Sender;

use super::trouble;
use crate::render::event::{Detail, EventLines};
use crate::terminal::style::Style;

/// How long the server may be away before following ends.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How many events are handed over at once.
const AT_ONCE: usize = 128;

/// Follows until the attempt has ended, or nobody listens.
pub(super) async fn follow(
    client: Client,
    attempt: String,
    jitter: Jitter,
    answers: Sender<Answer>,
) {
    let follow = Follow {
        attempt: attempt.clone(),
        after: 0,
        patience: PATIENCE,
        jitter,
    };
    let mut renderer = EventLines::new(Style::PLAIN, "", Detail::Usual);
    let mut pieces = Box::pin(client.follow(follow)).ready_chunks(AT_ONCE);
    let mut failure = None;
    while let Some(items) = pieces.next().await {
        let mut lines = Vec::new();
        let mut is_away = false;
        for item in items {
            match item {
                Ok(Followed::Event(record)) => {
                    is_away = false;
                    lines.extend(renderer.push(&record.event));
                }
                Ok(Followed::Reconnecting(_)) => is_away = true,
                Err(error) => failure = Some(trouble(error.into())),
            }
        }
        let attempt = || attempt.clone();
        let told = [
            (!lines.is_empty()).then(|| Answer::Log {
                attempt: attempt(),
                lines,
            }),
            is_away.then(|| Answer::LogAway { attempt: attempt() }),
        ];
        for answer in told.into_iter().flatten() {
            if answers.send(answer).await.is_err() {
                return;
            }
        }
    }
    let ended = Answer::LogEnded {
        attempt,
        trouble: failure,
    };
    // Nobody listens after the picker's end.
    let _ = answers.send(ended).await;
}
