//! The network of a sandbox: a proxy in a process of its own, whom it lets trust, and its decisions as events.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outwork_api::event::EventBody;
use outwork_api::network::{AgentNetwork, NetworkMethods, NetworkPreset, NetworkTls};
use outwork_domain::{Failure, FailureCode};
use outwork_egress::policy::{
    Destinations, Domain, Injection, Methods, Policy, Preset, Remedies, Secret, TlsMode,
};
use outwork_egress::process::EgressProcess;
use outwork_egress::proxy::{Decision, ProxyConfig, Roots, TrustFiles, Verdict, proxy_environment};
use outwork_egress::trust;
use outwork_git::ReadOnlyBind;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Run;
use crate::config::Network;
use crate::failure;
use crate::outbox::{Outbox, Source};
use crate::sandbox_layout as inside;

const JAVA: &str = "JAVA_TOOL_OPTIONS";

/// Requests that are reported one by one; a package manager makes hundreds.
const REPORTED_REQUESTS: u64 = 2000;

/// What a sandbox reaches the network by.
pub(super) struct Egress {
    process: EgressProcess,
    reporter: JoinHandle<u64>,
    outbox: Arc<Outbox>,
    trust: Option<Trust>,
}

/// Files with certificates, to be shown inside.
struct Trust {
    bundle: PathBuf,
    java: PathBuf,
    apt: PathBuf,
}

impl Egress {
    /// For setup and maintenance: every public host, TLS unread. Scripts are as trusted as the secrets that they get.
    pub(super) async fn of_script(run: &Run, sockets: &Path) -> Result<Self, Failure> {
        let network = &run.host.config.network;
        let mut policy = Policy::setup();
        policy.ports.extend(&network.setup_ports);
        policy.allow_addresses.clone_from(&network.setup_addresses);
        Self::start(run, sockets, policy, Remedies::default()).await
    }

    /// For the agent, as its environment says; `None` if that is no network.
    pub(super) async fn of_agent(run: &Run, sockets: &Path) -> Result<Option<Self>, Failure> {
        let Some(policy) = agents_policy(run)? else {
            return Ok(None);
        };
        let label = &run.assignment.environment;
        let mut remedies = Remedies {
            environment: Some(format!("outwork env edit {}", failure::quoted(label))),
            ..Remedies::default()
        };
        remedies.operator.address = "--agent-allow-address".to_owned();
        Self::start(run, sockets, policy, remedies).await.map(Some)
    }

    async fn start(
        run: &Run,
        sockets: &Path,
        policy: Policy,
        remedies: Remedies,
    ) -> Result<Self, Failure> {
        let Network {
            setup_addresses: _,
            setup_ports: _,
            agent_addresses: _,
            upstream,
            ca_bundle,
        } = &run.host.config.network;
        let mut config = ProxyConfig::new(policy);
        config.upstream.clone_from(upstream);
        config.remedies = remedies;
        let unreadable =
            |error: &dyn Error| unavailable(&format!("the machine's certificates: {error}"));
        if let Some(bundle) = ca_bundle {
            let pem = std::fs::read_to_string(bundle).map_err(|error| unreadable(&error))?;
            config.roots = Roots::Pem(pem);
        }
        let socket = sockets.join("proxy.sock");
        let started = EgressProcess::start(&run.host.config.launcher, &config, &socket).await;
        let (process, decisions) = started.map_err(|error| unavailable(&failure::chain(&error)))?;
        let trust = Trust::write(
            sockets,
            ca_bundle.as_deref(),
            process.certificate_authority(),
        )?;
        let outbox = Arc::clone(&run.outbox);
        let reporter = tokio::spawn(report(decisions, Arc::clone(&outbox)));
        Ok(Self {
            process,
            reporter,
            outbox,
            trust,
        })
    }

    pub(super) fn socket(&self) -> &Path {
        self.process.socket()
    }

    /// Waits until the proxy is gone, which it is only by a fault or because somebody killed it.
    pub(super) async fn broke(&self) -> Failure {
        self.process.died().await;
        unavailable("it ended")
    }

