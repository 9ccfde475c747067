//! One request to a server and its answer, both written anew from what was understood.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Shared;
use super::body::{BodyReader, Broken, Extensions, Meter, copy};
use super::budget::Budget;
use super::head::{Framing, RequestHead, ResponseHead};
use super::journal::{Entry, Passed};
use super::refusal::{ERROR_HEADER, Refusal, RefusalCode};
use super::request::{Address, HTTP_PORT, HTTPS_PORT};
use super::server::{Origin, Server};
use super::wire::{Inbound, NoHead, Wire};
use crate::policy::target::Target;
use crate::policy::{Denial, DenialKind, Permit, Purpose, Remedy, RequestPermit, Rule};

/// Answers such as 103 before the one that counts.
const INFORMATIONAL_LIMIT: usize = 16;
const REPEATABLE: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/// A request that may be sent.
pub(super) struct Exchange<'a> {
    pub(super) shared: &'a Shared,
    pub(super) permit: &'a Permit,
    pub(super) right: RequestPermit<'a>,
    pub(super) head: &'a RequestHead,
    pub(super) address: &'a Address,
    pub(super) framing: Framing,
    pub(super) is_tls: bool,
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another request may follow.
    Stay,
    Close,
    /// The client must see that what it has is not whole.
    Abort,
}

/// Why there is no answer.
enum Failed {
    /// The server had ended a kept connection.
    Stale,
    Refused(Refusal),
}

