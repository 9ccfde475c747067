//! CONNECT: a tunnel, once the client has begun TLS with the server that it named.

use std::io;

use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::client_hello::{ServerName, server_name};
use super::forward::{Body, host_header, whole};
use super::journal::Entry;
use super::refusal::{Refusal, RefusalCode};
use super::route::Connected;
use super::target::{Host, Target};
use super::{Client, Shared};

/// A fatal alert of TLS, "access denied": most clients then name TLS as what failed, and not the network.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];
const COPY_BUFFER_BYTES: usize = 32 << 10;

/// A connection to a server that the client may use once it has shown what it speaks.
pub(super) struct Tunnel {
    target: Target,
    connected: Connected,
    entry: Entry,
    upgrade: OnUpgrade,
}

/// Answers CONNECT. With the answer 200 comes the tunnel, to be run when the client has the answer.
pub(super) async fn open(
    shared: &Shared,
    mut request: Request<Incoming>,
) -> (Response<Body>, Option<Tunnel>) {
    let mut entry = shared.journal.open();
    entry.asked(request.method().as_str(), None);
    match connect(shared, &mut entry, &request).await {
        Ok((target, connected)) => {
            let tunnel = Tunnel {
                target,
                connected,
                entry,
                upgrade: hyper::upgrade::on(&mut request),
            };
            (Response::new(whole(Bytes::new())), Some(tunnel))
        }
        Err(refusal) => {
            let response = refusal.response();
            entry.refused(refusal);
            (response, None)
        }
    }
}

async fn connect(
    shared: &Shared,
    entry: &mut Entry,
    request: &Request<Incoming>,
) -> Result<(Target, Connected), Refusal> {
    let target = target(entry, request)?;
    let permit = shared.permit(target.clone())?;
    let connected = shared.connect_tunnel(&permit, entry).await?;
    Ok((target, connected))
}

fn target(entry: &mut Entry, request: &Request<Incoming>) -> Result<Target, Refusal> {
    let bad = |reason: &str| Refusal::new(RefusalCode::BadRequest, reason);
    let uri = request.uri();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    entry.towards(authority);
    if uri.scheme().is_some() || uri.path_and_query().is_some() {
        return Err(bad("CONNECT takes a host and a port, and nothing else."));
    }
    let target = Target::parse(authority, None)
        .map_err(|error| bad(&format!("This is no destination of a tunnel: {error}.")))?;
    entry.to(&target);
    let headers = request.headers();
    // A body of CONNECT would be the beginning of the tunnel for some, and not for others.
    let has_length = headers
        .get(CONTENT_LENGTH)
        .is_some_and(|length| length != "0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) {
        return Err(bad("CONNECT has no body."));
    }
    // HTTP/1.0 clients send none; some send it without the port.
    if headers.contains_key(HOST) {
        let host = host_header(headers, Some(target.port))?;
        if host != target {
            return Err(Refusal::new(
                RefusalCode::HostMismatch,
                format!("The Host header says {host}, and the tunnel is to {target}."),
            ));
        }
    }
    Ok(target)
}

impl Tunnel {
    /// Runs until one side ends it.
    pub(super) async fn run(self, shared: &Shared) {
        let Self {
            target,
            connected,
            mut entry,
            upgrade,
        } = self;
        let Connected {
            stream: mut server,
            address,
        } = connected;
        let Some((mut client, first)) = taken_over(upgrade).await else {
            return;
        };
        let hello = hello(&mut client, first, &target);
        let hello = match timeout(shared.config.header_timeout, hello).await {
            Ok(hello) => hello,
            Err(_) => Err(Refusal::new(
                RefusalCode::NotTls,
                format!("The tunnel to {target} was opened, and TLS did not begin in time."),
            )),
        };
        match hello {
            Ok(hello) => {
                entry.allowed(address);
                if let Err(error) = copy(&mut client, &mut server, &hello).await {
                    tracing::debug!(%error, %target, "a tunnel broke");
                }
            }
            Err(refusal) => {
                let is_tls = refusal.code != RefusalCode::NotTls;
                entry.refused(refusal);
                if is_tls {
                    // The client may be gone.
                    let _ = client.write_all(&ALERT).await;
                    let _ = client.shutdown().await;
                }
            }
        }
    }
}

/// The client's connection after the answer, and what it sent already.
async fn taken_over(upgrade: OnUpgrade) -> Option<(Client, BytesMut)> {
    let upgraded = upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Client>>().ok()?;
    Some((parts.io.into_inner(), BytesMut::from(&parts.read_buf[..])))
}

/// Reads until it is known which server is meant; gives all that was read.
async fn hello(
    client: &mut Client,
    mut read: BytesMut,
    target: &Target,
) -> Result<BytesMut, Refusal> {
    let not_tls = |why: &dyn std::fmt::Display| {
        let reason = format!("The tunnel to {target} does not begin with TLS: {why}.");
        Refusal::new(RefusalCode::NotTls, reason)
    };
    loop {
        match server_name(&read) {
            Err(why) => return Err(not_tls(&why)),
            Ok(Some(asked)) => return check(&asked, target).map(|()| read),
            Ok(None) => {}
        }
        match client.read_buf(&mut read).await {
            Ok(0) | Err(_) => return Err(not_tls(&"the client left")),
            Ok(_) => {}
        }
    }
}

fn check(asked: &ServerName, target: &Target) -> Result<(), Refusal> {
    let mismatch = |asked: &str| {
        let asked = super::journal::printable(asked, 260);
        Err(Refusal::new(
            RefusalCode::SniMismatch,
            format!("The tunnel is to {target}, and TLS in it asks for {asked}."),
        ))
    };
    match (asked, &target.host) {
        (ServerName::Name(asked), Host::Name(name)) if asked == name => Ok(()),
        // Addresses do not belong there (RFC 6066); a client that puts the same one there means no other server.
        (ServerName::Missing, Host::Address(_)) => Ok(()),
        (ServerName::Other(asked), Host::Address(address)) if *asked == address.to_string() => {
            Ok(())
        }
        (ServerName::Missing, Host::Name(_)) => Err(Refusal::new(
            RefusalCode::SniMissing,
            format!(
                "The tunnel is to {target}, and TLS in it does not say which server it asks for."
            ),
        )),
        (ServerName::Name(asked), _) => mismatch(asked.as_str()),
        (ServerName::Other(asked), _) => mismatch(asked),
    }
}

async fn copy(
    client: &mut Client,
    server: &mut super::route::Server,
    hello: &[u8],
) -> io::Result<()> {
    server.write_all(hello).await?;
    let size = COPY_BUFFER_BYTES;
    tokio::io::copy_bidirectional_with_sizes(client, server, size, size).await?;
    Ok(())
}
