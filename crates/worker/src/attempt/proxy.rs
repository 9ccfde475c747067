//! The network of the environment's scripts: a proxy on a socket, and its decisions as events.

use std::path::Path;
use std::sync::Arc;

use outwork_api::event::EventBody;
use outwork_domain::Failure;
use outwork_egress::proxy::{Decision, Proxy, Totals, Verdict};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Run;
use crate::failure;
use crate::outbox::{Outbox, Source};

/// Requests that are reported one by one; a package manager makes hundreds.
const REPORTED_REQUESTS: u64 = 2000;

const CANNOT_LISTEN: &str = "the proxy of the scripts cannot listen";

pub(super) struct ScriptProxy {
    proxy: Proxy,
    reporter: JoinHandle<u64>,
    outbox: Arc<Outbox>,
}

impl ScriptProxy {
    pub(super) fn start(run: &Run) -> Result<Self, Failure> {
        let socket = run
            .host
            .state
            .fresh_run_dir(run.slot)
            .map(|directory| directory.join("proxy.sock"));
        let socket = socket.map_err(|error| failure::internal(CANNOT_LISTEN, &error))?;
        let config = run.host.config.network.proxy.clone();
        let started = Proxy::start(&socket, config, Arc::clone(&run.host.resolver));
        let (proxy, decisions) =
            started.map_err(|error| failure::internal(CANNOT_LISTEN, &error))?;
        let outbox = Arc::clone(&run.outbox);
        let reporter = tokio::spawn(report(decisions, Arc::clone(&outbox)));
        Ok(Self {
            proxy,
            reporter,
            outbox,
        })
    }

    pub(super) fn socket(&self) -> &Path {
        self.proxy.socket()
    }

    /// Ends every connection, and says what is not in the log.
    pub(super) async fn stop(self) {
        let Totals {
            allowed,
            refused,
            bytes_up: _,
            bytes_down: _,
            decisions_dropped: _,
        } = self.proxy.shutdown().await;
        let reported = self.reporter.await.unwrap_or_else(|error| {
            tracing::error!(%error, "reporting the proxy's decisions panicked");
            0
        });
        let left_out = (allowed + refused).saturating_sub(reported);
        if left_out > 0 {
            let message = format!("{left_out} more requests to the network are not in the log.");
            self.outbox
                .event(Source::Worker, EventBody::Warning { message });
        }
    }
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
        verdict,
        rule: _,
        hint: _,
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
        rule: None,
        hint: None,
    }
}
