//! What an operator decides about images.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::Limits;
use crate::platform::Platform;

/// Whose the files of layers are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerOwner {
    /// For a worker that is root: `store_uid_base` + the id inside. Ids above 65535 become nobody's, 65534.
    Root {
        /// The first of 65536 ids that nobody has.
        store_uid_base: u32,
    },
    /// For a worker that is an ordinary user: everything is its own.
    User,
}

/// How to get at registries.
#[derive(Clone, Default)]
pub struct HttpConfig {
    /// `http://proxy:3128`, for HTTPS; may hold a user and a password.
    pub https_proxy: Option<String>,
    /// The same for plain HTTP.
    pub http_proxy: Option<String>,
    /// Hosts that are reached without a proxy, as in the variable `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// Certificates in PEM that are trusted beside the system's.
    pub extra_root_certificates_pem: Vec<u8>,
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("https_proxy", &self.https_proxy.as_ref().map(|_| "****"))
            .field("http_proxy", &self.http_proxy.as_ref().map(|_| "****"))
            .field("no_proxy", &self.no_proxy)
            .finish_non_exhaustive()
    }
}

/// How long registries may take, and how often they are asked again.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the beginning of an answer, and for each part of it.
    pub answer: Duration,
    /// How long to wait before each further try.
    pub retry_after: Vec<Duration>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            retry_after: [300, 1_500, 5_000].map(Duration::from_millis).to_vec(),
        }
    }
}

/// Everything that [`ImageStore::open`](crate::ImageStore::open) needs.
#[derive(Clone, Debug)]
pub struct ImageStoreConfig {
    /// Made if need be; nobody else may enter it.
    pub root: PathBuf,
    /// Whose the files in layers are.
    pub owner: LayerOwner,
    /// What the layers of all images may take on the disk. Those in use stay, whatever they take.
    pub max_bytes: u64,
    /// `host[:port][/prefix]` of images that are written without a host.
    pub default_registry: Option<String>,
    /// Registries that are reached at another place: from the host that references name to `host[:port][/prefix]`.
    pub mirrors: BTreeMap<String, String>,
    /// Below these directories, images may be files.
    pub allow_local: Vec<PathBuf>,
    /// `host:port` of registries without TLS, beside those on this machine.
    pub allow_plain_http: Vec<String>,
    /// What images have to be for.
    pub platform: Platform,
    /// How many layers of an image come at once.
    pub layers_at_once: usize,
    /// How large images may be.
    pub limits: Limits,
    /// Proxies and certificates.
    pub http: HttpConfig,
    /// Time limits.
    pub patience: Patience,
}

impl ImageStoreConfig {
    /// With defaults for the rest: registries with TLS only, no files, no default registry.
    pub fn new(root: PathBuf, owner: LayerOwner, max_bytes: u64) -> Self {
        Self {
            root,
            owner,
            max_bytes,
            default_registry: None,
            mirrors: BTreeMap::new(),
            allow_local: Vec::new(),
            allow_plain_http: Vec::new(),
            platform: Platform::of_this_machine(),
            layers_at_once: 3,
            limits: Limits::default(),
            http: HttpConfig::default(),
            patience: Patience::default(),
        }
    }
}

/// For a registry that wants to know who asks. The password is never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RegistryAuth {
    /// As at `docker login`.
    pub username: String,
    /// Or a token in its place.
    pub password: String,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryAuth")
            .field("username", &self.username)
            .field("password", &"****")
            .finish()
    }
}
