//! Following an attempt's log until it ends, over as many connections as it takes.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::Stream;
use reqwest::{Method, Response, header};
use serde_json::Value;
use tokio::time::Instant;

use super::error::ClientError;
use super::http::{Call, Client};
use super::sse::{Message, Parser};
use crate::event::Event;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
const STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: header::HeaderName = header::HeaderName::from_static("last-event-id");

/// An entry of a log, read, and as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// As far as this version knows it.
    pub event: Event,
    /// All of it.
    pub json: Value,
}

impl EventRecord {
    /// Reads one entry.
    pub fn from_json(json: Value) -> Result<Self, serde_json::Error> {
        use serde::Deserialize;
        let event = Event::deserialize(&json)?;
        Ok(Self { event, json })
    }
}

/// What following brings.
#[derive(Debug)]
pub enum Followed {
    /// The next entry; `seq` rises by one each time.
    Event(Box<EventRecord>),
    /// The connection broke and is about to be made again.
    Reconnecting(ClientError),
}

/// Spreads clients that lost the same server, so that they do not all come back at once.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// From any random number.
    pub const fn from_random(random: u64) -> Self {
        Self(random | 1)
    }

    /// A time between half of `duration` and `duration`.
    fn spread(&mut self, duration: Duration) -> Duration {
        // xorshift64: any spread will do here.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = (self.0 >> 40) as f64 / (1_u64 << 24) as f64;
        duration.mul_f64(0.5 + share / 2.0)
    }
}

/// Which log, and how patiently.
#[derive(Clone, Debug)]
pub struct Follow {
    /// `att_…`.
    pub attempt: String,
    /// Only entries with a larger number.
    pub after: i64,
    /// How long the server may be away before following fails.
    pub patience: Duration,
    /// Randomness for the waits between tries.
    pub jitter: Jitter,
}

impl Client {
    /// Follows a log; ends after the attempt's final state. A broken connection is made again, from
    /// where it broke; the caller gives up early by dropping the stream. Fails when the server
    /// cannot be reached at all to begin with, refuses, or is away for longer than `patience`.
    pub fn follow(
        &self,
        follow: Follow,
    ) -> impl Stream<Item = Result<Followed, ClientError>> + Send + use<> {
        let follower = Follower {
            client: self.clone(),
            last: follow.after,
            follow,
            connection: None,
            ready: VecDeque::new(),
            tries: 0,
            first_delay: FIRST_DELAY,
            away_since: None,
            was_connected: false,
            is_over: false,
        };
        futures_util::stream::unfold(follower, |mut follower| async {
            let item = follower.next().await?;
            Some((item, follower))
        })
    }
}

struct Connection {
    response: Response,
    parser: Parser,
}

struct Follower {
    client: Client,
    follow: Follow,
    last: i64,
    connection: Option<Connection>,
    ready: VecDeque<Message>,
    tries: u32,
    first_delay: Duration,
    away_since: Option<Instant>,
    was_connected: bool,
    is_over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Followed, ClientError>> {
        if self.is_over {
            return None;
        }
        Some(match self.read().await {
            Ok(record) => {
                self.is_over = record.event.body.final_state().is_some();
                (self.tries, self.away_since) = (0, None);
                Ok(Followed::Event(Box::new(record)))
            }
            Err(error) => {
                self.lose_connection();
                let away_since = *self.away_since.get_or_insert_with(Instant::now);
                let goes_on = error.is_transient()
                    && self.was_connected
                    && away_since.elapsed() < self.follow.patience;
                self.is_over = !goes_on;
                if goes_on {
                    Ok(Followed::Reconnecting(error))
                } else {
                    Err(error)
                }
            }
        })
    }

    /// The next entry that is new.
    async fn read(&mut self) -> Result<EventRecord, ClientError> {
        loop {
            while let Some(message) = self.ready.pop_front() {
                let record = self.decode(&message)?;
                if record.event.seq <= self.last {
                    continue;
                }
                if record.event.seq > self.last + 1 {
                    let detail = format!("event {} is missing", self.last + 1);
                    return Err(self.client.unreachable(detail.into()));
                }
                self.last = record.event.seq;
                return Ok(record);
            }
            if self.connection.is_none() {
                self.connect().await?;
            }
            let connection = self.connection.as_mut().expect("connected just now");
            let piece = self.client.chunk(&mut connection.response).await?;
            let Some(piece) = piece else {
                return Err(self
                    .client
                    .unreachable("the server closed the stream".into()));
            };
            let messages = connection.parser.push(piece.as_ref());
            let messages = messages.map_err(|error| self.client.unreachable(Box::new(error)))?;
            self.ready.extend(messages);
        }
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        if self.tries > 0 {
            let delay = self.first_delay * 2_u32.pow((self.tries - 1).min(10));
            let delay = self.follow.jitter.spread(delay.min(LONGEST_DELAY));
            tokio::time::sleep(delay).await;
        }
        self.tries = self.tries.saturating_add(1);
        let attempt = self.follow.attempt.as_str();
        let url = self
            .client
            .url(&["api", "v1", "attempts", attempt, "events"], &[]);
        let call = Call::new(Method::GET, url)
            .header(header::ACCEPT, STREAM)
            .header(LAST_EVENT_ID, &self.last.to_string())
            .timeout(None);
        let response = self.client.open(call).await?;
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let is_stream = content_type.is_some_and(|it| it.as_bytes().starts_with(STREAM.as_bytes()));
        if !is_stream {
            let status = response.status().as_u16();
            return Err(self
                .client
                .protocol(status, "it sends no stream of events", None));
        }
        self.was_connected = true;
        self.connection = Some(Connection {
            response,
            parser: Parser::default(),
        });
        Ok(())
    }

    fn lose_connection(&mut self) {
        let lost = self.connection.take();
        if let Some(retry_ms) = lost.and_then(|lost| lost.parser.retry_ms()) {
            self.first_delay = Duration::from_millis(retry_ms).min(LONGEST_DELAY);
        }
        self.ready.clear();
    }

    fn decode(&self, message: &Message) -> Result<EventRecord, ClientError> {
        serde_json::from_str(&message.data)
            .and_then(EventRecord::from_json)
            .map_err(|error| {
                let detail = "an event cannot be read";
                self.client.protocol(200, detail, Some(Box::new(error)))
            })
    }
}
