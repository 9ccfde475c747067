//! What moves on by itself. A reconciler takes no input and is idempotent: it looks at what is stored and does what is due. Each runs on a
//! signal and on a timer, so that a lost signal only costs time.

mod alive;
mod collect;
mod expire;
pub(crate) mod fire;
pub(crate) mod publish;
mod reap;
mod reserve;
mod retire;
mod seen;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use outwork_store::StoreError;
use tokio_util::task::TaskTracker;

use crate::plane::Plane;

pub(crate) use alive::{never_back, pass as catch_up};

/// Starts all of them; they end when the server stops.
pub(crate) fn start(plane: &Arc<Plane>, tasks: &TaskTracker) {
    tasks.spawn(repeat(
        "reap",
        Arc::clone(plane),
        reap::every(plane.limits.lease),
        async |plane| reap::pass(plane).await,
    ));
    tasks.spawn(repeat(
        "wake",
        Arc::clone(plane),
        wake::EVERY,
        async |plane| wake::pass(plane),
    ));
    tasks.spawn(repeat(
        "seen",
        Arc::clone(plane),
        seen::every(plane.limits.lease),
        async |plane| seen::pass(plane).await,
    ));
    tasks.spawn(repeat(
        "retire",
        Arc::clone(plane),
        reap::every(plane.limits.lease),
        async |plane| retire::pass(plane).await,
    ));
    tasks.spawn(repeat(
        "expire",
        Arc::clone(plane),
        expire::EVERY,
        async |plane| expire::pass(plane).await,
    ));
    tasks.spawn(repeat(
        "reserve",
        Arc::clone(plane),
        reserve::EVERY,
        async |plane| reserve::pass(plane).await,
    ));
    tasks.spawn(repeat(
        "collect",
        Arc::clone(plane),
        collect::EVERY,
        async |plane| collect::pass(plane).await,
    ));
    let (shared, spawned) = (Arc::clone(plane), tasks.clone());
    tasks.spawn(repeat(
        "publish",
        Arc::clone(plane),
        publish::EVERY,
        async move |_| publish::pass(&shared, &spawned).await,
    ));
    let (shared, spawned) = (Arc::clone(plane), tasks.clone());
    tasks.spawn(repeat(
        "fire",
        Arc::clone(plane),
        fire::EVERY,
        async move |_| fire::pass(&shared, &spawned).await,
    ));
}

/// One turn of those that have to do with attempts.
pub(crate) async fn step(plane: &Plane) -> Result<(), StoreError> {
    reap::pass(plane).await?;
    seen::pass(plane).await?;
    retire::pass(plane).await?;
    wake::pass(plane)
}

async fn repeat(
    name: &'static str,
    plane: Arc<Plane>,
    every: Duration,
    pass: impl AsyncFn(&Plane) -> Result<(), StoreError>,
) {
    let mut signal = plane.signals.reconcile.subscribe();
    let mut failing = false;
    loop {
        signal.mark_unchanged();
        let result = pass(&plane).await;
        // Only the change is logged: a full disk must not fill the log too.
        match (&result, failing) {
            (Err(fault), false) => {
                tracing::error!(reconciler = name, %fault, "failed; it is tried again until it works")
            }
            (Ok(()), true) => tracing::info!(reconciler = name, "works again"),
            (Err(_), true) | (Ok(()), false) => {}
        }
        failing = result.is_err();
        tokio::select! {
            () = plane.shutdown.cancelled() => return,
            _ = signal.changed() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
}