    /// What programs are told.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let files = TrustFiles {
            bundle: inside::CA_BUNDLE.to_owned(),
            java_key_store: Some(inside::JAVA_KEY_STORE.to_owned()),
            apt_configuration: Some(inside::APT_CONFIGURATION.to_owned()),
        };
        proxy_environment(inside::PROXY_PORT, self.trust.as_ref().map(|_| &files))
    }

    /// Whom programs trust.
    pub(super) fn binds(&self) -> Vec<ReadOnlyBind> {
        let shown = |host: &Path, inside: &str| ReadOnlyBind {
            host: host.to_owned(),
            inside: inside.into(),
        };
        let Some(Trust { bundle, java, apt }) = &self.trust else {
            return Vec::new();
        };
        vec![
            shown(bundle, inside::CA_BUNDLE),
            shown(java, inside::JAVA_KEY_STORE),
            shown(apt, inside::APT_CONFIGURATION),
            // What reads no variable.
            shown(bundle, trust::SYSTEM_BUNDLES[0]),
        ]
    }

    /// Ends every connection, and says what is not in the log.
    pub(super) async fn stop(self) {
        let totals = self.process.shutdown().await;
        let reported = self.reporter.await.unwrap_or_else(|error| {
            tracing::error!(%error, "reporting the proxy's decisions panicked");
            0
        });
        let message = match totals {
            Ok(totals) => match (totals.allowed + totals.refused).saturating_sub(reported) {
                0 => return,
                more => format!("{more} more requests to the network are not in the log."),
            },
            Err(error) => format!("Not all requests to the network may be in the log: {error}."),
        };
        self.outbox
            .event(Source::Worker, EventBody::Warning { message });
    }
}

impl Trust {
    /// The proxy's own authority, where it has one, beside what the machine trusts. `None` where a sandbox trusts its own system's.
    fn write(
        directory: &Path,
        ca_bundle: Option<&Path>,
        authority: Option<&str>,
    ) -> Result<Option<Self>, Failure> {
        if ca_bundle.is_none() && authority.is_none() {
            return Ok(None);
        }
        let system = match ca_bundle {
            Some(bundle) => std::fs::read_to_string(bundle),
            None => system_bundle(),
        };
        let system =
            system.map_err(|error| unavailable(&format!("the machine's certificates: {error}")))?;
        let bundle = trust::bundle(&system, authority.unwrap_or_default());
        let java = trust::java_key_store(&bundle)
            .map_err(|error| unavailable(&format!("the certificates for Java: {error}")))?;
        let made = Self {
            bundle: directory.join("ca-bundle.pem"),
            java: directory.join("ca-bundle.jks"),
            apt: directory.join("apt.conf"),
        };
        let apt = trust::apt_configuration(inside::CA_BUNDLE);
        std::fs::write(&made.bundle, bundle)
            .and_then(|()| std::fs::write(&made.java, java))
            .and_then(|()| std::fs::write(&made.apt, apt))
            .map_err(|error| failure::internal("the certificates cannot be written", &error))?;
        Ok(Some(made))
    }
}

/// The first that is there. Without any, only the proxy's own authority is trusted inside, which is all that a sandbox with inspection needs.
fn system_bundle() -> std::io::Result<String> {
    let there = trust::SYSTEM_BUNDLES
        .iter()
        .find(|path| Path::new(path).exists());
    there.map_or(Ok(String::new()), std::fs::read_to_string)
}

/// What the JVM is told is one text: the environment's own is added, not put in the place of the proxy.
pub(super) fn join_java_options(
    run: &Run,
    variables: &mut BTreeMap<String, String>,
    egress: Option<&Egress>,
) {
    let Some(own) = run.assignment.variables.get(JAVA) else {
        return;
    };
    let ours = egress.map(Egress::variables).unwrap_or_default();
    if let Some((_, ours)) = ours.into_iter().find(|(name, _)| name == JAVA) {
        variables.insert(JAVA.to_owned(), format!("{ours} {own}"));
    }
}

fn unavailable(why: &str) -> Failure {
    Failure::new(
        FailureCode::NetworkUnavailable,
        format!("The proxy to the network is not there: {why}. Nothing can be reached without it."),
    )
    .with_hint("Start the task again; if it happens again, the worker's log says more.")
}

