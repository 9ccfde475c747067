-- Results on their way to a branch and a pull request, and credentials that may write.
-- migrations/postgres has the same under the same number.

CREATE TABLE publications (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    task_id TEXT NOT NULL REFERENCES tasks (id),
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    repository TEXT NOT NULL,
    created_by TEXT NOT NULL REFERENCES principals (id),
    created_at INTEGER NOT NULL,
    -- While no server runs it stands still: read plus what server.away_ms is more than away_ms here.
    deadline_at INTEGER NOT NULL,
    away_ms INTEGER NOT NULL,
    -- The caller's name for the request, and a hash of it.
    request_key TEXT,
    fingerprint BLOB CHECK (length(fingerprint) = 32),
    branch TEXT NOT NULL CHECK (length(branch) >= 1),
    base TEXT,
    title TEXT,
    body TEXT,
    draft INTEGER NOT NULL CHECK (draft IN (0, 1)),
    author TEXT,
    state TEXT NOT NULL CHECK (state IN ('queued', 'publishing', 'published', 'failed')),
    -- Queued: not taken before. Publishing: another server may take it from then on.
    due_at INTEGER,
    -- Raised at every claim; what a server says about it names it.
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    -- What is pushed, or about to be.
    commit_id TEXT,
    -- Queued: what it waits for to pass. Published: a note. Failed: why.
    message TEXT,
    failure_code TEXT,
    failure_hint TEXT,
    pull_request_url TEXT,
    pull_request_number INTEGER,
    pull_request_state TEXT,
    ended_at INTEGER,
    CHECK ((due_at IS NULL) = (state IN ('published', 'failed'))),
    CHECK ((ended_at IS NOT NULL) = (state IN ('published', 'failed'))),
    CHECK ((failure_code IS NOT NULL) = (state = 'failed')),
    CHECK (state = 'published' OR pull_request_url IS NULL),
    CHECK ((pull_request_url IS NULL) = (pull_request_number IS NULL)),
    CHECK ((pull_request_url IS NULL) = (pull_request_state IS NULL)),
    CHECK ((request_key IS NULL) = (fingerprint IS NULL))
) STRICT;

CREATE INDEX publications_due ON publications (due_at) WHERE due_at IS NOT NULL;
-- One at a time: the next continues the branch of the one before.
CREATE UNIQUE INDEX publications_under_way ON publications (task_id, repository) WHERE due_at IS NOT NULL;
CREATE INDEX publications_of_task ON publications (task_id, created_at);
CREATE UNIQUE INDEX publications_requested ON publications (task_id, created_by, request_key) WHERE request_key IS NOT NULL;

-- The same table, with two more kinds.
CREATE TABLE credentials_with_push (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    scope TEXT NOT NULL CHECK (length(scope) >= 1),
    kind TEXT NOT NULL CHECK (kind IN ('token', 'ssh_key', 'push_token', 'push_ssh_key')),
    username TEXT,
    sealed BLOB NOT NULL CHECK (length(sealed) >= 1),
    updated_at INTEGER NOT NULL,
    UNIQUE (workspace_id, scope, kind),
    CHECK (username IS NULL OR kind IN ('token', 'push_token'))
) STRICT;
INSERT INTO credentials_with_push (id, workspace_id, scope, kind, username, sealed, updated_at)
    SELECT id, workspace_id, scope, kind, username, sealed, updated_at FROM credentials;
-- Its triggers go with it.
DROP TABLE credentials;
ALTER TABLE credentials_with_push RENAME TO credentials;

CREATE TRIGGER credentials_added AFTER INSERT ON credentials BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER credentials_changed AFTER UPDATE ON credentials BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER credentials_removed AFTER DELETE ON credentials BEGIN
    UPDATE settings SET version = version + 1;
END;
