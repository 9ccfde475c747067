-- How workers are let in, and what operators want of them.
-- migrations/postgres has the same tables under the same number.

CREATE TABLE enrolment_tokens (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    created_by TEXT NOT NULL REFERENCES principals (id),
    name TEXT,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    max_uses INTEGER NOT NULL CHECK (max_uses >= 1),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX enrolment_tokens_of_workspace ON enrolment_tokens (workspace_id);

-- Tokens that speak for one worker only.
CREATE TABLE worker_tokens (
    token_id TEXT PRIMARY KEY REFERENCES tokens (id),
    -- The worker need not be registered.
    worker_id TEXT NOT NULL UNIQUE,
    enrolment_token_id TEXT NOT NULL REFERENCES enrolment_tokens (id),
    -- SHA-256 of the key that the worker made for its enrolment.
    key_hash BLOB NOT NULL CHECK (length(key_hash) = 32),
    -- With the enrolment token and the key it gives the token again.
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    revoked_at INTEGER,
    UNIQUE (enrolment_token_id, key_hash)
) STRICT;

-- Kept while the worker is away.
CREATE TABLE worker_orders (
    worker_id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    desired TEXT NOT NULL DEFAULT 'run' CHECK (desired IN ('run', 'drain', 'retire')),
    deadline_at INTEGER,
    slots INTEGER CHECK (slots BETWEEN 1 AND 1000),
    CHECK (deadline_at IS NULL OR desired <> 'run')
) STRICT;

-- How many more it could begin, as its last heartbeat said.
ALTER TABLE workers ADD COLUMN free_slots INTEGER CHECK (free_slots >= 0);
-- Whether its last heartbeat said that it takes nothing more.
ALTER TABLE workers ADD COLUMN draining INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1));
-- 0: registered before it was kept.
ALTER TABLE workers ADD COLUMN protocol_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN version TEXT;
-- JSON object: name to version.
ALTER TABLE workers ADD COLUMN agent_versions TEXT NOT NULL DEFAULT '{}';
