-- Environments with scripts, images and runtimes; secrets and credentials; cached snapshots.
-- migrations/postgres has the same tables under the same number.

-- JSON: [[name, url, branch or null], …]; each is checked out beside the first.
ALTER TABLE environments ADD COLUMN further_repositories TEXT NOT NULL DEFAULT '[]';
ALTER TABLE environments ADD COLUMN base_image TEXT;
-- JSON: [[name, version], …].
ALTER TABLE environments ADD COLUMN runtimes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE environments ADD COLUMN maintenance_script TEXT;
ALTER TABLE environments ADD COLUMN verify_command TEXT;
ALTER TABLE environments ADD COLUMN setup_timeout_ms INTEGER NOT NULL DEFAULT 1200000 CHECK (setup_timeout_ms > 0);
-- How often its snapshots were reset.
ALTER TABLE environments ADD COLUMN cache_generation INTEGER NOT NULL DEFAULT 0 CHECK (cache_generation >= 0);

-- The newest version of any secret of the workspace: no version is given twice, also not after a secret was removed.
ALTER TABLE workspaces ADD COLUMN secret_version INTEGER NOT NULL DEFAULT 0 CHECK (secret_version >= 0);

-- The directory of the task's first repository, as it was called when the task was submitted; NULL in older rows.
ALTER TABLE tasks ADD COLUMN repository_name TEXT;

-- A known text under the server's key: a server with another key notices it here.
ALTER TABLE server ADD COLUMN sealed_check BLOB;

CREATE TABLE environment_secrets (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL CHECK (length(name) >= 1),
    version INTEGER NOT NULL CHECK (version >= 1),
    -- Sealed by the server; the store cannot read it.
    sealed BLOB NOT NULL CHECK (length(sealed) >= 1),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, name)
) STRICT;

CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    scope TEXT NOT NULL CHECK (length(scope) >= 1),
    kind TEXT NOT NULL CHECK (kind IN ('token', 'ssh_key')),
    username TEXT,
    sealed BLOB NOT NULL CHECK (length(sealed) >= 1),
    updated_at INTEGER NOT NULL,
    UNIQUE (workspace_id, scope, kind),
    CHECK (username IS NULL OR kind = 'token')
) STRICT;

-- Where a task's further repositories stood.
CREATE TABLE task_repositories (
    task_id TEXT NOT NULL REFERENCES tasks (id),
    number INTEGER NOT NULL CHECK (number >= 1),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    branch TEXT,
    base_commit TEXT NOT NULL,
    PRIMARY KEY (task_id, number),
    UNIQUE (task_id, name)
) STRICT;

-- The diffs of an attempt's further repositories; that of the first is in `results`.
CREATE TABLE result_diffs (
    attempt_id TEXT NOT NULL REFERENCES results (attempt_id),
    number INTEGER NOT NULL CHECK (number >= 1),
    repository TEXT NOT NULL,
    diff_key TEXT NOT NULL,
    files_changed INTEGER NOT NULL CHECK (files_changed >= 0),
    lines_added INTEGER NOT NULL CHECK (lines_added >= 0),
    lines_removed INTEGER NOT NULL CHECK (lines_removed >= 0),
    diff_size_bytes INTEGER NOT NULL CHECK (diff_size_bytes >= 0),
    PRIMARY KEY (attempt_id, number),
    UNIQUE (attempt_id, repository)
) STRICT;

-- What each worker says that it keeps. A row whose generation is not its environment's was reset.
CREATE TABLE snapshots (
    worker_id TEXT NOT NULL REFERENCES workers (id),
    key TEXT NOT NULL,
    -- As the worker says: the environment may be gone, or another server's.
    environment_id TEXT NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 0),
    reason TEXT NOT NULL,
    built_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    hits INTEGER NOT NULL CHECK (hits >= 0),
    in_use INTEGER NOT NULL CHECK (in_use >= 0),
    PRIMARY KEY (worker_id, key)
) STRICT;

-- How often each worker's snapshots were found, as it says.
CREATE TABLE snapshot_uses (
    worker_id TEXT NOT NULL REFERENCES workers (id),
    environment_id TEXT NOT NULL,
    hits INTEGER NOT NULL CHECK (hits >= 0),
    builds INTEGER NOT NULL CHECK (builds >= 0),
    PRIMARY KEY (worker_id, environment_id)
) STRICT;
