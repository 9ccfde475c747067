//! From a target to a connection: what may be reached, and the only places that dial.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Shared;
use super::address::Dialable;
use super::forward::{Body, whole};
use super::journal::Entry;
use super::refusal::{Refusal, RefusalCode};
use super::stream::Counted;
use super::target::{Host, Target};
use super::upstream::UpstreamProxy;

/// Addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 8;
/// How long one has for itself before the next is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

pub(super) type Server = Counted<TcpStream>;

/// The right to connect to a target, as far as it can be known without resolving its name. Only [`Shared::permit`] makes one.
#[derive(Debug)]
pub(super) struct Permit {
    target: Target,
}

/// A connection, and what was dialled: nothing if the operator's proxy dials.
pub(super) struct Connected {
    pub(super) stream: Server,
    pub(super) address: Option<SocketAddr>,
}

impl Shared {
    /// What is refused whatever the name resolves to.
    pub(super) fn permit(&self, target: Target) -> Result<Permit, Refusal> {
        let Target { host, port } = &target;
        if !self.config.ports.contains(port) {
            let ports: Vec<_> = self.config.ports.iter().map(u16::to_string).collect();
            return Err(Refusal::new(
                RefusalCode::PortNotAllowed,
                format!(
                    "Port {port} of {host} is not allowed; {} are.",
                    ports.join(", ")
                ),
            ));
        }
        match host {
            Host::Name(name) if name.is_own() => Err(Refusal::new(
                RefusalCode::NameNotAllowed,
                format!("{host} is a name of the machine itself or of its cloud."),
            )),
            Host::Name(_) => Ok(Permit { target }),
            Host::Address(address) => match self.addresses.check_literal(*address, *port) {
                Ok(_) => Ok(Permit { target }),
                Err(kind) => Err(Refusal::new(
                    RefusalCode::AddressNotListed,
                    format!("{host} is {kind}, and not among the addresses that are allowed."),
                )),
            },
        }
    }

    /// For a request in plain HTTP: to the server, or to the operator's proxy, which then must be spoken to as a proxy.
    pub(super) async fn connect_http(
        &self,
        permit: &Permit,
        entry: &Entry,
    ) -> Result<(Connected, Option<&UpstreamProxy>), Refusal> {
        let proxy = self.config.upstream.for_http(&permit.target);
        let connected = self.in_time(&permit.target, async {
            match proxy {
                Some(proxy) => self.dial_proxy(proxy, entry).await,
                None => self.dial_target(permit, entry).await,
            }
        });
        Ok((connected.await?, proxy))
    }

    /// For a tunnel.
    pub(super) async fn connect_tunnel(
        &self,
        permit: &Permit,
        entry: &Entry,
    ) -> Result<Connected, Refusal> {
        let connected = self.in_time(&permit.target, async {
            match self.config.upstream.for_tunnel(&permit.target) {
                Some(proxy) => {
                    let connected = self.dial_proxy(proxy, entry).await?;
                    tunnel_through(proxy, &permit.target, connected).await
                }
                None => self.dial_target(permit, entry).await,
            }
        });
        connected.await
    }

    async fn in_time(
        &self,
        target: &Target,
        connecting: impl Future<Output = Result<Connected, Refusal>>,
    ) -> Result<Connected, Refusal> {
        let limit = self.config.connect_timeout;
        let connected = tokio::time::timeout(limit, connecting).await;
        connected.unwrap_or_else(|_| {
            let reason = format!("{target} did not answer within {} ms.", limit.as_millis());
            Err(Refusal::new(RefusalCode::Unreachable, reason))
        })
    }

    async fn dial_target(&self, permit: &Permit, entry: &Entry) -> Result<Connected, Refusal> {
        let Permit { target } = permit;
        let addresses = self.dialable(target).await?;
        let (stream, address) = dial(&addresses).await.map_err(|error| {
            let reason = format!("{target} cannot be reached: {error}.");
            Refusal::new(RefusalCode::Unreachable, reason)
        })?;
        Ok(Connected {
            stream: Counted::new(stream, entry.passed()),
            address: Some(address),
        })
    }

