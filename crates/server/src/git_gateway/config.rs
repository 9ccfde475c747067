//! How the gateway reaches repositories.

use std::time::Duration;

use ipnet::IpNet;
use outwork_egress::policy::AddressPolicy;

use super::address::Checked;

/// Where the gateway goes, and by which way. Nothing here reads the environment.
#[derive(Clone, Debug)]
pub struct GitGatewayConfig {
    /// Addresses and networks that are not public and that repositories may be at. A metadata service is opened by its own number only.
    pub addresses: Vec<IpNet>,
    /// The operator's own proxies, as in the variables of these names.
    pub https_proxy: Option<String>,
    /// For plain HTTP.
    pub http_proxy: Option<String>,
    /// Hosts that are reached without a proxy.
    pub no_proxy: Option<String>,
    /// Certificates to trust beside the system's: PEM, may be empty.
    pub extra_root_certificates_pem: Vec<u8>,
    /// Whether workers that do not know the gateway get no work, instead of credentials.
    pub required: bool,
    /// Time limits and sizes.
    pub patience: GitGatewayPatience,
}

/// How long the gateway waits, and how much it passes on.
#[derive(Clone, Copy, Debug)]
pub struct GitGatewayPatience {
    /// For name lookup, TCP and TLS.
    pub connect: Duration,
    /// From the start of a request to the head of its answer.
    pub head: Duration,
    /// The longest silence within an answer, and the longest time that a worker takes nothing of it.
    pub idle: Duration,
    /// For a whole answer. A worker's git is given half an hour.
    pub whole: Duration,
    /// How often, within an answer, it is looked whether the worker may still have it.
    pub look: Duration,
    /// A longer answer is cut.
    pub answer_bytes: u64,
    /// A longer request is refused; it holds the names of commits.
    pub request_bytes: u64,
}

impl Default for GitGatewayPatience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            head: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            whole: Duration::from_secs(1800),
            look: Duration::from_secs(5),
            answer_bytes: 256 << 30,
            request_bytes: 256 << 20,
        }
    }
}

impl GitGatewayConfig {
    /// This machine and private networks: where a server of one's own is.
    pub const OWN_NETWORKS: [&'static str; 7] = [
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    ];

    fn own_networks() -> Vec<IpNet> {
        let networks = Self::OWN_NETWORKS.iter();
        let parsed = networks.map(|text| text.parse().expect("a network"));
        parsed.collect()
    }

    pub(crate) fn policy(&self) -> AddressPolicy {
        AddressPolicy::new(self.addresses.clone())
    }

    pub(crate) fn client(&self) -> Result<reqwest::Client, ClientError> {
        let patience = &self.patience;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            // A redirect is followed by hand, and not to another host.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(patience.connect)
            .pool_idle_timeout(Duration::from_secs(30));
        let exceptions = self
            .no_proxy
            .as_deref()
            .and_then(reqwest::NoProxy::from_string);
        let mut proxies = Vec::new();
        for (address, made) in [
            (
                &self.https_proxy,
                self.https_proxy.as_ref().map(reqwest::Proxy::https),
            ),
            (
                &self.http_proxy,
                self.http_proxy.as_ref().map(reqwest::Proxy::http),
            ),
        ] {
            let (Some(address), Some(made)) = (address, made) else {
                continue;
            };
            let proxy = made.map_err(|error| ClientError::Proxy(error.without_url()))?;
            builder = builder.proxy(proxy.no_proxy(exceptions.clone()));
            proxies.extend(host(address));
        }
        builder = builder.dns_resolver(Checked::new(self.policy(), proxies));
        if !self.extra_root_certificates_pem.is_empty() {
            let certificates =
                reqwest::Certificate::from_pem_bundle(&self.extra_root_certificates_pem);
            builder = builder.tls_certs_merge(certificates.map_err(ClientError::Certificates)?);
        }
        builder.build().map_err(ClientError::Client)
    }
}

impl Default for GitGatewayConfig {
    fn default() -> Self {
        Self {
            addresses: Self::own_networks(),
            https_proxy: None,
            http_proxy: None,
            no_proxy: None,
            extra_root_certificates_pem: Vec::new(),
            required: false,
            patience: GitGatewayPatience::default(),
        }
    }
}

/// The host of a proxy's address, with or without a scheme.
fn host(address: &str) -> Option<String> {
    let url = reqwest::Url::parse(address)
        .ok()
        .filter(reqwest::Url::has_host)
        .or_else(|| reqwest::Url::parse(&format!("http://{address}")).ok())?;
    url.host_str().map(str::to_owned)
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("a proxy of this machine cannot be used")]
    Proxy(#[source] reqwest::Error),
    #[error("the certificates to trust cannot be read")]
    Certificates(#[source] reqwest::Error),
    #[error("HTTP cannot be set up")]
    Client(#[source] reqwest::Error),
}
