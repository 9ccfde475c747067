//! The server: HTTP/1.1 over TLS on loopback, with an authority of its own; and, at another port, a server that spends nothing on either.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};

use anyhow::{Context, Result};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::LOOPBACK;
use super::role::Role;
use super::route::{Route, Way};
use crate::player::{Player, say};

pub(super) static BARE_ANSWER: [u8; 1 << 10] = [b'x'; 1 << 10];

static CHUNK: Bytes = Bytes::from_static(&[b'x'; 64 << 10]);

pub(super) struct Origin {
    _player: Player,
    pub(super) address: SocketAddr,
    /// Of the one that answers anything with [`BARE_ANSWER`].
    pub(super) bare: SocketAddr,
    /// Its authority, in PEM.
    pub(super) authority: PathBuf,
}

impl Origin {
    pub(super) fn start(directory: &Path) -> Result<Self> {
        let authority = directory.join("origin-authority.pem");
        let path = authority.to_str().context("a path in UTF-8")?;
        let (player, said) = Player::start(Role::Origin.argument(), &[path])?;
        let (address, bare) = said.split_once(' ').context("two addresses")?;
        Ok(Self {
            _player: player,
            address: address.parse()?,
            bare: bare.parse()?,
            authority,
        })
    }

    pub(super) fn direct(&self) -> Result<Route> {
        Route::new(Way::Direct, self.address, &self.authority)
    }
}

/// The role: `egress-origin AUTHORITY_FILE`.
pub(super) async fn serve(arguments: &[String]) -> Result<()> {
    let [authority] = arguments else {
        anyhow::bail!("one argument: the file for the authority");
    };
    let acceptor = acceptor(Path::new(authority))?;
    let listener = TcpListener::bind((LOOPBACK, 0)).await?;
    let bare = TcpListener::bind((LOOPBACK, 0)).await?;
    say(&format!(
        "{} {}",
        listener.local_addr()?,
        bare.local_addr()?
    ))?;
    tokio::spawn(serve_bare(bare));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client may leave whenever it likes.
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            }
        });
    }
}

async fn serve_bare(listener: TcpListener) -> Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut asked = [0; 1024];
            // A client may leave whenever it likes.
            if stream.read(&mut asked).await? > 0 {
                stream.write_all(&BARE_ANSWER).await?;
                while stream.read(&mut asked).await? > 0 {}
            }
            std::io::Result::Ok(())
        });
    }
}

fn acceptor(authority_file: &Path) -> Result<TlsAcceptor> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new([LOOPBACK.to_string()])?.signed_by(&key, &authority)?;
    std::fs::write(authority_file, authority.pem())?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    // Each connection is a whole handshake.
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// `GET /N`: so many bytes.
async fn answer(request: Request<Incoming>) -> Result<Response<Filling>, Infallible> {
    let size = request.uri().path().trim_start_matches('/').parse();
    let mut response = Response::new(Filling {
        left: size.as_ref().copied().unwrap_or(0),
    });
    if size.is_err() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// So many bytes of the same.
struct Filling {
    left: u64,
}

impl Body for Filling {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Waker<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.left.min(CHUNK.len() as u64);
        self.left -= size;
        let end = usize::try_from(size).expect("no more than the chunk");
        Poll::Ready((size > 0).then(|| Ok(Frame::data(CHUNK.slice(..end)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}
