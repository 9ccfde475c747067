-- Forges and chats that give tasks, what is talked about there, and what is done once for somebody outside.
-- migrations/sqlite has the same under the same number.

CREATE TABLE integrations (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    kind TEXT NOT NULL CHECK (kind IN ('github', 'gitlab', 'gitea', 'slack')),
    name TEXT NOT NULL CHECK (length(name) >= 1),
    principal_id TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    -- JSON of its kind, and the secrets, sealed.
    settings TEXT NOT NULL,
    sealed BYTEA CHECK (length(sealed) >= 1),
    is_active BIGINT NOT NULL CHECK (is_active IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (workspace_id, name)
);

CREATE TABLE linked_users (
    integration_id TEXT COLLATE "C" NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    external_id TEXT COLLATE "C" NOT NULL CHECK (length(external_id) >= 1),
    name TEXT NOT NULL,
    principal_id TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (integration_id, external_id)
);

CREATE TABLE conversations (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    integration_id TEXT COLLATE "C" NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL CHECK (length(key) >= 1),
    task_id TEXT COLLATE "C" REFERENCES tasks (id),
    environment_id TEXT COLLATE "C",
    -- JSON of the integration's kind.
    data TEXT NOT NULL,
    -- The task's updated_at that was told last.
    told_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (integration_id, key)
);

CREATE INDEX conversations_of_task ON conversations (task_id) WHERE task_id IS NOT NULL;

CREATE TABLE jobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    queue TEXT NOT NULL CHECK (queue IN ('inbound', 'post', 'webhook')),
    -- An integration or a webhook, which may be gone.
    owner TEXT COLLATE "C" NOT NULL CHECK (length(owner) >= 1),
    key TEXT COLLATE "C" NOT NULL CHECK (length(key) >= 1),
    lane TEXT COLLATE "C",
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    memo TEXT,
    created_at BIGINT NOT NULL,
    -- While no server runs it stands still: read plus what server.away_ms is more than away_ms here.
    deadline_at BIGINT NOT NULL,
    away_ms BIGINT NOT NULL,
    -- Raised at every claim; what a server says about it names it.
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'done', 'failed')),
    -- Waiting: not taken before. Working: another server may take it from then on.
    due_at BIGINT,
    -- Waiting: what went wrong. Done: what came of it. Failed: why.
    message TEXT,
    ended_at BIGINT,
    UNIQUE (queue, owner, key),
    CHECK ((due_at IS NULL) = (state IN ('done', 'failed'))),
    CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'failed'))),
    CHECK (state <> 'failed' OR message IS NOT NULL)
);

CREATE INDEX jobs_due ON jobs (queue, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_in_lane ON jobs (queue, owner, lane, id) WHERE due_at IS NOT NULL AND lane IS NOT NULL;
CREATE INDEX jobs_of_owner ON jobs (queue, owner, id);
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
