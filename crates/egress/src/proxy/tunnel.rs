//! CONNECT: a tunnel, once the client has begun TLS with the server that it named. Then its bytes pass unread, or its TLS ends here.

use std::fmt::Display;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_rustls::TlsAcceptor;

use super::client_hello::{ClientHello, ServerName, client_hello};
use super::head::{Framing, RequestHead};
use super::inspection::Inspection;
use super::journal::Entry;
use super::patience::Patience;
use super::refusal::{Refusal, RefusalCode, Then};
use super::request::host_header;
use super::seats::Seat;
use super::serve::{Scope, refuse, serve};
use super::stream::Watched;
use super::wire::{Buffered, PIECE_BYTES, Wire};
use super::{Client, Shared, splice};
use crate::policy::Permit;
use crate::policy::target::{Host, Target};

/// A fatal alert of TLS, "access denied": most clients then name TLS as what failed, and not the network.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// Answers CONNECT, and runs the tunnel until one side ends it.
pub(super) async fn run(
    shared: &Shared,
    mut client: Wire<Client>,
    head: &RequestHead,
    seat: &Seat,
    patience: &mut Patience,
) {
    let mut entry = shared.journal.open();
    entry.asked(&head.method, None);
    let permit = match open(shared, &mut entry, head).await {
        Ok(permit) => permit,
        Err(refusal) => {
            refuse(entry, refusal, &mut client, Then::Close).await;
            return;
        }
    };
    let opened = b"HTTP/1.1 200 Connection established\r\n\r\n";
    if client.outbound.write_all(opened).await.is_err() {
        return;
    }
    // Who has a tunnel and says nothing in it has not asked for anything yet.
    seat.waits();
    let (mut client, mut hello) = client.into_parts();
    let reading = read_hello(&mut client, &mut hello, permit.target());
    let checked = match patience.wait(reading).await {
        Some(read) => {
            read.and_then(|asked| check(&asked, permit.target(), shared.inspection.is_some()))
        }
        None => Err(Refusal::new(
            RefusalCode::NotTls,
            format!(
                "The tunnel to {} was opened, and TLS did not begin in time.",
                permit.target()
            ),
        )),
    };
    if let Err(refusal) = checked {
        close(client, entry, refusal).await;
        return;
    }
    match &shared.inspection {
        Some(inspection) => {
            // Apart, for it is large: the other way, and each connection before it, need not have room for it.
            let begun = (client, hello, entry);
            Box::pin(inspect(shared, inspection, begun, &permit, seat, patience)).await
        }
        None => pass(shared, (client, hello), &permit, seat, entry).await,
    }
}

/// Decides by what the client wrote, and by what the name resolves to. Nothing is dialled before the client has shown what it speaks.
async fn open(shared: &Shared, entry: &mut Entry, head: &RequestHead) -> Result<Permit, Refusal> {
    let target = target(entry, head)?;
    let permit = shared.permit(target, entry)?;
    shared.foresee(&permit).await?;
    Ok(permit)
}

fn target(entry: &mut Entry, head: &RequestHead) -> Result<Target, Refusal> {
    entry.towards(&head.target);
    let target = Target::parse(&head.target, None).map_err(|error| {
        Refusal::bad_request(format!("This is no destination of a tunnel: {error}."))
    })?;
    entry.to(&target);
    // A body of CONNECT would be the beginning of the tunnel for some, and not for others.
    if head.framing() != Ok(Framing::EMPTY) {
        return Err(Refusal::bad_request("CONNECT has no body."));
    }
    // HTTP/1.0 clients send none; some send it without the port.
    if head.fields.has("host") {
        let host = host_header(&head.fields, target.port)?;
        if host != target {
            return Err(Refusal::new(
                RefusalCode::HostMismatch,
                format!("The Host header says {host}, and the tunnel is to {target}."),
            ));
        }
    }
    Ok(target)
}

/// Reads until it is known which server is meant.
async fn read_hello(
    client: &mut Client,
    read: &mut BytesMut,
    target: &Target,
) -> Result<ClientHello, Refusal> {
    let not_tls = |why: &dyn Display| {
        let reason = format!("The tunnel to {target} does not begin with TLS: {why}.");
        Refusal::new(RefusalCode::NotTls, reason)
    };
    loop {
        if let Some(asked) = client_hello(read).map_err(|why| not_tls(&why))? {
            return Ok(asked);
        }
        match client.read_buf(read).await {
            Ok(0) | Err(_) => return Err(not_tls(&"the client left")),
            Ok(_) => {}
        }
    }
}

