//! One pull: what is missing comes and is unpacked, several layers at once.

use std::io::Read;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::watch;

use super::disk::{ImageRecord, LayerRecord, Partial};
use super::{Image, Inner, Progress, mend};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::source::{Feed, LayerPlan, Plan, Source};
use crate::unpack::{self, Budget, Unpacked};

/// So much comes between two reports.
const REPORT_BYTES: u64 = 256 * 1024;

/// A layer that stays as long as this value lives.
struct Pin {
    store: Arc<Inner>,
    layer: Digest,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.store.state().unpin(self.layer);
    }
}

/// What the layers of one pull share.
struct Pull {
    store: Arc<Inner>,
    source: Source,
    budget: Arc<Budget>,
    layers: usize,
    progress: watch::Sender<Progress>,
}

impl Inner {
    pub(super) async fn pull(
        self: Arc<Self>,
        source: Source,
        digest: Digest,
        progress: watch::Sender<Progress>,
    ) -> Result<Image, ImageError> {
        let Plan { run, layers } = source.plan(digest, &self.config).await?;
        let pull = Pull {
            budget: Budget::new(self.config.limits.unpacked_bytes),
            store: Arc::clone(&self),
            source,
            layers: layers.len(),
            progress,
        };
        pull.progress
            .send_modify(|progress| progress.layers = layers.len());
        let pins = layers
            .iter()
            .enumerate()
            .map(|(at, layer)| pull.layer(at, layer));
        let pins = try_join_all(pins).await?;
        let mut layers: Vec<_> = layers.iter().map(|layer| layer.expected.diff_id).collect();
        blocking(move || {
            let mend = self.mend(&layers)?;
            layers.extend(mend.as_ref().map(|mend| mend.layer));
            let image = self.keep_image(
                digest,
                ImageRecord {
                    layers,
                    config: run,
                },
            );
            // Only now: the image holds them from here on.
            drop((pins, mend));
            image
        })
        .await?
    }

    fn keep_image(
        self: &Arc<Self>,
        digest: Digest,
        record: ImageRecord,
    ) -> Result<Image, ImageError> {
        {
            let mut state = self.state();
            let kept = self.disk.keep_image(digest, &record);
            kept.map_err(ImageError::disk("an image cannot be noted"))?;
            state.keep_image(digest, record.clone());
        }
        let image = self.image(digest, &record);
        let gone = self.evict(self.config.max_bytes);
        if !gone.is_empty() {
            // Nobody has to wait for that.
            tokio::task::spawn_blocking(move || drop(gone));
        }
        Ok(image)
    }

    fn pin(self: &Arc<Self>, layer: Digest) -> Option<(Pin, LayerRecord)> {
        let record = self.state().pin(layer)?;
        let store = Arc::clone(self);
        Some((Pin { store, layer }, record))
    }

    /// A layer on top of these that makes up for what their archives leave out, if they do.
    fn mend(self: &Arc<Self>, lowest_first: &[Digest]) -> Result<Option<Pin>, ImageError> {
        let stack = self.stack(lowest_first);
        let directories = mend::directories(&self.disk, &stack, self.config.owner);
        let directories = directories.map_err(ImageError::disk("layers cannot be compared"))?;
        if directories.is_empty() {
            return Ok(None);
        }
        let layer = mend::digest(&directories);
        if let Some((pin, _)) = self.pin(layer) {
            return Ok(Some(pin));
        }
        let begun = self
            .disk
            .begin()
            .map_err(ImageError::disk("a layer cannot be begun"))?;
        let filled = unpack::directories(&begun.tree(), self.config.owner, directories);
        let filled = filled.map_err(|error| {
            ImageError::layer(lowest_first.len(), lowest_first.len() + 1, error)
        })?;
        let record = record(&Unpacked {
            filled,
            unpacked_bytes: 0,
        });
        let kept = self.disk.finish_layer(&begun, &record, &[]);
        kept.and_then(|()| self.keep_layer(&begun, layer, record))
            .map(Some)
            .map_err(ImageError::disk("a layer cannot be kept"))
    }

