//! From a permit to a connection: the only places that resolve and dial.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Shared;
use super::head::ResponseHead;
use super::journal::Entry;
use super::refusal::{Refusal, RefusalCode};
use super::server::{Server, ServerStream, secure};
use super::upstream::UpstreamProxy;
use super::wire::{NoHead, Wire};
use crate::policy::address::{Dialable, Kind};
use crate::policy::target::{Host, Target};
use crate::policy::{Permit, Remedy, Rule};

/// Addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 8;
/// How long one has for itself before the next is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// What was dialled; no address if the operator's proxy dials.
type Dialled = (TcpStream, Option<SocketAddr>);

impl Shared {
    /// What is refused whatever the name resolves to. The rule is noted in the entry.
    pub(super) fn permit(&self, target: Target, entry: &mut Entry) -> Result<Permit, Refusal> {
        let permit = self.config.policy.check_host(target);
        let permit = permit.map_err(|denial| Refusal::denied(denial, &self.config.remedies))?;
        entry.ruled(permit.rule());
        Ok(permit)
    }

    /// Refuses what would be refused when dialled, so that a client is told before its tunnel is open. Nothing is dialled.
    pub(super) async fn foresee(&self, permit: &Permit) -> Result<(), Refusal> {
        let target = permit.target();
        if self.config.upstream.for_tunnel(target).is_some() {
            return Ok(());
        }
        self.in_time(target, self.dialable(permit)).await.map(drop)
    }

    /// For a request in plain HTTP: to the server, or to the operator's proxy, which then must be spoken to as a proxy.
    pub(super) async fn connect_http(&self, permit: &Permit) -> Result<Server, Refusal> {
        let target = permit.target();
        let dialled = self.in_time(target, async {
            match self.config.upstream.for_http(target) {
                Some(proxy) => self.dial_proxy(proxy).await,
                None => self.dial_target(permit).await,
            }
        });
        let (stream, address) = dialled.await?;
        let wire = Wire::new(ServerStream::Plain(stream));
        Ok(Server { wire, address })
    }

    /// For requests that were read from a client's TLS.
    pub(super) async fn connect_tls(
        &self,
        permit: &Permit,
        config: &Arc<ClientConfig>,
    ) -> Result<Server, Refusal> {
        let target = permit.target();
        let (stream, address) = self.connect_tunnel(permit).await?;
        let stream = self.in_time(target, async {
            let secured = secure(config, &target.host, stream).await;
            secured.map_err(|error| {
                let reason = format!("{target} has no TLS that can be trusted: {error}.");
                Refusal::new(RefusalCode::ServerTls, reason)
            })
        });
        let wire = Wire::new(stream.await?);
        Ok(Server { wire, address })
    }

    /// For a tunnel.
    pub(super) async fn connect_tunnel(&self, permit: &Permit) -> Result<Dialled, Refusal> {
        let target = permit.target();
        let dialled = self.in_time(target, async {
            match self.config.upstream.for_tunnel(target) {
                Some(proxy) => {
                    let (stream, _) = self.dial_proxy(proxy).await?;
                    tunnel_through(proxy, target, stream).await
                }
                None => self.dial_target(permit).await,
            }
        });
        dialled.await
    }

    async fn in_time<T>(
        &self,
        target: &Target,
        connecting: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let limit = self.config.connect_timeout;
        let connected = tokio::time::timeout(limit, connecting).await;
        connected.unwrap_or_else(|_| {
            let reason = format!("{target} did not answer within {} ms.", limit.as_millis());
            Err(Refusal::new(RefusalCode::Unreachable, reason))
        })
    }

    async fn dial_target(&self, permit: &Permit) -> Result<Dialled, Refusal> {
        let addresses = self.dialable(permit).await?;
        let (stream, address) = dial(&addresses).await.map_err(|error| {
            let reason = format!("{} cannot be reached: {error}.", permit.target());
            Refusal::new(RefusalCode::Unreachable, reason)
        })?;
        Ok((stream, Some(address)))
    }

