//! Carrying connections from a port inside to a unix socket of the host.
//!
//! The listener belongs to the sandbox's network but is held by the worker: it accepts, dials with its own rights, and
//! copies. So no path of the host is shown inside, and nothing in the sandbox handles the bytes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

/// Pause after a failed accept: it fails at once again while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections of one forward at a time, two descriptors of the worker each; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 256;

/// Accept until dropped; connections end with the task.
pub(crate) async fn serve(listener: TcpListener, unix_socket: PathBuf) {
    let listener = match listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener))
    {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, unix_socket = %unix_socket.display(), "cannot serve a forward");
            return;
        }
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(carry(stream, unix_socket.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, unix_socket = %unix_socket.display(), "cannot accept from a sandbox");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut inside: TcpStream, unix_socket: PathBuf) {
    let mut outside = match dial(&unix_socket).await {
        Ok(outside) => outside,
        Err(error) => {
            // The connection inside is closed by the drop: a refusal, late.
            tracing::warn!(%error, unix_socket = %unix_socket.display(), "cannot reach the host's end of a forward");
            return;
        }
    };
    // Small messages of a stream must not wait for each other. A failure shows in the copy.
    let _ = inside.set_nodelay(true);
    if let Err(error) = tokio::io::copy_bidirectional(&mut inside, &mut outside).await {
        tracing::debug!(%error, "a forwarded connection broke");
    }
}

/// The path may be longer than the 107 bytes a socket address holds: then by way of its directory.
async fn dial(path: &Path) -> std::io::Result<UnixStream> {
    const LONGEST_ADDRESS: usize = 107;
    if path.as_os_str().len() <= LONGEST_ADDRESS {
        return UnixStream::connect(path).await;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let directory = std::fs::File::open(parent)?;
    let short = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&directory)
    );
    UnixStream::connect(Path::new(&short).join(name)).await
}