/// The environment's rules, as the proxy takes them. The server has checked them; what cannot be read closes the network.
fn agents_policy(run: &Run) -> Result<Option<Policy>, Failure> {
    let AgentNetwork::On {
        preset,
        allow,
        ports,
        methods,
        git_push,
        websocket,
        tls,
    } = &run.assignment.network
    else {
        return Ok(None);
    };
    let wrong = |error: &dyn Error| {
        unavailable(&format!("the environment's rules cannot be kept: {error}"))
    };
    let allow = allow.iter().map(|domain| Domain::parse(domain));
    let allow = allow
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    let injections = run.assignment.injections.iter().map(|injection| {
        let value = Secret::new(injection.value.reveal());
        Injection::new(&injection.host, &injection.header, value)
    });
    let injections = injections
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    Ok(Some(Policy {
        destinations: match preset {
            NetworkPreset::All => Destinations::Public,
            NetworkPreset::Common => Destinations::Listed {
                preset: Preset::Common,
                allow,
            },
            NetworkPreset::None => Destinations::Listed {
                preset: Preset::None,
                allow,
            },
        },
        ports: ports.clone(),
        methods: match methods {
            NetworkMethods::All => Methods::All,
            NetworkMethods::ReadOnly => Methods::ReadOnly,
        },
        git_push: *git_push,
        websocket: *websocket,
        tls: match tls {
            NetworkTls::Inspect => TlsMode::Inspect,
            NetworkTls::Tunnel => TlsMode::Tunnel,
        },
        injections,
        allow_addresses: run.host.config.network.agent_addresses.clone(),
        ..Policy::closed()
    }))
}

/// How many were reported.
async fn report(mut decisions: mpsc::Receiver<Decision>, outbox: Arc<Outbox>) -> u64 {
    let mut reported = 0;
    while let Some(decision) = decisions.recv().await {
        if reported < REPORTED_REQUESTS {
            reported += 1;
            outbox.event(Source::Worker, body(decision));
        }
    }
    reported
}

fn body(decision: Decision) -> EventBody {
    let Decision {
        host,
        port,
        method,
        path,
        rule,
        verdict,
        hint,
        bytes_up: _,
        bytes_down: _,
        duration: _,
    } = decision;
    let (verdict, code, reason) = match verdict {
        Verdict::Allowed { address: _ } => ("allowed", None, None),
        Verdict::Refused { code, reason } => {
            ("refused", Some(code.as_str().to_owned()), Some(reason))
        }
    };
    EventBody::NetworkRequest {
        host,
        port,
        method,
        path,
        verdict: verdict.to_owned(),
        code,
        reason,
        rule,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use outwork_domain::network::DomainName;

    use super::*;

    /// Every text of up to six of these, and some that are long.
    fn texts() -> impl Iterator<Item = String> {
        const PARTS: [&str; 7] = ["a", "X", "9", "-", ".", "*.", "0x"];
        let short = (0..PARTS.len().pow(6)).map(|mut number| {
            let mut text = String::new();
            for _ in 0..6 {
                text.push_str(PARTS[number % PARTS.len()]);
                number /= PARTS.len();
            }
            text
        });
        let label = "b".repeat(63);
        let long = [
            format!("{label}.example"),
            format!("{label}b.example"),
            format!("{label}.{label}.{label}.{}", "c".repeat(61)),
            format!("{label}.{label}.{label}.{}", "c".repeat(62)),
            "xn--bcher-kva.example".to_owned(),
            "under_score.example".to_owned(),
        ];
        short.chain(long)
    }

    /// What a person may write must not fail an attempt later.
    #[test]
    fn every_domain_of_an_environment_is_one_of_the_proxy() {
        let mut accepted = 0;
        for text in texts() {
            let Ok(name) = DomainName::parse_covering(&text) else {
                continue;
            };
            accepted += 1;
            let domain = Domain::parse(name.as_str());
            assert!(
                domain
                    .as_ref()
                    .is_ok_and(|domain| domain.as_str() == name.as_str()),
                "{text}: {domain:?}"
            );
        }
        assert!(accepted > 1000, "{accepted}");
    }
}
