//! The requests of one connection, one after the other: of plain HTTP to the proxy, or inside TLS to the host of a tunnel.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Shared;
use super::exchange::{After, Exchange};
use super::head::{Framing, RequestHead, may_be_request};
use super::journal::Entry;
use super::patience::Patience;
use super::refusal::{Refusal, RefusalCode, Then};
use super::request::{Address, facts, inner_target, plain_target};
use super::seats::Seat;
use super::wire::{NoHead, Wire};
use crate::policy::Permit;

/// How long, and how much, is read from a client that was refused: one that still sends would not see why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// What the requests of a connection may be for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// Whole `http://` addresses, and CONNECT.
    Proxy,
    /// The host of the tunnel.
    Inside(&'a Permit),
}

/// Serves until the connection ends, or asks for a tunnel.
pub(super) async fn serve<C>(
    shared: &Shared,
    client: &mut Wire<C>,
    seat: &Seat,
    scope: Scope<'_>,
    patience: &mut Patience,
) -> Option<RequestHead>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut is_first = true;
    loop {
        let head = match next(shared, client, is_first, patience).await {
            Ok(head) => head?,
            Err(refusal) => {
                refuse(shared.unread(scope), refusal, client, Then::Close).await;
                return None;
            }
        };
        seat.works();
        is_first = false;
        if matches!(scope, Scope::Proxy) && head.method == "CONNECT" {
            return Some(head);
        }
        match answer(shared, client, &head, scope).await {
            After::Stay => seat.waits(),
            After::Close => {
                // The client may be gone.
                let _ = client.outbound.shutdown().await;
                return None;
            }
            After::Abort => return None,
        }
    }
}

/// The next head. `None`: the client left, or asked for nothing more in time.
async fn next<C>(
    shared: &Shared,
    client: &mut Wire<C>,
    is_first: bool,
    patience: &mut Patience,
) -> Result<Option<RequestHead>, Refusal>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let head = client
        .inbound
        .head(shared.config.max_header_bytes, may_be_request);
    let unread = |why: &dyn std::fmt::Display| {
        Refusal::bad_request(format!("This is no request of HTTP/1.1: {why}."))
    };
    match patience.wait(head).await {
        Some(Ok(head)) => RequestHead::parse(head)
            .map(Some)
            .map_err(|why| unread(&why)),
        Some(Err(NoHead::Ended | NoHead::Broken(_))) => Ok(None),
        Some(Err(why @ (NoHead::TooLarge | NoHead::Bad(_)))) => Err(unread(&why)),
        None if is_first || !client.inbound.buffered().is_empty() => {
            let limit = shared.config.header_timeout.as_millis();
            let reason = format!("No whole request came within {limit} ms.");
            Err(Refusal::new(RefusalCode::RequestTimeout, reason))
        }
        None => Ok(None),
    }
}

async fn answer<C>(
    shared: &Shared,
    client: &mut Wire<C>,
    head: &RequestHead,
    scope: Scope<'_>,
) -> After
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut entry = shared.journal.open();
    // Apart, for it is large: a connection that becomes a tunnel need not have room for it.
    match Box::pin(exchange(shared, client, head, scope, &mut entry)).await {
        Ok(after) => after,
        Err(refusal) => {
            // What follows a head whose body was not read is no head.
            let is_alone = head.framing() == Ok(Framing::EMPTY) && head.minor == 1;
            let stays = is_alone && !head.fields.lists("connection", "close");
            let then = if stays { Then::Stay } else { Then::Close };
            refuse(entry, refusal, client, then).await
        }
    }
}

async fn exchange<C>(
    shared: &Shared,
    client: &mut Wire<C>,
    head: &RequestHead,
    scope: Scope<'_>,
    entry: &mut Entry,
) -> Result<After, Refusal>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let address = Address::parse(&head.target);
    entry.asked(&head.method, Some(&address.path));
    let plain;
    let (permit, is_tls) = match scope {
        Scope::Proxy => {
            let target = plain_target(head, &address, |authority| entry.towards(authority))?;
            entry.to(&target);
            plain = shared.permit(target, entry)?;
            (&plain, false)
        }
        Scope::Inside(permit) => {
            entry.to(permit.target());
            entry.ruled(permit.rule());
            if head.method == "CONNECT" {
                return Err(Refusal::bad_request("There is no tunnel inside a tunnel."));
            }
            inner_target(head, &address, permit.target())?;
            (permit, true)
        }
    };
    let framing = head.framing();
    let framing = framing
        .map_err(|why| Refusal::bad_request(format!("This is no request of HTTP/1.1: {why}.")))?;
    let facts = facts(head, &address, is_tls)?;
    let right = shared.config.policy.check_request(permit, &facts);
    let right = right.map_err(|denial| Refusal::denied(denial, &shared.config.remedies))?;
    let exchange = Exchange {
        shared,
        permit,
        right,
        head,
        address: &address,
        framing,
        is_tls,
    };
    exchange.run(client, entry).await
}

/// Records a refusal and tells it.
pub(super) async fn refuse<C>(
    mut entry: Entry,
    refusal: Refusal,
    client: &mut Wire<C>,
    then: Then,
) -> After
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let response = refusal.response(then);
    entry.refused(refusal);
    drop(entry);
    let told = async {
        client.outbound.write_all(&response).await?;
        client.outbound.flush().await?;
        if then == Then::Close {
            client.outbound.shutdown().await?;
        }
        std::io::Result::Ok(())
    };
    match (told.await, then) {
        (Ok(()), Then::Stay) => After::Stay,
        (Ok(()), Then::Close) => {
            let _ = timeout(LINGER, drain(client)).await;
            After::Abort
        }
        (Err(_), _) => After::Abort,
    }
}

async fn drain<C: AsyncRead + AsyncWrite + Unpin>(client: &mut Wire<C>) {
    let mut drained = 0;
    while drained < LINGER_BYTES {
        let buffered = client.inbound.buffered().len();
        client.inbound.advance(buffered);
        match client.inbound.more().await {
            Ok(bytes) if bytes > 0 => drained += bytes,
            Ok(_) | Err(_) => return,
        }
    }
}

impl Shared {
    /// An entry for what never became a request.
    fn unread(&self, scope: Scope<'_>) -> Entry {
        let mut entry = self.journal.open();
        if let Scope::Inside(permit) = scope {
            entry.to(permit.target());
        }
        entry
    }
}
