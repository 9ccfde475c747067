//! Checks of a control plane: workers are played for it, and it is looked at as people and scripts see it.

mod acquire;
mod errors;
mod events;
mod leases;
mod orders;
mod play;
mod register;
mod results;
mod talk;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::check::Check;
use crate::client::{Client, Content};
use crate::http::{Dropped, Server};
use crate::repository::Repository;

use play::Play;

/// Where the control plane is, and how it is spoken to.
pub struct Options {
    /// Its address.
    pub url: String,
    /// A worker's token.
    pub worker_token: String,
    /// A person's token.
    pub admin_token: String,
    /// Where the suite serves the repository.
    pub listen: SocketAddr,
    /// How long anything may take that has no bound in the protocol.
    pub patience: Duration,
}

/// What all checks of a control plane share.
pub struct Scene {
    worker: Client,
    admin: Client,
    repository: Arc<Repository>,
    /// Serves the repository.
    git: Server,
    patience: Duration,
    /// Differs from run to run.
    run: String,
    number: AtomicU32,
    made: Mutex<Vec<(Method, String, Value)>>,
}

/// Every check, in the order of the document.
pub fn checks() -> Vec<Check<Scene>> {
    let mut all = errors::checks();
    all.extend(register::checks());
    all.extend(acquire::checks());
    all.extend(events::checks());
    all.extend(leases::checks());
    all.extend(talk::checks());
    all.extend(results::checks());
    all.extend(orders::checks());
    all
}

impl Scene {
    /// Looks whether the control plane is there and takes both tokens.
    ///
    /// # Errors
    /// It is not, or does not.
    pub async fn new(options: Options) -> Result<Self> {
        let Options {
            url,
            worker_token,
            admin_token,
            listen,
            patience,
        } = options;
        let worker = Client::new(&url, Some(&worker_token))?;
        let admin = worker.with_token(Some(&admin_token));
        for (client, kind) in [(&worker, "a worker's"), (&admin, "a person's")] {
            let me = client.get("/api/v1/me").await?.ok();
            let me = me.with_context(|| format!("{kind} token is not taken"))?;
            let is_worker = me["kind"] == "worker";
            ensure!(
                is_worker == (kind == "a worker's"),
                "what is given as {kind} token is of kind {}",
                me["kind"]
            );
        }
        let repository = Arc::new(Repository::new().await?);
        let served = Arc::clone(&repository);
        let git = Server::start(
            listen,
            Arc::new(move |request| {
                let served = Arc::clone(&served);
                Box::pin(async move { served.serve(request).await.map_err(|_| Dropped) })
            }),
        )
        .await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a label that no run before has had; nothing is timed by it"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            worker,
            admin,
            repository,
            git,
            patience,
            run: format!("{:x}", now.as_micros()),
            number: AtomicU32::new(0),
            made: Mutex::default(),
        })
    }

    /// A label for an environment and its workers that nobody else has.
    fn label(&self) -> String {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        format!("conformance-{}-{number}", self.run)
    }

    fn note(&self, method: Method, path: String, body: Value) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push((method, path, body));
    }

    /// Stops the tasks and forgets the workers and environments of this run, as far as that is possible.
    pub async fn clean(&self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for (method, path, body) in made.into_iter().rev() {
            let client = if path.starts_with("/api/worker/") {
                &self.worker
            } else {
                &self.admin
            };
            let content = match body {
                Value::Null => Content::None,
                body => Content::Json(body),
            };
            // What has ended, or has a history, stays.
            let _ = client.send(method, &path, content).await;
        }
    }
}

/// An outcome of `finish`.
fn succeeded() -> Value {
    json!({"result": "succeeded"})
}

/// An event.
fn output(text: &str) -> Value {
    json!({"at": "2026-01-02T03:04:05.678Z", "type": "output", "stream": "stdout", "text": text})
}
