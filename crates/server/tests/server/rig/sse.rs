//! Reads a stream of events as a browser does.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::Response;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: i64,
    pub kind: String,
    pub data: Value,
}

pub struct Events {
    bytes: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: String,
    pub retry_ms: Option<u64>,
}

impl Events {
    pub fn new(response: Response) -> Self {
        Self {
            bytes: response.bytes_stream().boxed(),
            buffer: String::new(),
            retry_ms: None,
        }
    }

    /// The next event, or `None` when the server ended the stream. Fails after 20 seconds.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(Duration::from_secs(20), self.read())
            .await
            .expect("no event came")
    }

    /// All events to the end of the stream.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = self.parse(&block) {
                    return Some(event);
                }
            }
            let part = self.bytes.next().await?.expect("the stream does not break");
            self.buffer += std::str::from_utf8(&part).expect("UTF-8");
        }
    }

    fn parse(&mut self, block: &str) -> Option<Event> {
        let (mut id, mut kind, mut data) = (0, String::new(), String::new());
        for line in block.lines() {
            match line
                .split_once(':')
                .map(|(name, value)| (name, value.trim_start()))
            {
                Some(("id", value)) => id = value.parse().expect("a number"),
                Some(("event", value)) => kind = value.to_owned(),
                Some(("data", value)) => data += value,
                Some(("retry", value)) => self.retry_ms = Some(value.parse().expect("a number")),
                Some(_) | None => {}
            }
        }
        (!data.is_empty()).then(|| Event {
            id,
            kind,
            data: serde_json::from_str(&data).expect("JSON"),
        })
    }
}
