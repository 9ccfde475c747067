//! Socket Mode: the server opens a connection, and Slack sends over it what it would send to an address. Each envelope is kept as a job before it is
//! acknowledged; what is not acknowledged, Slack sends again, to whichever server is connected.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use outwork_api::integration::{IntegrationSettings, SlackSettings};
use outwork_domain::integration::IntegrationKind;
use outwork_domain::{IntegrationId, Timestamp};
use outwork_slack::Received;
use outwork_slack::socket::{Sent, acknowledged, read};
use outwork_slack::web::open_socket;
use outwork_slack::websocket::{Decoder, Heard, Kind, accept, frame, key};
use outwork_store::StoreError;
use reqwest::Upgraded;
use reqwest::header::{CONNECTION, UPGRADE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::incoming;
use super::web::Web;
use crate::plane::Plane;
use crate::surfaces::receive::enqueue;
use crate::surfaces::settings::{Known, of_owner};

/// How often it is looked which integrations want a connection.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// For opening one.
const OPEN: Duration = Duration::from_secs(20);
/// How often the other side is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// A connection on which nothing was heard for so long is given up.
const SILENCE: Duration = Duration::from_secs(25);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A connection that is kept up.
struct Line {
    /// As the integration was when it was opened: a change opens another.
    of: Timestamp,
    stop: CancellationToken,
}

/// Sees that each integration that wants a connection has one, and no other.
pub(crate) async fn work(plane: Arc<Plane>, tasks: TaskTracker) {
    let mut lines: HashMap<IntegrationId, Line> = HashMap::new();
    while !plane.shutdown.is_cancelled() {
        match wanted(&plane).await {
            Ok(wanted) => {
                let is_wanted = |id: &IntegrationId, line: &Line| wanted.get(id) == Some(&line.of);
                lines.retain(|id, line| {
                    let stays = is_wanted(id, line);
                    if !stays {
                        line.stop.cancel();
                    }
                    stays
                });
                for (id, of) in wanted {
                    lines.entry(id).or_insert_with(|| {
                        let stop = plane.shutdown.child_token();
                        tasks.spawn(keep_up(Arc::clone(&plane), id, stop.clone()));
                        Line { of, stop }
                    });
                }
            }
            // The connections stay as they are.
            Err(fault) => {
                tracing::warn!(%fault, "it is not known which integrations want Socket Mode")
            }
        }
        tokio::select! {
            () = plane.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn wanted(plane: &Plane) -> Result<HashMap<IntegrationId, Timestamp>, StoreError> {
    let mut wanted = HashMap::new();
    for record in plane
        .store
        .integrations_of_kind(IntegrationKind::Slack)
        .await?
    {
        let it = record.integration;
        let known = of_owner(plane, &it.id.to_string()).await?;
        let wants = known
            .as_ref()
            .and_then(settings)
            .is_some_and(|settings| settings.socket_mode);
        if it.is_active && wants {
            wanted.insert(it.id, it.updated_at);
        }
    }
    Ok(wanted)
}

fn settings(known: &Known) -> Option<&SlackSettings> {
    match &known.settings {
        IntegrationSettings::Slack(settings) => Some(settings),
        IntegrationSettings::Github(_)
        | IntegrationSettings::Gitlab(_)
        | IntegrationSettings::Gitea(_) => None,
    }
}

async fn keep_up(plane: Arc<Plane>, id: IntegrationId, stop: CancellationToken) {
    let mut wait = FIRST_WAIT;
    loop {
        let begun = Instant::now();
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = once(&plane, id) => ended,
        };
        match ended {
            // Slack wants another connection: at once, since what it has to say waits.
            Ok(()) => wait = FIRST_WAIT,
            Err(why) => {
                if begun.elapsed() > SILENCE {
                    wait = FIRST_WAIT;
                }
                tracing::warn!(integration = %id, why, "Socket Mode is interrupted; it is opened again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (2 * wait).min(LONGEST_WAIT);
            }
        }
    }
}

/// One connection, for as long as it is good.
async fn once(plane: &Plane, id: IntegrationId) -> Result<(), String> {
    let known = of_owner(plane, &id.to_string()).await;
    let known = known.map_err(|fault| fault.to_string())?;
    let known = known.ok_or("the integration was removed")?;
    let settings = settings(&known).ok_or("it is no Slack")?;
    let opened = timeout(OPEN, open(plane, &known, settings)).await;
    let mut wire = opened.map_err(|_| "Slack does not answer in time")??;
    tracing::info!(integration = %id, "Socket Mode is open");
    let mut decoder = Decoder::of_server();
    let mut buffer = vec![0; 16 * 1024];
    let mut heard_at = Instant::now();
    let mut ping_at = Instant::now() + PING_EVERY;
    loop {
        let now = Instant::now();
        if now >= ping_at {
            say(plane, &mut wire, Kind::Ping, b"outwork").await?;
            ping_at = now + PING_EVERY;
        }
        if now.duration_since(heard_at) > SILENCE {
            return Err("nothing was heard for too long".to_owned());
        }
        let Ok(count) = timeout(ping_at - now, wire.read(&mut buffer)).await else {
            continue;
        };
        let count = count.map_err(|fault| fault.to_string())?;
        if count == 0 {
            return Err("Slack closed the connection".to_owned());
        }
        heard_at = Instant::now();
        decoder.feed(&buffer[..count]);
        while let Some(heard) = decoder.heard().map_err(|fault| fault.to_string())? {
            match heard {
                Heard::Text(text) => {
                    if !hear(plane, &known, &mut wire, &text).await? {
                        // It may be gone already.
                        _ = say(plane, &mut wire, Kind::Close, &1000_u16.to_be_bytes()).await;
                        return Ok(());
                    }
                }
                Heard::Ping(payload) => say(plane, &mut wire, Kind::Pong, &payload).await?,
                Heard::Pong(_) | Heard::Binary(_) => {}
                Heard::Close(code, why) => {
                    return Err(format!("Slack ended the connection: {code:?} {why}"));
                }
            }
        }
    }
}

async fn open(plane: &Plane, known: &Known, settings: &SlackSettings) -> Result<Upgraded, String> {
    let web = Web::of_app(plane, known.integration.id, settings);
    let answer = web.call(open_socket()).await;
    let answer = answer.map_err(|fault| fault.explained().0)?;
    let url = answer["url"]
        .as_str()
        .ok_or("Slack's answer has no `url`")?;
    // The same on the wire, by the names that the client knows.
    let url = match url.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        _ => return Err("Slack's address is none of a WebSocket".to_owned()),
    };
    let url = reqwest::Url::parse(&url).map_err(|_| "Slack's address cannot be read")?;
    if let Some(address) = plane.git_gateway.may_go_to(&url) {
        return Err(format!("Slack's address {address} is not public"));
    }
    let client = plane.git_gateway.client_for_forges();
    let client = client.ok_or("this server cannot make requests")?;
    let key = key(plane.ids.bytes());
    let request = client
        .get(url)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", &key);
    // The error would name the address, which is a secret for some minutes.
    let response = request.send().await;
    let response = response.map_err(|fault| fault.without_url().to_string())?;
    let accepted = response.headers().get("sec-websocket-accept");
    let is_right = accepted.is_some_and(|value| value.as_bytes() == accept(&key).as_bytes());
    if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS || !is_right {
        return Err(format!(
            "Slack opens no WebSocket ({})",
            response.status().as_u16()
        ));
    }
    let upgraded = response.upgrade().await;
    upgraded.map_err(|fault| fault.without_url().to_string())
}

async fn say(plane: &Plane, wire: &mut Upgraded, kind: Kind, payload: &[u8]) -> Result<(), String> {
    let bytes = frame(kind, payload, Some(plane.ids.bytes()));
    let written = timeout(OPEN, wire.write_all(&bytes)).await;
    let written = written.map_err(|_| "Slack takes nothing any more")?;
    written.map_err(|fault| fault.to_string())
}

/// Whether the connection goes on.
async fn hear(
    plane: &Plane,
    known: &Known,
    wire: &mut Upgraded,
    text: &str,
) -> Result<bool, String> {
    match read(text) {
        Ok(Sent::Hello | Sent::Other) => Ok(true),
        Ok(Sent::Disconnect { reason }) => {
            tracing::info!(reason, "Slack wants another connection");
            match reason.as_str() {
                "link_disabled" => Err("Socket Mode is switched off in Slack".to_owned()),
                _ => Ok(false),
            }
        }
        Ok(Sent::Envelope { id, received }) => {
            match received {
                Ok(Received::Work(inbound)) => {
                    let kept = enqueue(plane, known, vec![incoming(&inbound)]).await;
                    // Not acknowledged, so that it comes again.
                    kept.map_err(|refusal| refusal.problem().detail.clone())?;
                }
                Ok(Received::Challenge(_) | Received::Ignored(_)) => {}
                // It would come again for ever.
                Err(fault) => tracing::warn!(%fault, "an envelope of Slack's cannot be read"),
            }
            say(plane, wire, Kind::Text, acknowledged(&id).as_bytes()).await?;
            Ok(true)
        }
        Err(fault) => {
            tracing::warn!(%fault, "a message of Slack's cannot be read");
            Ok(true)
        }
    }
}