    /// The addresses of the target that may be dialled; at least one.
    async fn dialable(&self, permit: &Permit) -> Result<Vec<Dialable>, Refusal> {
        let Target { host, port } = permit.target();
        let name = match host {
            Host::Name(name) => name,
            Host::Address(address) => {
                let checked = self.addresses.check_literal(*address, *port);
                return checked.map(|address| vec![address]).map_err(|kind| {
                    let reason = format!("{host} is {kind}.");
                    self.address_refused(RefusalCode::AddressNotListed, kind, reason)
                });
            }
        };
        let found = self.names.resolve(name.as_str()).await.map_err(|error| {
            tracing::debug!(%error, %host, "a name was not resolved");
            unresolvable(host)
        })?;
        let Some(first) = found.first() else {
            return Err(unresolvable(host));
        };
        let check = |address: &IpAddr| self.addresses.check(*address, *port);
        let mut dialable: Vec<_> = found
            .iter()
            .filter_map(|address| check(address).ok())
            .collect();
        if dialable.is_empty() {
            let kind = check(first).err().unwrap_or("not public");
            let reason = format!("{host} is {first}, {kind}.");
            let refusal = self.address_refused(RefusalCode::AddressNotPublic, kind, reason);
            // What the resolver of the worker's network knows is not for a sandbox.
            return Err(refusal.telling(format!("{host} has no public address.")));
        }
        dialable.truncate(ADDRESSES_TRIED);
        Ok(dialable)
    }

    fn address_refused(&self, code: RefusalCode, kind: Kind, reason: String) -> Refusal {
        Refusal {
            rule: Some(Rule::Address(kind).to_string()),
            hint: self.config.remedies.hint(&Remedy::Operator),
            ..Refusal::new(code, reason)
        }
    }

    /// Its address is the operator's word and not checked.
    async fn dial_proxy(&self, proxy: &UpstreamProxy) -> Result<Dialled, Refusal> {
        let stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await;
        let stream = stream.map_err(|error| {
            let reason = format!("The worker's own proxy {proxy} cannot be reached: {error}.");
            Refusal::new(RefusalCode::UpstreamProxy, reason)
        })?;
        let _ = stream.set_nodelay(true);
        Ok((stream, None))
    }
}

fn unresolvable(host: &Host) -> Refusal {
    let reason = format!("{host} has no address that the worker's machine could find.");
    Refusal::new(RefusalCode::Unresolvable, reason)
}

async fn dial(addresses: &[Dialable]) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = match addresses {
        // Without the clocks of the others.
        [only] => connect(only.address()).await?,
        several => dial_several(several).await?,
    };
    // Small messages of a handshake must not wait for each other.
    let _ = stream.set_nodelay(true);
    Ok((stream, address))
}

async fn connect(address: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    Ok((TcpStream::connect(address).await?, address))
}

/// Tries one after the other, each with a head start before the next.
async fn dial_several(addresses: &[Dialable]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let next = waiting.next().map(|dialable| dialable.address());
        let more = next.is_some();
        attempts.extend(next.map(connect));
        tokio::select! {
            ended = attempts.next() => match ended {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(error)) => failed = error,
                None => return Err(failed),
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
        }
    }
}

/// Asks the operator's proxy for a tunnel of its own.
async fn tunnel_through(
    proxy: &UpstreamProxy,
    target: &Target,
    stream: TcpStream,
) -> Result<Dialled, Refusal> {
    /// What a proxy says to a CONNECT is short.
    const LIMIT_BYTES: usize = 16 << 10;
    let refused = |reason: String| Refusal::new(RefusalCode::UpstreamProxy, reason);
    let broken = |why: String| {
        refused(format!(
            "The worker's own proxy {proxy} does not answer as a proxy: {why}."
        ))
    };
    let mut wire = Wire::new(stream);
    let authorization = proxy.authorization_line();
    let request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{authorization}\r\n");
    let written = wire.outbound.write_all(request.as_bytes()).await;
    written.map_err(|error| broken(error.to_string()))?;
    let head = wire.inbound.head(LIMIT_BYTES, |_| true).await;
    let head = head.map_err(|error| broken(error.to_string()))?;
    let head = ResponseHead::parse(head).map_err(|error| broken(error.to_string()))?;
    if head.status != 200 {
        return Err(refused(format!(
            "The worker's own proxy {proxy} answered {} when asked for {target}.",
            head.status
        )));
    }
    let (stream, early): (TcpStream, BytesMut) = wire.into_parts();
    match early.is_empty() {
        true => Ok((stream, None)),
        // A server of TLS does not speak first.
        false => Err(refused(format!(
            "The worker's own proxy {proxy} sent something before the server could."
        ))),
    }
}

impl std::fmt::Display for NoHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended => f.write_str("the connection ended"),
            Self::Broken(error) => write!(f, "the connection broke within a head ({error})"),
            Self::TooLarge => f.write_str("its head is too large"),
            Self::Bad(why) => why.fmt(f),
        }
    }
}
