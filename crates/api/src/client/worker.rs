//! The worker protocol over HTTP.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use reqwest::{Method, Response, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ClientError;
use super::http::{Call, Client, REQUEST_TIMEOUT};
use super::sse::Parser;
use crate::problem::{Code, Problem};
use crate::worker::{
    Acquire, Acquired, Advance, Answer, Append, AppendAnswer, Bytes, Checkpoint, Checkpointed,
    Deregister, Finish, Heartbeat, HeartbeatAnswer, InputKind, OutputKind, Register, Registered,
    Release, SnapshotInventory, WorkerApi, WorkerCommand, WorkerError,
};

/// Shorter than a lease, so that a heartbeat that hangs can be sent again in time.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(8);

/// [`WorkerApi`] over HTTP. Nothing is sent twice here: the worker decides what to repeat.
#[derive(Clone, Debug)]
pub struct HttpWorkerApi {
    client: Client,
    /// For the thread that renews leases however busy the rest is.
    heartbeats: Client,
}

impl HttpWorkerApi {
    /// For the server and the token (of kind `worker`) of `client`.
    pub fn new(client: Client) -> Self {
        // What made the first client makes a second one; if not, one does for both.
        let heartbeats = client.apart().unwrap_or_else(|_| client.clone());
        Self { client, heartbeats }
    }

    fn url(&self, path: &[&str], query: &[(&str, Option<String>)]) -> Url {
        let segments = [&["api", "worker", "v1"], path].concat();
        self.client.url(&segments, query)
    }

    fn object_url(&self, attempt: &str, kind: &str, epoch: i64, repository: Option<String>) -> Url {
        let path = ["attempts", attempt, "objects", kind];
        let query = [
            ("epoch", Some(epoch.to_string())),
            ("repository", repository),
        ];
        self.url(&path, &query)
    }

    fn post<T: DeserializeOwned + Send>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        timeout: Duration,
    ) -> Answer<'_, T> {
        let call = Call::new(Method::POST, self.url(path, &[]))
            .timeout(Some(timeout))
            .json(body);
        async move { Ok(self.client.json(call.once()).await?) }.boxed()
    }

    fn tell(&self, path: &[&str], body: &impl Serialize) -> Answer<'_, ()> {
        let call = Call::new(Method::POST, self.url(path, &[])).json(body);
        async move { Ok(self.client.send(call.once()).await.map(drop)?) }.boxed()
    }
}

impl WorkerApi for HttpWorkerApi {
    fn register(&self, request: Register) -> Answer<'_, Registered> {
        self.post(&["register"], &request, REQUEST_TIMEOUT)
    }

    fn acquire(&self, request: Acquire) -> Answer<'_, Acquired> {
        let wait = Duration::from_millis(request.wait_ms);
        self.post(&["acquire"], &request, wait + REQUEST_TIMEOUT)
    }

    fn heartbeat(&self, request: Heartbeat) -> Answer<'_, HeartbeatAnswer> {
        let call = Call::new(Method::POST, self.url(&["heartbeat"], &[]))
            .timeout(Some(HEARTBEAT_TIMEOUT))
            .json(&request);
        async move { Ok(self.heartbeats.json(call.once()).await?) }.boxed()
    }

    fn commands(&self, worker: String) -> Answer<'_, BoxStream<'static, WorkerCommand>> {
        let url = self.url(&["commands"], &[("worker", Some(worker))]);
        let call = Call::new(Method::GET, url)
            .header(header::ACCEPT, "text/event-stream")
            .timeout(None);
        async move {
            let response = self.client.open(call).await?;
            Ok(command_stream(self.client.clone(), response).boxed())
        }
        .boxed()
    }

    fn advance(&self, attempt: String, request: Advance) -> Answer<'_, AppendAnswer> {
        self.post(&["attempts", &attempt, "step"], &request, REQUEST_TIMEOUT)
    }

    fn append(&self, attempt: String, request: Append) -> Answer<'_, AppendAnswer> {
        self.post(&["attempts", &attempt, "events"], &request, REQUEST_TIMEOUT)
    }

    fn download(
        &self,
        attempt: String,
        epoch: i64,
        kind: InputKind,
        repository: Option<String>,
    ) -> Answer<'_, Bytes> {
        let url = self.object_url(&attempt, kind.as_str(), epoch, repository);
        let call = Call::new(Method::GET, url).timeout(None);
        async move { Ok(self.client.bytes(call.once()).await?) }.boxed()
    }

    fn upload(
        &self,
        attempt: String,
        epoch: i64,
        kind: OutputKind,
        repository: Option<String>,
        content: Bytes,
    ) -> Answer<'_, ()> {
        let url = self.object_url(&attempt, kind.as_str(), epoch, repository);
        let call = Call::new(Method::PUT, url).bytes("application/octet-stream", content);
        async move { Ok(self.client.send(call.once()).await.map(drop)?) }.boxed()
    }

    fn checkpoint(&self, attempt: String, request: Checkpoint) -> Answer<'_, Checkpointed> {
        let path = ["attempts", &attempt, "checkpoint"];
        self.post(&path, &request, REQUEST_TIMEOUT)
    }

    fn finish(&self, attempt: String, request: Finish) -> Answer<'_, ()> {
        self.tell(&["attempts", &attempt, "finish"], &request)
    }

    fn release(&self, attempt: String, request: Release) -> Answer<'_, ()> {
        self.tell(&["attempts", &attempt, "release"], &request)
    }

    fn snapshots(&self, request: SnapshotInventory) -> Answer<'_, ()> {
        let call = Call::new(Method::PUT, self.url(&["snapshots"], &[])).json(&request);
        async move { Ok(self.client.send(call.once()).await.map(drop)?) }.boxed()
    }

    fn deregister(&self, request: Deregister) -> Answer<'_, ()> {
        self.tell(&["deregister"], &request)
    }
}

impl From<ClientError> for WorkerError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => Self::Problem(*problem),
            ClientError::Protocol { status, .. } if (400..500).contains(&status) => {
                Self::Problem(Problem::new(Code::InvalidRequest, error.to_string()))
            }
            ClientError::Unreachable { source, .. } => Self::Unreachable(source),
            ClientError::Protocol { .. } | ClientError::Setup(_) => {
                Self::Unreachable(Box::new(error))
            }
        }
    }
}

/// The commands of one connection. It ends with the connection, with silence, and with anything
/// that cannot be read: the worker then connects again and learns the rest by heartbeat.
fn command_stream(
    client: Client,
    response: Response,
) -> impl stream::Stream<Item = WorkerCommand> + Send {
    let state = (client, response, Parser::default(), VecDeque::new());
    stream::unfold(
        state,
        |(client, mut response, mut parser, mut ready)| async {
            while ready.is_empty() {
                let piece = client.chunk(&mut response).await.ok()??;
                for message in parser.push(piece.as_ref()).ok()? {
                    ready.extend(WorkerCommand::parse(&message.event, &message.data).ok()?);
                }
            }
            let command = ready.pop_front()?;
            Some((command, (client, response, parser, ready)))
        },
    )
}
