//! The model of one attempt: a gateway on a socket, its events, its sums.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outwork_api::event::EventBody;
use outwork_api::task::Tokens;
use outwork_api::worker::ModelAccess;
use outwork_domain::{Failure, FailureCode};
use outwork_egress::gateway::{
    self, ApiKey, Gateway, GatewayConfig, GatewayEvent, Refusal, Spending, Terms, Totals, Upstream,
    Usage,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Run;
use crate::failure;
use crate::outbox::{Outbox, Source};

/// Calls that are reported one by one; an agent can make any number.
const REPORTED_CALLS: u64 = 10_000;
const REPORTED_REFUSALS: u32 = 20;

/// Keeps the connections to the model used last: making them anew costs each attempt a TLS handshake.
#[derive(Default)]
pub(crate) struct Models {
    last: Mutex<Option<(ModelAccess, Upstream)>>,
}

impl Models {
    fn upstream(&self, model: &ModelAccess) -> Result<Upstream, Failure> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, upstream)) = last.as_ref()
            && known.base_url == model.base_url
            && known.api_key == model.api_key
        {
            return Ok(upstream.clone());
        }
        let bad = |error: &gateway::ConfigError| {
            Failure::new(
                FailureCode::ModelNotConfigured,
                format!("The model cannot be used: {}.", failure::chain(error)),
            )
            .with_hint("Set it again with `outwork model set`.")
        };
        let key = model
            .api_key
            .as_ref()
            .map(|key| ApiKey::new(key.reveal()))
            .transpose()
            .map_err(|error| bad(&error))?;
        let upstream = Upstream::new(&model.base_url, key, GatewayConfig::default())
            .map_err(|error| bad(&error))?;
        *last = Some((model.clone(), upstream.clone()));
        Ok(upstream)
    }
}

pub(super) struct ModelGateway {
    gateway: Gateway,
    reporter: JoinHandle<()>,
    open_calls: Arc<AtomicU64>,
    spent: watch::Receiver<Option<Spending>>,
}

impl ModelGateway {
    /// `None` if the attempt has no model.
    pub(super) async fn start(run: &Run, sockets: &Path) -> Result<Option<Self>, Failure> {
        let Some(model) = &run.assignment.model else {
            return Ok(None);
        };
        let upstream = run.host.models.upstream(model)?;
        let terms = Terms {
            max_tokens: run.assignment.max_tokens,
            retry_seed: seed(&run.assignment.attempt),
        };
        let started = Gateway::start(&sockets.join("model.sock"), upstream, terms);
        let (gateway, events) = started
            .map_err(|error| failure::internal("the model's gateway cannot listen", &error))?;
        let open_calls = Arc::new(AtomicU64::new(0));
        let (overspent, spent) = watch::channel(None);
        let reporter = tokio::spawn(report(
            events,
            Arc::clone(&run.outbox),
            Arc::clone(&open_calls),
            overspent,
        ));
        Ok(Some(Self {
            gateway,
            reporter,
            open_calls,
            spent,
        }))
    }

    pub(super) fn socket(&self) -> &Path {
        self.gateway.socket()
    }

    pub(super) fn has_open_calls(&self) -> bool {
        self.open_calls.load(Ordering::Relaxed) > 0
    }

    /// Waits until a call was refused or cut because the attempt's budget is used up. The agent cannot go on without.
    pub(super) async fn over_budget(&self) -> Failure {
        let mut spent = self.spent.clone();
        match spent.wait_for(Option::is_some).await.map(|spent| *spent) {
            Ok(Some(spending)) => failure::over_budget(&over_budget(spending)),
            // The gateway has ended, and within its budget.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The tokens used; `None` when no model was called.
    pub(super) async fn stop(self) -> Option<Tokens> {
        let totals = self.gateway.shutdown().await;
        if let Err(error) = self.reporter.await {
            tracing::error!(%error, "reporting the model's calls panicked");
        }
        let Totals {
            started,
            refused: _,
            retried: _,
            usage,
            counted: _,
            unknown,
            unknown_estimate: _,
            without_tokens: _,
            over_budget: _,
            events_dropped: _,
        } = totals;
        (started > 0).then(|| tokens(usage, unknown))
    }
}

fn tokens(usage: Usage, uncounted_calls: u64) -> Tokens {
    let Usage {
        input,
        cached_input,
        output,
        reasoning,
    } = usage;
    Tokens {
        input,
        cached_input,
        output,
        reasoning,
        uncounted_calls,
    }
}

async fn report(
    mut events: mpsc::Receiver<GatewayEvent>,
    outbox: Arc<Outbox>,
    open_calls: Arc<AtomicU64>,
    overspent: watch::Sender<Option<Spending>>,
) {
    let mut refusals = 0;
    while let Some(event) = events.recv().await {
        match event {
            GatewayEvent::Started { n, endpoint: _ } => {
                open_calls.fetch_add(1, Ordering::Relaxed);
                if n <= REPORTED_CALLS {
                    outbox.event(Source::Worker, EventBody::ModelCallStarted { number: n });
                }
            }
            GatewayEvent::FirstByte { .. } => {}
            GatewayEvent::Finished {
                n,
                status,
                duration,
                tokens: used,
                ending: _,
            } => {
                // The channel can drop a start under a flood.
                let _ = open_calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                    open.checked_sub(1)
                });
                if n <= REPORTED_CALLS {
                    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                    let tokens = match used {
                        gateway::Tokens::Counted(usage) => Some(tokens(usage, 0)),
                        gateway::Tokens::Unknown | gateway::Tokens::None => None,
                    };
                    outbox.event(
                        Source::Worker,
                        EventBody::ModelCallFinished {
                            number: n,
                            status,
                            duration_ms,
                            tokens,
                        },
                    );
                }
            }
            GatewayEvent::Refused { reason } => {
                refusals += 1;
                if refusals <= REPORTED_REFUSALS {
                    outbox.event(
                        Source::Worker,
                        EventBody::Warning {
                            message: refused(reason),
                        },
                    );
                }
            }
            // The finished call says it, with the status that the agent got.
            GatewayEvent::Retried { .. } | GatewayEvent::UpstreamError { .. } => {}
            GatewayEvent::BudgetExceeded(spending) => {
                overspent.send_replace(Some(spending));
            }
        }
    }
}

fn over_budget(spending: Spending) -> String {
    let Spending {
        max_tokens,
        counted,
        estimated,
    } = spending;
    format!(
        "The attempt's budget of {max_tokens} tokens is used up: {counted} were counted, about {estimated} more were not."
    )
}

/// Attempts have different ids, so their retries come at different times.
fn seed(attempt: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    attempt.hash(&mut hasher);
    hasher.finish()
}

fn refused(reason: Refusal) -> String {
    format!(
        "The model's gateway refused a request of the agent: {}.",
        reason.code().replace('_', " ")
    )
}
