//! The images that this worker has, opened when the first attempt wants one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outwork_image::{
    Digest, HttpConfig, ImageStore, ImageStoreConfig, LayerOwner, OpenError, RegistryAuth,
};
use outwork_sandbox::{Capabilities, Privilege};
use tokio::sync::OnceCell;

use crate::config::{ImageSources, WorkerConfig};
use crate::state_dir::StateDir;

/// References that are remembered.
const REMEMBERED: usize = 1000;

/// Attempts that begin together ask their registry once.
const FRESH: Duration = Duration::from_secs(60);

/// A reference, and who asked for it.
type Asked = (String, Option<RegistryAuth>);

/// What a reference named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) digest: Digest,
    pub(crate) is_fresh: bool,
}

pub(crate) struct Images {
    config: ImageStoreConfig,
    store: OnceCell<ImageStore>,
    /// What each reference named last, for whom, and when that was.
    named: Mutex<HashMap<Asked, (Digest, Instant)>>,
}

impl Images {
    pub(crate) fn new(
        config: &WorkerConfig,
        state: &StateDir,
        capabilities: &Capabilities,
    ) -> Self {
        let owner = match capabilities.privilege {
            Privilege::Root { uid: _, gid: _ } => LayerOwner::Root {
                store_uid_base: config.store_uid_base,
            },
            Privilege::User { uid: _, gid: _ } => LayerOwner::User,
        };
        let mut store = ImageStoreConfig::new(state.images(), owner, config.cache.image_bytes);
        let ImageSources {
            default_registry,
            local_directories,
            mirrors,
            plain_http,
            https_proxy,
            http_proxy,
            no_proxy,
        } = config.images.clone();
        store.default_registry = default_registry;
        store.allow_local = local_directories;
        store.mirrors = mirrors;
        store.allow_plain_http = plain_http;
        let bundle = config.network.ca_bundle.as_ref().map(std::fs::read);
        store.http = HttpConfig {
            https_proxy,
            http_proxy,
            no_proxy,
            // Whoever starts the worker has looked that it can be read.
            extra_root_certificates_pem: bundle.and_then(Result::ok).unwrap_or_default(),
        };
        Self {
            config: store,
            store: OnceCell::new(),
            named: Mutex::default(),
        }
    }

    pub(crate) async fn store(&self) -> Result<&ImageStore, Arc<OpenError>> {
        let open = async || {
            let config = self.config.clone();
            let opened = tokio::task::spawn_blocking(move || ImageStore::open(config)).await;
            let opened = opened.unwrap_or_else(|error| {
                Err(OpenError::Io {
                    path: self.config.root.clone(),
                    source: std::io::Error::other(error),
                })
            });
            opened.map_err(Arc::new)
        };
        self.store.get_or_try_init(open).await
    }

    /// Removes what no attempt uses, for space on the disk.
    pub(crate) async fn trim(&self) {
        let Some(store) = self.store.get().cloned() else {
            return;
        };
        if let Err(error) = tokio::task::spawn_blocking(move || store.trim(0)).await {
            tracing::error!(%error, "removing images panicked");
        }
    }

    /// Notes what a reference names now, for who asked so.
    pub(crate) fn names(&self, reference: &str, auth: Option<&RegistryAuth>, digest: Digest) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= REMEMBERED {
            named.clear();
        }
        let key = (reference.to_owned(), auth.cloned());
        named.insert(key, (digest, Instant::now()));
    }

    /// What a reference named when its registry was last asked, and whether that was a moment ago.
    pub(crate) fn named(&self, reference: &str, auth: Option<&RegistryAuth>) -> Option<Named> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let (digest, asked_at) = named.get(&(reference.to_owned(), auth.cloned()))?;
        Some(Named {
            digest: *digest,
            is_fresh: asked_at.elapsed() < FRESH,
        })
    }
}
