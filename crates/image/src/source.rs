//! Where an image comes from, and what of it is needed.

use std::io::Read;
use std::sync::Arc;

use crate::config::{ImageStoreConfig, RegistryAuth};
use crate::digest::Digest;
use crate::document::{Configuration, Document, DocumentError, ImageConfig, check_count, choose};
use crate::error::ImageError;
use crate::local::{Local, LocalError, Top};
use crate::reference::ImageRef;
use crate::registry::{Download, Incoming, Registries, Repository};
use crate::unpack::Expected;

/// An index may hold indexes; nobody does more than that.
const INDEXES: usize = 3;

pub(crate) enum Source {
    Registry(Arc<Repository>),
    Local(Arc<Local>),
}

/// What is needed for an image.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) run: ImageConfig,
    /// The lowest first.
    pub(crate) layers: Vec<LayerPlan>,
}

#[derive(Clone, Debug)]
pub(crate) struct LayerPlan {
    pub(crate) expected: Expected,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Blob {
        digest: Digest,
        size: u64,
    },
    /// Of an archive that `docker save` wrote.
    Part(String),
}

/// The bytes of a layer.
pub(crate) enum Feed {
    Here(Box<dyn Read + Send>),
    /// As long as the download runs.
    Coming(Download, Incoming),
}

impl LayerPlan {
    /// What will come over the network, if it does.
    pub(crate) fn download_bytes(&self) -> u64 {
        match self.at {
            At::Blob { size, .. } => size,
            At::Part(_) => 0,
        }
    }
}

impl Source {
    pub(crate) async fn open(
        image: &ImageRef,
        auth: Option<RegistryAuth>,
        registries: &Arc<Registries>,
        config: &Arc<ImageStoreConfig>,
    ) -> Result<Self, ImageError> {
        if let ImageRef::Registry(reference) = image {
            let repository = registries.repository(reference, auth).await?;
            return Ok(Self::Registry(Arc::new(repository)));
        }
        let (image, config) = (image.clone(), Arc::clone(config));
        let opened = tokio::task::spawn_blocking(move || {
            Local::open(&image, &config.allow_local, config.limits.document_bytes)
        });
        Ok(Self::Local(
            opened.await.map_err(|_| ImageError::Panicked)??,
        ))
    }

    /// Of the image that the reference names now.
    pub(crate) async fn digest(&self) -> Result<Digest, ImageError> {
        match self {
            Self::Registry(repository) => Ok(repository.resolve().await?),
            Self::Local(local) => Ok(match &local.top {
                Top::Oci(descriptor) => descriptor.digest,
                Top::Docker(image) => image.digest,
            }),
        }
    }

    /// The same for all who ask at the same place.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Registry(repository) => repository.place(),
            Self::Local(local) => local.path().to_string_lossy().into_owned(),
        }
    }

    /// Reads manifest and configuration.
    pub(crate) async fn plan(
        &self,
        digest: Digest,
        config: &ImageStoreConfig,
    ) -> Result<Plan, ImageError> {
        if let Self::Local(local) = self
            && let Top::Docker(image) = &local.top
        {
            let configuration = Configuration::parse(&image.config, &config.platform)?;
            let layers = image
                .layers
                .iter()
                .map(|part| (None, At::Part(part.clone())));
            return Plan::new(configuration, layers.collect(), config);
        }
        let mut digest = digest;
        for _ in 0..INDEXES {
            let bytes = self.manifest(digest, config).await?;
            let manifest = match Document::parse(&bytes)? {
                Document::Index(entries) => {
                    digest = choose(&entries, &config.platform)?.digest;
                    continue;
                }
                Document::Manifest(manifest) => manifest,
            };
            manifest.check(&config.limits)?;
            let bytes = self.configuration(manifest.config.digest, config).await?;
            let configuration = Configuration::parse(&bytes, &config.platform)?;
            let layers = manifest.layers.iter().map(|layer| {
                let (digest, size) = (layer.digest, layer.size);
                (Some((digest, size)), At::Blob { digest, size })
            });
            return Plan::new(configuration, layers.collect(), config);
        }
        Err(ImageError::Document(DocumentError::Contradiction {
            what: "manifest",
            why: "it is an index of indexes of indexes",
        }))
    }

    async fn manifest(
        &self,
        digest: Digest,
        config: &ImageStoreConfig,
    ) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Registry(repository) => Ok(repository.manifest_by(digest).await?),
            Self::Local(local) => Ok(local.document(digest, config.limits.document_bytes)?),
        }
    }

    async fn configuration(
        &self,
        digest: Digest,
        config: &ImageStoreConfig,
    ) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Registry(repository) => Ok(repository.blob(digest).await?),
            Self::Local(local) => Ok(local.document(digest, config.limits.document_bytes)?),
        }
    }

    /// The bytes of a layer.
    pub(crate) fn feed(&self, layer: &LayerPlan) -> Result<Feed, LocalError> {
        match (self, &layer.at) {
            (Self::Registry(repository), At::Blob { digest, size }) => {
                let (download, incoming) = Download::new(Arc::clone(repository), *digest, *size);
                Ok(Feed::Coming(download, incoming))
            }
            (Self::Local(local), At::Blob { digest, .. }) => {
                local.blob(*digest).map(|(from, _)| Feed::Here(from))
            }
            (Self::Local(local), At::Part(name)) => {
                local.part(name).map(|(from, _)| Feed::Here(from))
            }
            (Self::Registry(_), At::Part(_)) => unreachable!("registries have blobs only"),
        }
    }
}

impl Plan {
    fn new(
        configuration: Configuration,
        layers: Vec<(Option<(Digest, u64)>, At)>,
        config: &ImageStoreConfig,
    ) -> Result<Self, ImageError> {
        let Configuration { run, diff_ids } = configuration;
        check_count(layers.len(), &config.limits)?;
        if layers.len() != diff_ids.len() {
            return Err(ImageError::Document(DocumentError::Contradiction {
                what: "configuration",
                why: "it has another number of layers than the manifest",
            }));
        }
        let layers = layers.into_iter().zip(diff_ids);
        let layers = layers.map(|((blob, at), diff_id)| LayerPlan {
            expected: Expected { blob, diff_id },
            at,
        });
        Ok(Self {
            run,
            layers: layers.collect(),
        })
    }
}
