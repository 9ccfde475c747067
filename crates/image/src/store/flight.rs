//! One pull for all who want the same image at the same time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, Weak};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;

use super::{Image, Progress};
use crate::config::RegistryAuth;
use crate::digest::Digest;
use crate::error::ImageError;

/// What makes two pulls the same. One who may not read an image must not get it from one who may.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) image: Digest,
    pub(super) place: String,
    pub(super) auth: Option<RegistryAuth>,
}

type Outcome = Result<Image, Arc<ImageError>>;
type Pulling = BoxFuture<'static, Outcome>;

/// Pulls that are going on. Each lives as long as somebody waits for it.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Flight>>);

/// A pull, and how far it is.
type Flight = (WeakShared<Pulling>, watch::Receiver<Progress>);

impl Flights {
    /// Joins the pull of `key`, or begins it.
    pub(super) async fn join<F>(
        &self,
        key: Key,
        pull: impl FnOnce(watch::Sender<Progress>) -> F,
        progress: impl Fn(Progress),
    ) -> Outcome
    where
        F: Future<Output = Result<Image, ImageError>> + Send + 'static,
    {
        let (mut pulling, mut watching) = self.enter(key, pull);
        loop {
            tokio::select! {
                biased;
                outcome = &mut pulling => {
                    progress(*watching.borrow());
                    return outcome;
                }
                Ok(()) = watching.changed() => progress(*watching.borrow_and_update()),
            }
        }
    }

    fn enter<F>(
        &self,
        key: Key,
        pull: impl FnOnce(watch::Sender<Progress>) -> F,
    ) -> (Shared<Pulling>, watch::Receiver<Progress>)
    where
        F: Future<Output = Result<Image, ImageError>> + Send + 'static,
    {
        let mut flights = self.0.lock().expect("nobody panics with it");
        flights.retain(|_, (pulling, _)| {
            pulling
                .upgrade()
                .is_some_and(|pulling| pulling.peek().is_none())
        });
        if let Some((pulling, watching)) = flights.get(&key)
            && let Some(pulling) = pulling.upgrade()
        {
            return (pulling, watching.clone());
        }
        let (sender, watching) = watch::channel(Progress::default());
        let pulling = pull(sender)
            .map(|outcome| outcome.map_err(Arc::new))
            .boxed()
            .shared();
        let weak = pulling.downgrade().expect("it has not been polled");
        flights.insert(key, (weak, watching.clone()));
        (pulling, watching)
    }
}

/// A lock for each layer.
#[derive(Default)]
pub(super) struct LayerLocks(Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>);

impl LayerLocks {
    pub(super) async fn lock(&self, layer: Digest) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().expect("nobody panics with it");
            locks.retain(|_, lock| lock.strong_count() > 0);
            let known = locks.get(&layer).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::default();
                locks.insert(layer, Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}
