//! What nobody waits for: removing trees, writing down what was used, making sure that snapshots are on the disk.
//!
//! All of it may be cut off at any point. What is left in the trash is removed at the next start, what was not written down
//! costs a few counts, and a snapshot that is not known to be on the disk is built again after the machine was restarted.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::place::{Directory, Place, write_whole};
use outwork_remove::remove_tree;

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Save {
    pub(crate) path: PathBuf,
    pub(crate) text: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Background {
    removals: Queue<PathBuf>,
    saves: Queue<Save>,
    syncs: Queue<Place>,
}

impl Background {
    /// Starts what runs until the last sender is gone; needs a runtime.
    pub(crate) fn start(root: PathBuf, sync_after: Duration) -> Self {
        Self {
            removals: Queue::start(Duration::ZERO, remove_all),
            saves: Queue::start(Duration::ZERO, save_all),
            syncs: Queue::start(sync_after, move |places| sync_all(&root, &places)),
        }
    }

    pub(crate) fn remove(&self, path: PathBuf) {
        self.removals.push(path);
    }

    pub(crate) fn save(&self, save: Save) {
        self.saves.push(save);
    }

    pub(crate) fn sync(&self, place: Place) {
        self.syncs.push(place);
    }

    /// Returns once everything to be removed or written down so far is.
    pub(crate) async fn settled(&self) {
        self.removals.empty().await;
        self.saves.empty().await;
    }

    pub(crate) async fn synced(&self) {
        self.syncs.empty().await;
    }
}

/// Jobs of one kind, done one batch after the other.
#[derive(Debug)]
struct Queue<T> {
    sender: mpsc::UnboundedSender<T>,
    pending: Arc<watch::Sender<usize>>,
}

impl<T: Send + 'static> Queue<T> {
    fn start(delay: Duration, run: impl Fn(Vec<T>) + Send + Sync + 'static) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let pending = Arc::new(watch::Sender::new(0));
        let (run, left) = (Arc::new(run), Arc::clone(&pending));
        tokio::spawn(async move {
            while let Some(first) = receiver.recv().await {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                let mut batch = vec![first];
                while let Ok(next) = receiver.try_recv() {
                    batch.push(next);
                }
                let (count, run) = (batch.len(), Arc::clone(&run));
                if let Err(error) = tokio::task::spawn_blocking(move || run(batch)).await {
                    tracing::error!(%error, "keeping order among snapshots failed");
                }
                left.send_modify(|pending| *pending -= count);
            }
        });
        Self { sender, pending }
    }

    fn push(&self, job: T) {
        self.pending.send_modify(|pending| *pending += 1);
        // Closed only when the runtime shuts down; see the top.
        let _ = self.sender.send(job);
    }

    async fn empty(&self) {
        let mut pending = self.pending.subscribe();
        // The sender lives in `self`.
        let _ = pending.wait_for(|pending| *pending == 0).await;
    }
}

fn remove_all(paths: Vec<PathBuf>) {
    for path in paths {
        if let Err(error) = remove_tree(&path) {
            tracing::warn!(path = %path.display(), %error, "a tree cannot be removed; the next start tries again");
        }
    }
}

fn save_all(saves: Vec<Save>) {
    let newest: HashMap<PathBuf, Vec<u8>> = saves
        .into_iter()
        .map(|Save { path, text }| (path, text))
        .collect();
    for (path, text) in newest {
        if let Err(error) = write_whole(&path, &text) {
            tracing::warn!(path = %path.display(), %error, "how snapshots were used cannot be written down");
        }
    }
}

fn sync_all(root: &std::path::Path, places: &[Place]) {
    if let Err(error) = Directory::sync_everything(root) {
        tracing::warn!(path = %root.display(), %error, "snapshots are not known to be on the disk");
        return;
    }
    for place in places {
        match File::create(place.synced()) {
            Ok(_) => {}
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %place.path().display(), %error, "a snapshot cannot be marked as being on the disk");
            }
        }
    }
}
