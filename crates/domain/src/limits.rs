//! Explicit limits: sizes, counts and times. One place, so that documentation, server and client
//! say the same.

use std::time::Duration;

/// How many of the paths that an attempt changed are kept as evidence.
pub const PATHS: usize = 500;
/// How many of the test files that it changed.
pub const CHANGED_TESTS: usize = 100;
/// How much of the end of the verify command's output.
pub const VERIFICATION_TAIL_BYTES: usize = 4096;

/// The longest prompt, in bytes of UTF-8.
pub const PROMPT_BYTES: usize = 1024 * 1024;
/// The longest label of an environment, in characters.
pub const LABEL_CHARS: usize = 100;
/// The largest diff a user may send along or a worker may hand in, in bytes.
pub const DIFF_BYTES: usize = 64 * 1024 * 1024;
/// The largest stored agent session, in bytes.
pub const SESSION_BYTES: usize = 64 * 1024 * 1024;
/// The longest schema of a turn's answer, as JSON, in bytes.
pub const OUTPUT_SCHEMA_BYTES: usize = 64 * 1024;
/// The most attempts per turn unless an administrator raised it.
pub const ATTEMPTS_PER_TURN: u32 = 4;
/// The most events in one append.
pub const EVENTS_PER_APPEND: usize = 1_000;
/// The largest single event as JSON, in bytes.
pub const EVENT_BYTES: usize = 256 * 1024;
/// The most variables of an environment.
pub const VARIABLES: usize = 200;
/// The longest script of an environment, in bytes.
pub const SCRIPT_BYTES: usize = 256 * 1024;
/// The most secrets of an environment.
pub const SECRETS: usize = 100;
/// The longest value of a secret, in bytes.
pub const SECRET_BYTES: usize = 64 * 1024;
/// The most repositories beside the first.
pub const FURTHER_REPOSITORIES: usize = 9;
/// The longest name of a repository, in characters.
pub const REPOSITORY_NAME_CHARS: usize = 100;
/// The most repository credentials of a workspace.
pub const CREDENTIALS: usize = 200;
/// The most webhooks of a workspace.
pub const WEBHOOKS: usize = 50;
/// The longest address of a webhook, in bytes.
pub const WEBHOOK_URL_BYTES: usize = 2000;
/// The most entries of a list of allowed domains.
pub const ALLOWED_DOMAINS: usize = 500;
/// The longest name of a host, in bytes.
pub const DOMAIN_BYTES: usize = 253;
/// The most ports that an agent may ask for.
pub const NETWORK_PORTS: usize = 20;
/// The ports that an agent may ask for unless its environment says otherwise.
pub const DEFAULT_PORTS: [u16; 2] = [80, 443];
/// The most header injections of an environment.
pub const INJECTIONS: usize = 50;
/// The longest value of an injected header, in bytes.
pub const INJECTION_BYTES: usize = 8 * 1024;
/// The longest name of an injected header, in bytes.
pub const HEADER_NAME_BYTES: usize = 100;
/// The largest budget of tokens: exact also for programs that read JSON numbers as doubles.
pub const MAX_TOKENS: u64 = 1 << 53;
/// The largest limit of an environment's attempts at once.
pub const MAX_CONCURRENT: u32 = 100_000;
/// The most labels of a worker, and the most that an environment may ask for.
pub const WORKER_LABELS: usize = 32;
/// The longest name or value of a worker's label, in characters.
pub const WORKER_LABEL_CHARS: usize = 63;
/// The longest name of a kind of isolation that a worker may say, in characters.
pub const ISOLATION_CHARS: usize = 100;

/// How long an attempt may stay in each state before a reconciler moves it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Waiting for a worker.
    pub queued: Duration,
    /// Between two heartbeats of the worker.
    pub lease: Duration,
    /// From the lease until the checkout stands.
    pub preparing: Duration,
    /// Finding or building the snapshot: the setup script or the wait for another attempt's, then the
    /// maintenance script.
    pub setting_up: Duration,
    /// The agent.
    pub running: Duration,
    /// Computing and handing in the diff.
    pub collecting: Duration,
    /// A question that nobody answers.
    pub awaiting_input: Duration,
    /// From the wish to cancel until the worker has confirmed it.
    pub cancelling: Duration,
    /// What the server waits beyond a step's limit, so that the worker, which enforces the limit
    /// itself and still hands in the diff, comes first.
    pub grace: Duration,
    /// How often an attempt may be claimed; a crash of the worker counts.
    pub tries: u32,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            queued: Duration::from_secs(24 * 60 * MINUTE),
            lease: Duration::from_secs(10),
            preparing: Duration::from_secs(15 * MINUTE),
            setting_up: Duration::from_secs(20 * MINUTE),
            running: Duration::from_secs(60 * MINUTE),
            collecting: Duration::from_secs(10 * MINUTE),
            awaiting_input: Duration::from_secs(7 * 24 * 60 * MINUTE),
            cancelling: Duration::from_secs(30),
            grace: Duration::from_secs(60),
            tries: 3,
        }
    }
}
