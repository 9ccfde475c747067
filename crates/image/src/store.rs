//! The images of a worker: which there are, and how they come and go.

mod disk;
mod flight;
mod mend;
mod pull;
mod state;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Semaphore;

use crate::config::{ImageStoreConfig, RegistryAuth};
use crate::digest::Digest;
use crate::document::ImageConfig;
use crate::error::{ImageError, OpenError};
use crate::reference::ImageRef;
use crate::registry::Registries;
use crate::source::Source;
use disk::{Disk, ImageRecord};
use flight::{Flights, Key, LayerLocks};
use state::{State, Victim};

/// Images on the disk, in a directory of their own. Cheap to clone.
#[derive(Clone)]
pub struct ImageStore(Arc<Inner>);

struct Inner {
    config: Arc<ImageStoreConfig>,
    disk: Arc<Disk>,
    registries: Arc<Registries>,
    state: Mutex<State>,
    flights: Flights,
    layer_locks: LayerLocks,
    unpacking: Semaphore,
}

/// An image that is on the disk. It stays there as long as this value, or a clone of it, lives.
#[derive(Clone, Debug)]
pub struct Image {
    /// Of what its reference named: a manifest, an index, or (for `docker save`) a configuration.
    pub digest: Digest,
    /// Directories to be stacked, the uppermost first. Nothing may ever be written to them. What hides files of lower
    /// layers is a character device 0:0, or the extended attribute `user.overlay.opaque`.
    pub layers: Vec<PathBuf>,
    /// What the image says about how to run in it.
    pub config: ImageConfig,
    _hold: Arc<Hold>,
}

struct Hold {
    store: Arc<Inner>,
    digest: Digest,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Of the image; 0 until that is known.
    pub layers: usize,
    /// How many are there.
    pub layers_done: usize,
    /// What comes over the network, as far as it is known not to be there already.
    pub download_bytes: u64,
    /// What has come.
    pub downloaded_bytes: u64,
}

/// An image as a list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// By which it can be named.
    pub digest: Digest,
    /// About what its layers take on the disk. Other images may have some of them, too.
    pub size_bytes: u64,
    /// Whether an [`Image`] of it lives.
    pub in_use: bool,
}

impl ImageStore {
    /// Takes the directory and removes what a crash left in it. Blocks.
    ///
    /// # Errors
    /// Another process uses the directory, it cannot hold layers, or the settings for registries are wrong.
    ///
    /// # Panics
    /// No TLS provider is installed in the process.
    pub fn open(config: ImageStoreConfig) -> Result<Self, OpenError> {
        let config = Arc::new(config);
        let registries = Arc::new(Registries::new(Arc::clone(&config))?);
        let (disk, found) = Disk::open(&config.root, config.owner)?;
        let store = Self(Arc::new(Inner {
            unpacking: Semaphore::new(config.layers_at_once.max(1)),
            config,
            disk,
            registries,
            state: Mutex::new(State::new(found)),
            flights: Flights::default(),
            layer_locks: LayerLocks::default(),
        }));
        store.trim(store.0.config.max_bytes);
        Ok(store)
    }

    /// Which image the reference names now: at most a few small requests, none for a reference with a digest.
    ///
    /// # Errors
    /// There is no such image, or who asks may not have it.
    pub async fn resolve(
        &self,
        image: &ImageRef,
        auth: Option<&RegistryAuth>,
    ) -> Result<Digest, ImageError> {
        if let Some(digest) = image.digest() {
            return Ok(digest);
        }
        let Inner {
            config, registries, ..
        } = &*self.0;
        let source = Source::open(image, auth.cloned(), registries, config).await?;
        source.digest().await
    }