impl Exchange<'_> {
    /// # Errors
    /// A refusal that the client is to be told; it has heard nothing so far.
    pub(super) async fn run<C>(
        self,
        client: &mut Wire<C>,
        entry: &mut Entry,
    ) -> Result<After, Refusal>
    where
        C: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let passed = entry.passed();
        let budget = self.shared.budgets.of(&self.target().host);
        let mut body = BodyReader::new(self.framing, Extensions::Refused);
        let has_body = !body.is_done();
        if has_body && self.head.fields.lists("expect", "100-continue") {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            client
                .outbound
                .write_all(go_on)
                .await
                .map_err(client_gone)?;
            client.outbound.flush().await.map_err(client_gone)?;
        }
        if self.framing == Framing::Chunked {
            // What is wrong from its beginning on reaches no server.
            let first = body.next(&mut client.inbound, &passed.up).await;
            first.map_err(|broken| self.upload_refused(broken, budget.as_ref()))?;
        }
        let origin = Origin {
            target: self.target().clone(),
            is_tls: self.is_tls,
        };
        let repeatable = !has_body && REPEATABLE.contains(&self.head.method.as_str());
        let mut kept = self.shared.pool.take(&origin, repeatable);
        loop {
            let is_kept = kept.is_some();
            let mut server = match kept.take() {
                Some(server) => server,
                None => self.connect().await?,
            };
            let talk = self.converse(
                client,
                &mut server,
                &mut body,
                entry,
                &passed,
                budget.as_ref(),
            );
            match talk.await {
                Ok((after, keeps)) => {
                    if keeps && server.wire.inbound.buffered().is_empty() {
                        self.shared.pool.put(origin, server);
                    }
                    return Ok(after);
                }
                Err(Failed::Stale) if is_kept && repeatable => {}
                Err(Failed::Stale) => {
                    return Err(self.bad_answer("the connection ended without an answer"));
                }
                Err(Failed::Refused(refusal)) => return Err(refusal),
            }
        }
    }

    fn target(&self) -> &Target {
        self.permit.target()
    }

    async fn connect(&self) -> Result<Server, Refusal> {
        match &self.shared.inspection {
            Some(inspection) if self.is_tls => {
                self.shared
                    .connect_tls(self.permit, &inspection.servers)
                    .await
            }
            _ => self.shared.connect_http(self.permit).await,
        }
    }

    /// Sends the request and passes the answer on. With it: whether the server's connection can be used again.
    async fn converse<C>(
        &self,
        client: &mut Wire<C>,
        server: &mut Server,
        body: &mut BodyReader,
        entry: &mut Entry,
        passed: &Passed,
        budget: Option<&Budget>,
    ) -> Result<(After, bool), Failed>
    where
        C: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let head = self.request_head();
        if !budget.is_none_or(|budget| budget.spend(head.len() as u64)) {
            return Err(Failed::Refused(self.upload_refused(Broken::Budget, budget)));
        }
        passed.up.fetch_add(head.len() as u64, Ordering::Relaxed);
        let in_chunks = self.framing == Framing::Chunked;
        let meter = Meter {
            passed: &passed.up,
            budget,
        };
        let (from_client, to_client) = (&mut client.inbound, &mut client.outbound);
        let (from_server, to_server) = (&mut server.wire.inbound, &mut server.wire.outbound);
        let mut upload = Upload::new(copy(head, from_client, body, to_server, in_chunks, &meter));
        let answer = upload.beside(self.answer(from_server, passed)).await;
        let answer =
            answer.map_err(|broken| Failed::Refused(self.upload_refused(broken, budget)))??;
        if answer.status == 101 {
            drop(upload);
            entry.allowed(server.address);
            let head = websocket_head(&answer);
            let wires = (client, &mut server.wire);
            return Ok((switched(head, wires, passed).await, false));
        }
        let framing = answer.framing(&self.head.method);
        let framing = framing.map_err(|why| Failed::Refused(self.bad_answer(why)))?;
        entry.allowed(server.address);
        let stays = self.client_stays(framing) && upload.is_whole();
        let (head, in_chunks) = self.answer_head(&answer, framing, stays);
        let mut reader = BodyReader::new(framing, Extensions::Dropped);
        let meter = Meter {
            passed: &passed.down,
            budget: None,
        };
        let relay = copy(head, from_server, &mut reader, to_client, in_chunks, &meter);
        let relayed = upload.beside(relay).await;
        let keeps = answer.keeps_alive(framing) && upload.is_whole();
        Ok(match (relayed, stays) {
            (Ok(Ok(())), true) => (After::Stay, keeps),
            (Ok(Ok(())), false) => (After::Close, keeps),
            (Ok(Err(broken)) | Err(broken), _) => {
                tracing::debug!(?broken, target = %self.target(), "an answer broke off");
                (After::Abort, false)
            }
        })
    }

    /// The head of the answer that counts.
    async fn answer<R>(
        &self,
        server: &mut Inbound<R>,
        passed: &Passed,
    ) -> Result<ResponseHead, Failed>
    where
        R: AsyncRead + Unpin,
    {
        let refused = |why: &dyn std::fmt::Display| Failed::Refused(self.bad_answer(why));
        for _ in 0..INFORMATIONAL_LIMIT {
            let limit = self.shared.config.max_header_bytes;
            let head = match server.head(limit, |_| true).await {
                Ok(head) => head,
                Err(NoHead::Ended) => return Err(Failed::Stale),
                Err(NoHead::Broken(_)) if server.buffered().is_empty() => {
                    return Err(Failed::Stale);
                }
                Err(why) => return Err(refused(&why)),
            };
            let head = ResponseHead::parse(head).map_err(|why| refused(&why))?;
            passed.down.fetch_add(head.length as u64, Ordering::Relaxed);
            match head.status {
                101 if self.right.purpose == Purpose::WebSocket => {
                    return match head.fields.lists("upgrade", "websocket") {
                        true => Ok(head),
                        false => Err(refused(&"it changed to another protocol than WebSocket")),
                    };
                }
                101 => return Err(refused(&"it changed the protocol, and nobody asked it to")),
                100..=199 => {}
                _ => return Ok(head),
            }
        }
        Err(refused(&"it says that it goes on, and does not"))
    }

    /// Nothing of the request's framing is taken over.
    fn request_head(&self) -> Vec<u8> {
        let Self { head, right, .. } = self;
        let default_port = if self.is_tls { HTTPS_PORT } else { HTTP_PORT };
        let authority = self.target().authority(default_port);
        let path = self.address.path_and_query();
        let proxy = match self.is_tls {
            true => None,
            false => self.shared.config.upstream.for_http(self.target()),
        };
        let base = proxy.map_or_else(String::new, |_| format!("http://{authority}"));
        let mut out = format!(
            "{} {base}{path} HTTP/1.1\r\nhost: {authority}\r\n",
            head.method
        )
        .into_bytes();
        let mut dropped = vec!["host", "expect"];
        if !right.injections.is_empty() {
            // A credential of the sandbox's own would make the request somebody else's.
            dropped.push("authorization");
        }
        dropped.extend(right.injections.iter().map(|injection| injection.header()));
        head.fields.write_without(&dropped, &mut out);
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        for injection in &right.injections {
            line(injection.header(), injection.value());
        }
        match self.framing {
            Framing::Length(0) if !head.fields.has("content-length") => {}
            Framing::Length(bytes) => line("content-length", &bytes.to_string()),
            Framing::Chunked => line("transfer-encoding", "chunked"),
            Framing::UntilEnd => unreachable!("no request has such a body"),
        }
        if right.purpose == Purpose::WebSocket {
            line("connection", "Upgrade");
            line("upgrade", "websocket");
        }
        if let Some(proxy) = proxy {
            out.extend_from_slice(proxy.authorization_line().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn client_stays(&self, answer: Framing) -> bool {
        let is_old = self.head.minor == 0;
        let is_endless = is_old && matches!(answer, Framing::Chunked | Framing::UntilEnd);
        !is_old && !is_endless && !self.head.fields.lists("connection", "close")
    }

    /// The head for the client, and whether the body is to be written in chunks.
    fn answer_head(&self, answer: &ResponseHead, framing: Framing, stays: bool) -> (Vec<u8>, bool) {
        let ResponseHead { status, reason, .. } = answer;
        let mut out = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
        answer.fields.write_without(&[ERROR_HEADER], &mut out);
        let has_no_body = self.head.method == "HEAD" || matches!(status, 204 | 304);
        let in_chunks = !has_no_body
            && self.head.minor == 1
            && matches!(framing, Framing::Chunked | Framing::UntilEnd);
        // The length that a GET would have had.
        let length = match framing {
            _ if has_no_body && *status != 204 => {
                answer.fields.one("content-length").map(str::to_owned)
            }
            Framing::Length(bytes) if !has_no_body => Some(bytes.to_string()),
            Framing::Length(_) | Framing::Chunked | Framing::UntilEnd => None,
        };
        if let Some(length) = length {
            out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        if in_chunks {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if !stays {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        (out, in_chunks)
    }

    fn bad_answer(&self, why: impl std::fmt::Display) -> Refusal {
        let target = self.target();
        let reason = format!("{target} did not answer as a server of HTTP does: {why}.");
        Refusal::new(RefusalCode::BadAnswer, reason)
    }

    fn upload_refused(&self, broken: Broken, budget: Option<&Budget>) -> Refusal {
        match broken {
            Broken::Framing(why) => Refusal::bad_request(format!("The request's body {why}.")),
            Broken::Source => Refusal::new(
                RefusalCode::ClientGone,
                "The client left before its request was whole.",
            ),
            Broken::Sink(error) => self.bad_answer(error),
            Broken::Budget => {
                let limit = budget.map_or(0, Budget::limit);
                let denial = Denial {
                    kind: DenialKind::UploadBytes,
                    rule: Rule::UploadBytes(limit),
                    reason: format!(
                        "More than {limit} bytes were to be sent to {} in all.",
                        self.target().host
                    ),
                    remedy: Remedy::None,
                };
                Refusal::denied(denial, &self.shared.config.remedies)
            }
        }
    }
}

fn client_gone(_: std::io::Error) -> Refusal {
    Refusal::new(
        RefusalCode::ClientGone,
        "The client left before anything was decided.",
    )
}

/// A request on its way, while something else is done.
struct Upload<'a> {
    future: Pin<Box<dyn Future<Output = Result<(), Broken>> + Send + 'a>>,
    ended: Option<Result<(), Broken>>,
}

impl<'a> Upload<'a> {
    fn new(future: impl Future<Output = Result<(), Broken>> + Send + 'a) -> Self {
        let future = Box::pin(future);
        Self {
            future,
            ended: None,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.ended, Some(Ok(())))
    }

    /// Does `main` while the upload goes on.
    ///
    /// # Errors
    /// The client's fault. A server that takes no more may have answered already, and the answer tells why.
    async fn beside<T>(&mut self, main: impl Future<Output = T>) -> Result<T, Broken> {
        let mut main = std::pin::pin!(main);
        std::future::poll_fn(|cx| {
            if self.ended.is_none()
                && let Poll::Ready(ended) = self.future.as_mut().poll(cx)
            {
                match ended {
                    Ok(()) | Err(Broken::Sink(_)) => self.ended = Some(ended),
                    Err(broken) => {
                        self.ended = Some(Ok(()));
                        return Poll::Ready(Err(broken));
                    }
                }
            }
            main.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

fn websocket_head(answer: &ResponseHead) -> Vec<u8> {
    let mut out = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    answer.fields.write_without(&[ERROR_HEADER], &mut out);
    out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    out
}

/// From the answer 101 on: bytes in both directions, until one side ends.
async fn switched<C, S>(
    head: Vec<u8>,
    (client, server): (&mut Wire<C>, &mut Wire<S>),
    passed: &Passed,
) -> After
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let endless = || BodyReader::new(Framing::UntilEnd, Extensions::Dropped);
    let (mut up, mut down) = (endless(), endless());
    let meter = |passed| Meter {
        passed,
        budget: None,
    };
    let (up_meter, down_meter) = (meter(&passed.up), meter(&passed.down));
    let upward = copy(
        Vec::new(),
        &mut client.inbound,
        &mut up,
        &mut server.outbound,
        false,
        &up_meter,
    );
    let downward = copy(
        head,
        &mut server.inbound,
        &mut down,
        &mut client.outbound,
        false,
        &down_meter,
    );
    tokio::select! {
        _ = upward => After::Abort,
        ended = downward => match ended {
            Ok(()) => After::Close,
            Err(_) => After::Abort,
        },
    }
}