    /// Makes a finished layer one of the store's. If somebody else was faster, theirs is as good.
    fn keep_layer(
        self: &Arc<Self>,
        partial: &Partial,
        layer: Digest,
        record: LayerRecord,
    ) -> std::io::Result<Pin> {
        let mut state = self.state();
        if state.pin(layer).is_none() {
            self.disk.keep_layer(partial, layer)?;
            state.keep_layer(layer, record);
        }
        drop(state);
        let store = Arc::clone(self);
        Ok(Pin { store, layer })
    }
}

impl Pull {
    /// Sees to it that a layer is there.
    async fn layer(&self, at: usize, layer: &LayerPlan) -> Result<Pin, ImageError> {
        let _alone = self.store.layer_locks.lock(layer.expected.diff_id).await;
        let pin = match self.store.pin(layer.expected.diff_id) {
            Some((pin, record)) => {
                let taken = self.budget.take(record.unpacked_bytes);
                taken.map_err(|error| ImageError::layer(at, self.layers, error))?;
                pin
            }
            None => {
                let download_bytes = layer.download_bytes();
                self.budget
                    .fits(download_bytes)
                    .map_err(|error| ImageError::layer(at, self.layers, error))?;
                self.progress
                    .send_modify(|progress| progress.download_bytes += download_bytes);
                let _permit = self
                    .store
                    .unpacking
                    .acquire()
                    .await
                    .expect("it is never closed");
                self.fetch(at, layer).await?
            }
        };
        self.progress
            .send_modify(|progress| progress.layers_done += 1);
        Ok(pin)
    }

    async fn fetch(&self, at: usize, layer: &LayerPlan) -> Result<Pin, ImageError> {
        match self.source.feed(layer)? {
            Feed::Here(from) => self.unpack(at, layer, from).await,
            Feed::Coming(download, incoming) => {
                let coming = download.run(|bytes| self.report(bytes));
                let (came, pin) = tokio::join!(coming, self.unpack(at, layer, incoming));
                // A layer that did not come to its end cannot be unpacked; that it did not is what matters.
                came?;
                pin
            }
        }
    }

    async fn unpack(
        &self,
        at: usize,
        layer: &LayerPlan,
        from: impl Read + Send + 'static,
    ) -> Result<Pin, ImageError> {
        let store = Arc::clone(&self.store);
        let budget = Arc::clone(&self.budget);
        let (expected, layers) = (layer.expected, self.layers);
        blocking(move || {
            let config = &store.config;
            let fault = ImageError::disk("a layer cannot be begun");
            let partial = store.disk.begin().map_err(fault)?;
            let unpacked = unpack::unpack(
                from,
                expected,
                &partial.tree(),
                config.owner,
                &config.limits,
                &budget,
            );
            let unpacked = unpacked.map_err(|error| ImageError::layer(at, layers, error))?;
            let record = record(&unpacked);
            let kept = store
                .disk
                .finish_layer(&partial, &record, &unpacked.filled.implied);
            kept.and_then(|()| store.keep_layer(&partial, expected.diff_id, record))
                .map_err(ImageError::disk("a layer cannot be kept"))
        })
        .await?
    }

    fn report(&self, bytes: u64) {
        self.progress.send_if_modified(|progress| {
            let before = progress.downloaded_bytes;
            progress.downloaded_bytes += bytes;
            before / REPORT_BYTES != progress.downloaded_bytes / REPORT_BYTES
        });
    }
}

fn record(unpacked: &Unpacked) -> LayerRecord {
    LayerRecord {
        size_bytes: unpacked.filled.size_bytes,
        unpacked_bytes: unpacked.unpacked_bytes,
        hides_all: unpacked.filled.hides_all,
    }
}

/// On a thread that may wait. It goes on if nobody waits for it any more, and ends soon: nothing comes any more, either.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "unpacking an image ended unexpectedly");
        ImageError::Panicked
    })
}
