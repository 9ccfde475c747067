//! Starting and stopping.

use std::sync::Arc;

use axum::Router;
use outwork_api::worker::WorkerApi;
use outwork_domain::principal::WorkerAccess;
use outwork_store::StoreError;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::http::router::router;
use crate::jobs;
use crate::key_check;
use crate::plane::Plane;
use crate::reconcile;
use crate::worker::WorkerService;

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
        jobs::start(&server.plane, &server.tasks);
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
        if !plane.store.is_shared() {
            // Whoever had them was this server before it was killed.
            plane.store.release_publications(plane.now()).await?;
            plane.store.release_jobs(plane.now()).await?;
            plane.store.release_firings(plane.now()).await?;
        }
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
