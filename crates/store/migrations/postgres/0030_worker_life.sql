-- How workers are let in, and what operators want of them.
-- migrations/sqlite has the same tables under the same number.

CREATE TABLE enrolment_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    created_by TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    name TEXT,
    hash BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
    max_uses BIGINT NOT NULL CHECK (max_uses >= 1),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX enrolment_tokens_of_workspace ON enrolment_tokens (workspace_id);

-- Tokens that speak for one worker only.
CREATE TABLE worker_tokens (
    token_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tokens (id),
    -- The worker need not be registered.
    worker_id TEXT COLLATE "C" NOT NULL UNIQUE,
    enrolment_token_id TEXT COLLATE "C" NOT NULL REFERENCES enrolment_tokens (id),
    -- SHA-256 of the key that the worker made for its enrolment.
    key_hash BYTEA NOT NULL CHECK (length(key_hash) = 32),
    -- With the enrolment token and the key it gives the token again.
    salt BYTEA NOT NULL CHECK (length(salt) = 32),
    revoked_at BIGINT,
    UNIQUE (enrolment_token_id, key_hash)
);

-- Kept while the worker is away.
CREATE TABLE worker_orders (
    worker_id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    desired TEXT NOT NULL DEFAULT 'run' CHECK (desired IN ('run', 'drain', 'retire')),
    deadline_at BIGINT,
    slots BIGINT CHECK (slots BETWEEN 1 AND 1000),
    CHECK (deadline_at IS NULL OR desired <> 'run')
);

-- How many more it could begin, as its last heartbeat said.
ALTER TABLE workers ADD COLUMN free_slots BIGINT CHECK (free_slots >= 0);
-- Whether its last heartbeat said that it takes nothing more.
ALTER TABLE workers ADD COLUMN draining BIGINT NOT NULL DEFAULT 0 CHECK (draining IN (0, 1));
-- 0: registered before it was kept.
ALTER TABLE workers ADD COLUMN protocol_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN version TEXT;
-- JSON object: name to version.
ALTER TABLE workers ADD COLUMN agent_versions TEXT NOT NULL DEFAULT '{}';