fn check(asked: &ClientHello, target: &Target, is_inspected: bool) -> Result<(), Refusal> {
    let missing = |why: &str| {
        let reason = format!("The tunnel is to {target}, and TLS in it {why}.");
        Err(Refusal::new(RefusalCode::SniMissing, reason))
    };
    // Where TLS ends here, what is encrypted is for nobody: our own answer does not know the key.
    if asked.has_encrypted_name && !is_inspected {
        return missing("may ask for another server in its encrypted part (ECH)");
    }
    let mismatch = |asked: &str| {
        let asked = super::journal::printable(asked, 260);
        Err(Refusal::new(
            RefusalCode::SniMismatch,
            format!("The tunnel is to {target}, and TLS in it asks for {asked}."),
        ))
    };
    match (&asked.server_name, &target.host) {
        (ServerName::Name(asked), Host::Name(name)) if asked == name => Ok(()),
        // Addresses do not belong there (RFC 6066); a client that puts the same one there means no other server.
        (ServerName::Missing, Host::Address(_)) => Ok(()),
        (ServerName::Other(asked), Host::Address(address)) if *asked == address.to_string() => {
            Ok(())
        }
        (ServerName::Missing, Host::Name(_)) => missing("does not say which server it asks for"),
        (ServerName::Name(asked), _) => mismatch(asked.as_str()),
        (ServerName::Other(asked), _) => mismatch(asked),
    }
}

/// Records why, and ends TLS as TLS is ended.
async fn close(mut client: Client, mut entry: Entry, refusal: Refusal) {
    let is_tls = refusal.code != RefusalCode::NotTls;
    entry.refused(refusal);
    drop(entry);
    if is_tls {
        // The client may be gone.
        let _ = client.write_all(&ALERT).await;
        let _ = client.shutdown().await;
    }
}

/// Bytes in both directions, unread.
async fn pass(
    shared: &Shared,
    (client, hello): (Client, BytesMut),
    permit: &Permit,
    seat: &Seat,
    mut entry: Entry,
) {
    seat.works();
    let (mut server, address) = match shared.connect_tunnel(permit).await {
        Ok(dialled) => dialled,
        Err(refusal) => return close(client, entry, refusal).await,
    };
    entry.allowed(address);
    let budget = shared.budgets.of(&permit.target().host);
    let passed = entry.passed();
    let (client, activity): (UnixStream, _) = Watched::into_parts(client);
    let copied = async {
        server.write_all(&hello).await?;
        let sent = hello.len() as u64;
        passed
            .up
            .fetch_add(sent, std::sync::atomic::Ordering::Relaxed);
        drop(hello);
        splice::pass(client, server, &activity, &passed, budget.as_ref()).await
    };
    if let Err(error) = copied.await {
        tracing::debug!(%error, target = %permit.target(), "a tunnel broke");
    }
}

/// TLS ends here, and each request in it is judged for itself.
async fn inspect(
    shared: &Shared,
    inspection: &Inspection,
    (client, hello, mut entry): (Client, BytesMut, Entry),
    permit: &Permit,
    seat: &Seat,
    patience: &mut Patience,
) {
    let target = permit.target();
    let refused = |why: &dyn Display| {
        let reason = format!("TLS for {target} was not agreed on with the client: {why}.");
        Refusal::new(RefusalCode::ClientTls, reason)
    };
    let config = match inspection.authority.server_config(&target.host) {
        Ok(config) => config,
        Err(error) => return close(client, entry, refused(&error)).await,
    };
    let accepting = TlsAcceptor::from(config).accept(Buffered::new(client, hello));
    let mut accepted = match patience.wait(accepting).await {
        Some(Ok(accepted)) => accepted,
        Some(Err(error)) => return entry.refused(refused(&error)),
        None => return entry.refused(refused(&"it took too long")),
    };
    // A whole piece is enciphered and sent at once.
    accepted.get_mut().1.set_buffer_limit(Some(4 * PIECE_BYTES));
    // Its requests have entries of their own.
    entry.discard();
    let mut client = Wire::new(accepted);
    serve(shared, &mut client, seat, Scope::Inside(permit), patience).await;
}
