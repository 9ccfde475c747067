//! The network between two parties: a TCP relay that can be cut, go silent, or become slow.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Passes,
    /// Connections break, new ones are closed at once.
    Cut,
    /// Nothing comes through, and nobody is told. What was sent arrives when it passes again.
    Silent,
    /// Each piece comes so much later.
    Slow(Duration),
}

/// Listens on a port of its own and hands on to `target`.
pub(crate) struct Relay {
    address: SocketAddr,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (network, watched) = watch::channel(Network::Passes);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, watched.clone()));
            }
        });
        Ok(Self {
            address,
            network,
            accepting,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Network::Cut);
    }
}

async fn connect(near: TcpStream, target: SocketAddr, network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Cut {
        return;
    }
    // A server that is down is a connection that ends at once.
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    // Whichever ends first ends the other: a connection that is half broken is none.
    tokio::select! {
        () = carry(near_reads, far_writes, network.clone()) => {}
        () = carry(far_reads, near_writes, network.clone()) => {}
        () = cut(network) => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        let now = *network.borrow();
        if let Network::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        let passes = network.wait_for(|network| *network != Network::Silent);
        if passes.await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn cut(mut network: watch::Receiver<Network>) {
    // An error means that the relay is gone.
    let _ = network.wait_for(|network| *network == Network::Cut).await;
}