    /// The addresses of the target that may be dialled; at least one.
    async fn dialable(&self, target: &Target) -> Result<Vec<Dialable>, Refusal> {
        let Target { host, port } = target;
        let name = match host {
            Host::Name(name) => name,
            Host::Address(address) => {
                let checked = self.addresses.check_literal(*address, *port);
                return checked.map(|address| vec![address]).map_err(|kind| {
                    Refusal::new(RefusalCode::AddressNotListed, format!("{host} is {kind}."))
                });
            }
        };
        let found = self.resolver.resolve(name.as_str()).await;
        let found = found.map_err(|error| {
            tracing::debug!(%error, %host, "a name was not resolved");
            unresolvable(host)
        })?;
        let Some(first) = found.first() else {
            return Err(unresolvable(host));
        };
        let checked = found
            .iter()
            .map(|address| self.addresses.check(*address, *port));
        let mut dialable: Vec<_> = checked.filter_map(Result::ok).collect();
        if dialable.is_empty() {
            let kind = self.addresses.check(*first, *port).err();
            return Err(Refusal::new(
                RefusalCode::AddressNotPublic,
                format!("{host} is {first}, {}.", kind.unwrap_or("not public")),
            )
            // What the resolver of the worker's network knows is not for a sandbox.
            .telling(format!("{host} has no public address.")));
        }
        dialable.truncate(ADDRESSES_TRIED);
        Ok(dialable)
    }

    /// Its address is the operator's word and not checked.
    async fn dial_proxy(&self, proxy: &UpstreamProxy, entry: &Entry) -> Result<Connected, Refusal> {
        let stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await;
        let stream = stream.map_err(|error| {
            let reason = format!("The worker's own proxy {proxy} cannot be reached: {error}.");
            Refusal::new(RefusalCode::UpstreamProxy, reason)
        })?;
        let _ = stream.set_nodelay(true);
        Ok(Connected {
            stream: Counted::new(stream, entry.passed()),
            address: None,
        })
    }
}

fn unresolvable(host: &Host) -> Refusal {
    let reason = format!("{host} has no address that the worker's machine could find.");
    Refusal::new(RefusalCode::Unresolvable, reason)
}

/// Tries one after the other, each with a head start before the next.
async fn dial(addresses: &[Dialable]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let next = waiting.next().map(|dialable| dialable.address());
        let more = next.is_some();
        attempts.extend(next.map(|address| async move {
            TcpStream::connect(address)
                .await
                .map(|stream| (stream, address))
        }));
        tokio::select! {
            ended = attempts.next() => match ended {
                Some(Ok((stream, address))) => {
                    // Small messages of a handshake must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, address));
                }
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
    connected: Connected,
) -> Result<Connected, Refusal> {
    let refused = |reason: String| Refusal::new(RefusalCode::UpstreamProxy, reason);
    let broken = |error: hyper::Error| {
        refused(format!(
            "The worker's own proxy {proxy} does not answer as a proxy: {error}."
        ))
    };
    let io = TokioIo::new(connected.stream);
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .handshake::<_, Body>(io)
        .await
        .map_err(broken)?;
    let mut request = Request::connect(target.to_string())
        .header(HOST, target.to_string())
        .body(whole(bytes::Bytes::new()))
        .expect("a target is an authority");
    if let Some(authorization) = &proxy.authorization {
        let authorization: HeaderValue = authorization.clone();
        request
            .headers_mut()
            .insert(PROXY_AUTHORIZATION, authorization);
    }
    let connection =
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection.with_upgrades()));
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        return Err(refused(format!(
            "The worker's own proxy {proxy} answered {status} when asked for {target}."
        )));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
    drop(connection);
    match upgraded.downcast::<TokioIo<Server>>() {
        // A server of TLS does not speak first.
        Ok(parts) if parts.read_buf.is_empty() => Ok(Connected {
            stream: parts.io.into_inner(),
            address: None,
        }),
        Ok(_) | Err(_) => Err(refused(format!(
            "The worker's own proxy {proxy} sent something before the server could."
        ))),
    }
}