    /// The image that the reference names now. What of it is on the disk is not fetched again; an image with a digest
    /// that is there needs no registry at all. All who want the same image at the same time share one pull, which ends
    /// when the last of them gives up. There is no time limit but the patience for each answer: whoever calls sets one.
    ///
    /// # Errors
    /// There is no such image, who asks may not have it, or it cannot be used. Shared among those who wait.
    pub async fn pull(
        &self,
        image: &ImageRef,
        auth: Option<&RegistryAuth>,
        progress: impl Fn(Progress),
    ) -> Result<Image, Arc<ImageError>> {
        let known = image.digest().and_then(|digest| self.stored(digest));
        if let Some(stored) = known {
            return Ok(stored);
        }
        let Inner {
            config, registries, ..
        } = &*self.0;
        let source = Source::open(image, auth.cloned(), registries, config).await?;
        let digest = source.digest().await?;
        if let Some(stored) = self.stored(digest) {
            return Ok(stored);
        }
        let key = Key {
            image: digest,
            place: source.place(),
            auth: auth.cloned(),
        };
        let inner = Arc::clone(&self.0);
        let pull = |progress| inner.pull(source, digest, progress);
        self.0.flights.join(key, pull, progress).await
    }

    /// An image that is on the disk.
    pub fn stored(&self, digest: Digest) -> Option<Image> {
        let record = self.0.state().hold(digest)?.clone();
        if let Err(error) = self.0.disk.touch_image(digest) {
            tracing::warn!(%digest, %error, "the use of an image cannot be noted");
        }
        Some(self.0.image(digest, &record))
    }

    /// All images on the disk, the one used last first.
    pub fn images(&self) -> Vec<StoredImage> {
        let images = self.0.state().images().into_iter();
        let image = |(digest, size_bytes, in_use)| StoredImage {
            digest,
            size_bytes,
            in_use,
        };
        images.map(image).collect()
    }

    /// About what all layers take on the disk together.
    pub fn size_bytes(&self) -> u64 {
        self.0.state().size_bytes()
    }

    /// Removes images that nobody uses, those used least recently first, until the others take no more than
    /// `max_bytes`. Blocks.
    pub fn trim(&self, max_bytes: u64) {
        drop(self.0.evict(max_bytes));
    }
}

impl fmt::Debug for ImageStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageStore")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.store.state().release(self.digest);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Of an image that is held for this.
    fn image(self: &Arc<Self>, digest: Digest, record: &ImageRecord) -> Image {
        let hold = Hold {
            store: Arc::clone(self),
            digest,
        };
        let stack = self.stack(&record.layers).into_iter();
        Image {
            digest,
            layers: stack.map(|layer| self.disk.tree(layer)).collect(),
            config: record.config.clone(),
            _hold: Arc::new(hold),
        }
    }

    /// Layers as an overlay takes them, the uppermost first: none twice, and none below one that hides all others, which
    /// an overlay would not notice at the top of a layer. A layer that occurs again further up hides all of what it has
    /// further down.
    fn stack(&self, lowest_first: &[Digest]) -> Vec<Digest> {
        let state = self.state();
        let mut stack: Vec<Digest> = Vec::new();
        for layer in lowest_first.iter().rev() {
            if !stack.contains(layer) {
                stack.push(*layer);
            }
            if state.hides_all(*layer) {
                break;
            }
        }
        stack
    }

    /// Takes the names away from what has to go, until all takes no more than `max_bytes`. What is returned removes it.
    fn evict(&self, max_bytes: u64) -> Vec<disk::Partial> {
        let mut state = self.state();
        let mut gone = Vec::new();
        while let Some(victim) = state.victim(max_bytes) {
            let done = match victim {
                Victim::Image(digest) => self.disk.discard_image(digest),
                Victim::Layer(digest) => self
                    .disk
                    .discard_layer(digest)
                    .map(|layer| gone.push(layer)),
            };
            match done {
                Ok(()) => {}
                // Somebody removed it by hand.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(?victim, %error, "an image cannot be removed");
                    break;
                }
            }
            tracing::info!(?victim, "removed from the disk to make room");
            state.forget(victim);
        }
        gone
    }
}
