-- Times are milliseconds since the Unix epoch, UTC. Ids are as printed, with their prefix.
-- migrations/sqlite has the same tables under the same number. What is sorted or compared is so by bytes.

CREATE TABLE workspaces (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE principals (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    kind TEXT NOT NULL CHECK (kind IN ('user', 'worker', 'integration')),
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    principal_id TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    hash BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE environments (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    created_by TEXT NOT NULL REFERENCES principals (id),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    label TEXT NOT NULL,
    -- The label in lower case: what must be unique.
    label_folded TEXT COLLATE "C" NOT NULL,
    repository_url TEXT NOT NULL,
    branch TEXT,
    agent TEXT NOT NULL CHECK (agent IN ('codex', 'command')),
    agent_command TEXT,
    setup_script TEXT,
    -- JSON: [[name, value], …].
    variables TEXT NOT NULL,
    timeout_ms BIGINT NOT NULL CHECK (timeout_ms > 0),
    CHECK ((agent = 'command') = (agent_command IS NOT NULL))
);
CREATE UNIQUE INDEX environments_label ON environments (workspace_id, label_folded) WHERE deleted_at IS NULL;

CREATE TABLE models (
    workspace_id TEXT COLLATE "C" PRIMARY KEY REFERENCES workspaces (id),
    base_url TEXT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    sealed_key BYTEA,
    context_window BIGINT NOT NULL CHECK (context_window >= 0),
    updated_at BIGINT NOT NULL
);

CREATE TABLE tasks (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    created_by TEXT NOT NULL REFERENCES principals (id),
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    title TEXT NOT NULL,
    base_branch TEXT,
    base_commit TEXT NOT NULL,
    starting_diff TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX tasks_newest ON tasks (workspace_id, created_at, id);
CREATE INDEX tasks_newest_of_environment ON tasks (environment_id, created_at, id);

CREATE TABLE turns (
    id TEXT COLLATE "C" PRIMARY KEY,
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    created_by TEXT NOT NULL REFERENCES principals (id),
    prompt TEXT NOT NULL,
    continues TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    UNIQUE (task_id, number)
);

CREATE TABLE attempts (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id),
    turn_id TEXT COLLATE "C" NOT NULL REFERENCES turns (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    created_at BIGINT NOT NULL,
    -- JSON object: how long it may stay in each state.
    limits TEXT NOT NULL,
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    desired TEXT NOT NULL CHECK (desired IN ('run', 'cancel')),
    cancel_since BIGINT,
    state TEXT NOT NULL CHECK (state IN ('queued', 'held', 'awaiting_input', 'succeeded', 'failed', 'cancelled')),
    step TEXT CHECK (step IN ('leased', 'preparing', 'setting_up', 'running', 'collecting')),
    lease_worker_id TEXT,
    lease_epoch BIGINT,
    lease_until BIGINT,
    visible_at BIGINT,
    deadline_at BIGINT,
    -- When a reconciler has to look at it.
    due_at BIGINT,
    ended_at BIGINT,
    question TEXT,
    failure_code TEXT,
    failure_message TEXT,
    failure_hint TEXT,
    -- The worker of the newest claim.
    worker_id TEXT COLLATE "C",
    -- The number of the last event; of the last event that the newest claim sent.
    last_seq BIGINT NOT NULL CHECK (last_seq >= 0),
    acked_worker_seq BIGINT NOT NULL CHECK (acked_worker_seq >= 0),
    UNIQUE (turn_id, number),
    CHECK ((desired = 'cancel') = (cancel_since IS NOT NULL)),
    CHECK ((state = 'held') = (step IS NOT NULL)),
    CHECK ((state = 'held') = (lease_worker_id IS NOT NULL)),
    CHECK ((state = 'held') = (lease_epoch IS NOT NULL)),
    CHECK ((state = 'held') = (lease_until IS NOT NULL)),
    CHECK (lease_epoch IS NULL OR lease_epoch = epoch),
    CHECK (lease_worker_id IS NULL OR lease_worker_id = worker_id),
    CHECK ((epoch = 0) = (worker_id IS NULL)),
    CHECK ((state = 'queued') = (visible_at IS NOT NULL)),
    CHECK ((state IN ('queued', 'held', 'awaiting_input')) = (deadline_at IS NOT NULL)),
    CHECK ((state IN ('queued', 'held', 'awaiting_input')) = (due_at IS NOT NULL)),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'awaiting_input') = (question IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_message IS NOT NULL)),
    CHECK (failure_hint IS NULL OR state = 'failed')
);
ALTER TABLE turns ADD FOREIGN KEY (continues) REFERENCES attempts (id);
CREATE INDEX attempts_claimable ON attempts (workspace_id, visible_at, id) WHERE state = 'queued';
CREATE INDEX attempts_due ON attempts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX attempts_held ON attempts (workspace_id, lease_worker_id) WHERE state = 'held';
CREATE INDEX attempts_of_task ON attempts (task_id);

CREATE TABLE results (
    attempt_id TEXT COLLATE "C" PRIMARY KEY REFERENCES attempts (id),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    diff_key TEXT,
    files_changed BIGINT,
    lines_added BIGINT,
    lines_removed BIGINT,
    diff_size_bytes BIGINT,
    session_key TEXT,
    message TEXT,
    -- JSON object.
    tokens TEXT,
    CHECK ((diff_key IS NULL) = (files_changed IS NULL)),
    CHECK ((diff_key IS NULL) = (lines_added IS NULL)),
    CHECK ((diff_key IS NULL) = (lines_removed IS NULL)),
    CHECK ((diff_key IS NULL) = (diff_size_bytes IS NULL))
);

CREATE TABLE events (
    attempt_id TEXT COLLATE "C" NOT NULL REFERENCES attempts (id),
    seq BIGINT NOT NULL CHECK (seq >= 1),
    at BIGINT NOT NULL,
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    -- The worker's own number within its claim; NULL for what the server wrote.
    worker_seq BIGINT CHECK (worker_seq >= 1),
    kind TEXT NOT NULL,
    -- JSON object.
    body TEXT NOT NULL,
    PRIMARY KEY (attempt_id, seq)
);
CREATE UNIQUE INDEX events_of_worker ON events (attempt_id, epoch, worker_seq) WHERE worker_seq IS NOT NULL;

CREATE TABLE workers (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    name TEXT COLLATE "C" NOT NULL,
    slots BIGINT NOT NULL CHECK (slots >= 0),
    -- JSON: [name, …].
    agents TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX workers_of_workspace ON workers (workspace_id);

CREATE TABLE idempotency (
    principal_id TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    route TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 32),
    -- Written before the task, so it does not reference it.
    task_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (principal_id, route, key)
);
CREATE INDEX idempotency_expired ON idempotency (expires_at);

-- One row: when a server last ran, and what readiness checks write.
CREATE TABLE server (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    alive_at BIGINT,
    probes BIGINT NOT NULL
);
INSERT INTO server (id, alive_at, probes) VALUES (1, NULL, 0);
