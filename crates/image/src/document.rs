//! The JSON documents that make an image: index, manifest, configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::limits::Limits;
use crate::platform::Platform;
use crate::text::shown;

/// What a registry is told that this program understands.
pub(crate) const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Why an image's documents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not what it should be.
    #[error("the {what} of the image is damaged")]
    Json {
        /// `manifest` or `configuration`.
        what: &'static str,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// It says two things at once, or things that cannot be.
    #[error("the {what} of the image makes no sense: {why}")]
    Contradiction {
        /// `manifest` or `configuration`.
        what: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Of a time before content addresses.
    #[error(
        "the image has a manifest of the first format, which nothing builds any more; build and push it again"
    )]
    FirstFormat,
    /// Something else that a registry keeps.
    #[error("this is no image of files: its configuration is `{media_type}`")]
    NotAnImage {
        /// Of the configuration.
        media_type: String,
    },
    /// A layer in a form that is not understood.
    #[error("a layer of the image is `{media_type}`, which this worker cannot unpack")]
    LayerType {
        /// Of the layer.
        media_type: String,
    },
    /// For other machines.
    #[error("this image is for {} only, and this machine is {wanted}", offered.join(", "))]
    Platform {
        /// What there is.
        offered: Vec<String>,
        /// This machine.
        wanted: Platform,
    },
    /// More than the limit.
    #[error("the image has {found} layers; {limit} are possible")]
    Layers {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// `FROM scratch` and nothing else.
    #[error("the image is empty: it has no layer")]
    Empty,
}

/// What stands for a content elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// What a tag or a digest can name.
#[derive(Debug)]
pub(crate) enum Document {
    Index(Vec<Descriptor>),
    Manifest(Manifest),
}

#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    /// The lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Raw {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// Read first and alone: the first format has other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    schema_version: Option<u32>,
}

impl Document {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let what = "manifest";
        let json = |source| DocumentError::Json { what, source };
        let version: Version = serde_json::from_slice(bytes).map_err(json)?;
        if version.schema_version == Some(1) {
            return Err(DocumentError::FirstFormat);
        }
        let Raw {
            manifests,
            config,
            layers,
        } = serde_json::from_slice(bytes).map_err(json)?;
        // A document that is both is read differently by different programs.
        match (manifests, config, layers) {
            (Some(manifests), None, None) => Ok(Self::Index(manifests)),
            (None, Some(config), Some(layers)) => Ok(Self::Manifest(Manifest { config, layers })),
            _ => Err(DocumentError::Contradiction {
                what,
                why: "it must list either manifests, or a configuration and layers",
            }),
        }
    }
}

/// The entry of an index for this machine.
pub(crate) fn choose<'a>(
    manifests: &'a [Descriptor],
    wanted: &Platform,
) -> Result<&'a Descriptor, DocumentError> {
    let ranked = manifests.iter().filter_map(|entry| {
        let rank = match &entry.platform {
            Some(offered) => wanted.rank(offered)?,
            // Its configuration will tell.
            None => 3,
        };
        Some((rank, entry))
    });
    if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
        return Ok(best);
    }
    let offered = manifests.iter().filter_map(|entry| entry.platform.as_ref());
    let offered: Vec<_> = offered
        // What builders attach to images: signatures, lists of contents.
        .filter(|platform| platform.os != "unknown")
        .map(|platform| shown(&platform.to_string()))
        .collect();
    Err(match offered.is_empty() {
        true => DocumentError::Empty,
        false => DocumentError::Platform {
            offered,
            wanted: wanted.clone(),
        },
    })
}

impl Manifest {
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), DocumentError> {
        if !matches!(
            &*self.config.media_type,
            "application/vnd.oci.image.config.v1+json"
                | "application/vnd.docker.container.image.v1+json"
        ) {
            return Err(DocumentError::NotAnImage {
                media_type: shown(&self.config.media_type),
            });
        }
        check_count(self.layers.len(), limits)?;
        self.layers.iter().try_for_each(check_layer_type)
    }
}

pub(crate) fn check_count(found: usize, limits: &Limits) -> Result<(), DocumentError> {
    match found {
        0 => Err(DocumentError::Empty),
        found if found > limits.layers => Err(DocumentError::Layers {
            found,
            limit: limits.layers,
        }),
        _ => Ok(()),
    }
}

/// Which compression it is, its first bytes tell more reliably.
fn check_layer_type(layer: &Descriptor) -> Result<(), DocumentError> {
    let kind = layer
        .media_type
        .strip_prefix("application/vnd.oci.image.layer.v1.")
        .or_else(|| {
            layer
                .media_type
                .strip_prefix("application/vnd.oci.image.layer.nondistributable.v1.")
        })
        .or_else(|| {
            layer
                .media_type
                .strip_prefix("application/vnd.docker.image.rootfs.diff.")
        });
    match kind {
        Some("tar" | "tar+gzip" | "tar+zstd" | "tar.gzip" | "tar.zstd") => Ok(()),
        Some(_) | None => Err(DocumentError::LayerType {
            media_type: shown(&layer.media_type),
        }),
    }
}

/// What an image says about how to run in it. Nothing of it has been followed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// An absolute path inside.
    pub working_dir: Option<String>,
    /// `name`, `id`, `name:group` or `id:group`; root if `None`.
    pub user: Option<String>,
    /// What stands before [`Self::cmd`].
    pub entrypoint: Vec<String>,
    /// The command, or arguments for the entry point.
    pub cmd: Vec<String>,
}

/// The whole configuration.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) run: ImageConfig,
    /// Digests of the layers' archives when they are decompressed, the lowest first.
    pub(crate) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawConfiguration {
    #[serde(flatten)]
    platform: Option<Platform>,
    config: Option<RawRun>,
    rootfs: RawRoot,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawRun {
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawRoot {
    diff_ids: Option<Vec<Digest>>,
}

impl Configuration {
    pub(crate) fn parse(bytes: &[u8], wanted: &Platform) -> Result<Self, DocumentError> {
        let what = "configuration";
        let raw: RawConfiguration =
            serde_json::from_slice(bytes).map_err(|source| DocumentError::Json { what, source })?;
        if let Some(offered) = raw.platform
            && wanted.rank(&offered).is_none()
        {
            return Err(DocumentError::Platform {
                offered: vec![shown(&offered.to_string())],
                wanted: wanted.clone(),
            });
        }
        let run = raw.config.unwrap_or_default().into_config();
        if has_nul(&run) {
            return Err(DocumentError::Contradiction {
                what,
                why: "a text in it has a NUL character",
            });
        }
        Ok(Self {
            run,
            diff_ids: raw.rootfs.diff_ids.unwrap_or_default(),
        })
    }
}

/// No program can be given such a text.
fn has_nul(config: &ImageConfig) -> bool {
    let ImageConfig {
        env,
        working_dir,
        user,
        entrypoint,
        cmd,
    } = config;
    let variables = env.iter().flat_map(|(name, value)| [name, value]);
    let mut texts = variables
        .chain(entrypoint)
        .chain(cmd)
        .chain(working_dir)
        .chain(user);
    texts.any(|text| text.contains('\0'))
}

impl RawRun {
    fn into_config(self) -> ImageConfig {
        let Self {
            env,
            working_dir,
            user,
            entrypoint,
            cmd,
        } = self;
        let env = env.unwrap_or_default().into_iter().filter_map(|variable| {
            let (name, value) = variable.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        });
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        ImageConfig {
            env: env.collect(),
            working_dir: given(working_dir),
            user: given(user),
            entrypoint: entrypoint.unwrap_or_default(),
            cmd: cmd.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
