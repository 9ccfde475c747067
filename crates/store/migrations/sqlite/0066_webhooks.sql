-- Webhooks: addresses that are told what happens, and what happened and was not handed to them yet.
-- migrations/postgres has the same under the same number.

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    url TEXT NOT NULL CHECK (length(url) >= 1),
    -- What it is told: a JSON array of names. NULL: everything.
    kinds TEXT,
    -- The secret that signs, as the server sealed it.
    sealed BLOB NOT NULL,
    -- The one before, which signs, too, until then.
    sealed_before BLOB,
    before_until INTEGER,
    created_by TEXT NOT NULL REFERENCES principals (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Since when no delivery succeeded.
    failing_since INTEGER,
    disabled_at INTEGER,
    disabled_why TEXT CHECK (disabled_why IN ('paused', 'failing', 'gone')),
    CHECK ((sealed_before IS NULL) = (before_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
) STRICT;
CREATE INDEX webhooks_of_workspace ON webhooks (workspace_id, created_at, id);

-- What happened in workspaces that have somebody to be told, written in the transaction in which it did. A row is gone as soon as
-- deliveries were made of it. For one task they are numbered in the order in which they happened.
CREATE TABLE occurrences (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    task_id TEXT NOT NULL REFERENCES tasks (id),
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- A JSON object.
    data TEXT NOT NULL
) STRICT;

-- The status that was told last, and the time of the last occurrence; NULL: nobody was there to be told.
ALTER TABLE tasks ADD COLUMN told_status TEXT;
ALTER TABLE tasks ADD COLUMN told_at INTEGER;

-- Servers keep in memory which workspaces have a webhook that is told something, so that the others' writes cost nothing.
CREATE TRIGGER webhooks_added AFTER INSERT ON webhooks BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER webhooks_changed AFTER UPDATE OF disabled_at ON webhooks
WHEN OLD.disabled_at IS NOT NEW.disabled_at
BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER webhooks_removed AFTER DELETE ON webhooks BEGIN
    UPDATE settings SET version = version + 1;
END;
