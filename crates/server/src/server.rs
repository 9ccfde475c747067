//! Starting and stopping.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use outwork_api::worker::WorkerApi;
use outwork_domain::principal::WorkerAccess;
use outwork_store::StoreError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::http::router::router;
use crate::key_check;
use crate::plane::Plane;
use crate::reconcile;
use crate::worker::WorkerService;

/// How long requests that run may take to end after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not work.
    #[error("the server's database cannot be read or written")]
    Store(#[from] StoreError),
    /// What is sealed in the store cannot be opened.
    #[error("the secrets in the server's database were sealed with another secret key")]
    OtherKey,
}

/// A running control plane.
pub struct Server {
    plane: Arc<Plane>,
    tasks: TaskTracker,
}

impl Server {
    /// Checks the secret key, extends leases by the time that no server ran, then starts what moves on by itself. Ends when `config.shutdown` is cancelled.
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        let server = Self::start_stepped(config).await?;
        reconcile::start(&server.plane, &server.tasks);
        Ok(server)
    }

    /// The same, but nothing moves on by itself: for a caller that keeps the time and calls [`Server::step`].
    pub async fn start_stepped(config: ServerConfig) -> Result<Self, StartError> {
        let changes = config.store.changes();
        let config = ServerConfig {
            clock: reconcile::never_back(Arc::clone(&config.clock), &config.store).await?,
            ..config
        };
        let other_key = config.other_key;
        let plane = Arc::new(Plane::new(config));
        key_check::check(&plane, other_key).await?;
        reconcile::catch_up(&plane).await?;
        let tasks = TaskTracker::new();
        let dispatching = Arc::clone(&plane);
        tasks.spawn(async move {
            dispatching
                .signals
                .dispatch(changes, dispatching.shutdown.clone())
                .await
        });
        Ok(Self { plane, tasks })
    }

    /// All routes: the task API, the worker API, health and the OpenAPI documents.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.plane))
    }

    /// The worker API for a worker in this process.
    pub fn worker_api(&self, access: &WorkerAccess) -> Arc<dyn WorkerApi> {
        Arc::new(WorkerService::new(Arc::clone(&self.plane), access))
    }

    /// Makes every reconciler look now instead of at its next turn.
    pub fn reconcile(&self) {
        self.plane.signals.reconcile.send_replace(());
    }

    /// One turn, to its end, of what moves attempts on whose time has passed. After an error the next turn tries again.
    pub async fn step(&self) -> Result<(), StoreError> {
        reconcile::step(&self.plane).await
    }

    /// Waits until everything that was started has ended, after `config.shutdown` was cancelled. The store is not closed.
    pub async fn stopped(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Answers requests until `shutdown`; then streams end, long polls answer, and requests that run get a few seconds to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    // Answers and events are small and must not wait for more to send.
    let listener = listener.tap_io(|connection| {
        if let Err(fault) = connection.set_nodelay(true) {
            tracing::debug!(%fault, "a connection is slower than it could be");
        }
    });
    // Made once: a plain router is copied with all its routes for every connection, a third of a megabyte.
    let service = router.into_make_service();
    let serving =
        axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = async { serving.await } => ended,
        () = drained => {
            tracing::warn!("some requests did not end in time and were cut off");
            Ok(())
        }
    }
}
