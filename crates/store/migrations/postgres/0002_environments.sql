-- Environments with scripts, images and runtimes; secrets and credentials; cached snapshots.
-- migrations/sqlite has the same tables under the same number.

-- JSON: [[name, url, branch or null], …]; each is checked out beside the first.
ALTER TABLE environments ADD COLUMN further_repositories TEXT NOT NULL DEFAULT '[]';
ALTER TABLE environments ADD COLUMN base_image TEXT;
-- JSON: [[name, version], …].
ALTER TABLE environments ADD COLUMN runtimes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE environments ADD COLUMN maintenance_script TEXT;
ALTER TABLE environments ADD COLUMN verify_command TEXT;
ALTER TABLE environments ADD COLUMN setup_timeout_ms BIGINT NOT NULL DEFAULT 1200000 CHECK (setup_timeout_ms > 0);
-- How often its snapshots were reset.
ALTER TABLE environments ADD COLUMN cache_generation BIGINT NOT NULL DEFAULT 0 CHECK (cache_generation >= 0);

-- The newest version of any secret of the workspace: no version is given twice, also not after a secret was removed.
ALTER TABLE workspaces ADD COLUMN secret_version BIGINT NOT NULL DEFAULT 0 CHECK (secret_version >= 0);

-- The directory of the task's first repository, as it was called when the task was submitted; NULL in older rows.
ALTER TABLE tasks ADD COLUMN repository_name TEXT;

-- A known text under the server's key: a server with another key notices it here.
ALTER TABLE server ADD COLUMN sealed_check BYTEA;

CREATE TABLE environment_secrets (
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) >= 1),
    version BIGINT NOT NULL CHECK (version >= 1),
    -- Sealed by the server; the store cannot read it.
    sealed BYTEA NOT NULL CHECK (length(sealed) >= 1),
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, name)
);

CREATE TABLE credentials (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    scope TEXT COLLATE "C" NOT NULL CHECK (length(scope) >= 1),
    kind TEXT NOT NULL CHECK (kind IN ('token', 'ssh_key')),
    username TEXT,
    sealed BYTEA NOT NULL CHECK (length(sealed) >= 1),
    updated_at BIGINT NOT NULL,
    UNIQUE (workspace_id, scope, kind),
    CHECK (username IS NULL OR kind = 'token')
);

-- Where a task's further repositories stood.
CREATE TABLE task_repositories (
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    name TEXT COLLATE "C" NOT NULL,
    url TEXT NOT NULL,
    branch TEXT,
    base_commit TEXT NOT NULL,
    PRIMARY KEY (task_id, number),
    UNIQUE (task_id, name)
);

-- The diffs of an attempt's further repositories; that of the first is in `results`.
CREATE TABLE result_diffs (
    attempt_id TEXT COLLATE "C" NOT NULL REFERENCES results (attempt_id),
    number BIGINT NOT NULL CHECK (number >= 1),
    repository TEXT COLLATE "C" NOT NULL,
    diff_key TEXT NOT NULL,
    files_changed BIGINT NOT NULL CHECK (files_changed >= 0),
    lines_added BIGINT NOT NULL CHECK (lines_added >= 0),
    lines_removed BIGINT NOT NULL CHECK (lines_removed >= 0),
    diff_size_bytes BIGINT NOT NULL CHECK (diff_size_bytes >= 0),
    PRIMARY KEY (attempt_id, number),
    UNIQUE (attempt_id, repository)
);

-- What each worker says that it keeps. A row whose generation is not its environment's was reset.
CREATE TABLE snapshots (
    worker_id TEXT COLLATE "C" NOT NULL REFERENCES workers (id),
    key TEXT COLLATE "C" NOT NULL,
    -- As the worker says: the environment may be gone, or another server's.
    environment_id TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL CHECK (generation >= 0),
    reason TEXT NOT NULL,
    built_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL CHECK (size_bytes >= 0),
    hits BIGINT NOT NULL CHECK (hits >= 0),
    in_use BIGINT NOT NULL CHECK (in_use >= 0),
    PRIMARY KEY (worker_id, key)
);

-- How often each worker's snapshots were found, as it says.
CREATE TABLE snapshot_uses (
    worker_id TEXT COLLATE "C" NOT NULL REFERENCES workers (id),
    environment_id TEXT COLLATE "C" NOT NULL,
    hits BIGINT NOT NULL CHECK (hits >= 0),
    builds BIGINT NOT NULL CHECK (builds >= 0),
    PRIMARY KEY (worker_id, environment_id)
);
