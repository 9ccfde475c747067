//! An S3 server for tests: s3s, over HTTP on loopback, its buckets in a temporary directory. It
//! checks signatures, so a client without the right credentials is refused.
//!
//! It runs on a thread of its own, so that tests with and without a runtime can use it.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Who may use it.
pub const ACCESS_KEY_ID: &str = "AKIDOUTWORKTEST";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "a secret of the tests/+=";

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    dir: TempDir,
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server was asked, and whether it is to answer.
#[derive(Debug, Default)]
struct Seen {
    requests: AtomicUsize,
    failing: AtomicBool,
}

impl Server {
    /// Starts one with these buckets.
    pub fn start(buckets: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        for bucket in buckets {
            fs::create_dir(dir.path().join(bucket)).expect("it is new");
        }
        let files = s3s_fs::FileSystem::new(dir.path()).expect("the directory is there");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("it can be");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel();
        let (serving, root) = (Arc::clone(&seen), dir.path().to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime starts");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it is a listener");
                tokio::select! {
                    () = serve(listener, service, root, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            dir,
            address,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests it was sent.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// From now on it answers everything with 503 and does nothing, or it works again.
    pub fn fail(&self, failing: bool) {
        self.seen.failing.store(failing, Ordering::SeqCst);
    }

    /// The paths of the objects in a bucket, sorted.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let root = self.dir.path().join(bucket);
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).expect("readable").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let below = path.strip_prefix(&root).expect("it is below");
                    found.push(below.display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// Removes a bucket with all that is in it.
    pub fn remove_bucket(&self, bucket: &str) {
        fs::remove_dir_all(self.dir.path().join(bucket)).expect("it is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the S3 server of the test panicked");
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service, root: PathBuf, seen: Arc<Seen>) {
    loop {
        let (connection, _) = listener.accept().await.expect("it listens");
        let answer = Answer {
            service: service.clone(),
            root: root.clone(),
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move {
            let to_each = service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(answer.to(request).await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), to_each)
                .await;
            // Clients close connections as they like.
            drop(served);
        });
    }
}

#[derive(Clone)]
struct Answer {
    service: S3Service,
    root: PathBuf,
    seen: Arc<Seen>,
}

impl Answer {
    async fn to(&self, request: Request<Incoming>) -> Response<Body> {
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
        if self.seen.failing.load(Ordering::SeqCst) {
            return error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
        }
        // Amazon's store says so whatever is asked; this one says of an object that it is missing.
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        if !self.root.join(bucket).is_dir() {
            return error(StatusCode::NOT_FOUND, "NoSuchBucket");
        }
        match self.service.call(request.map(Body::from)).await {
            Ok(answered) => answered,
            Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let mut answer = Response::new(Body::from(format!("<Error><Code>{code}</Code></Error>")));
    *answer.status_mut() = status;
    answer
}
