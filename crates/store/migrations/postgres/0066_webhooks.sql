-- Webhooks: addresses that are told what happens, and what happened and was not handed to them yet.
-- migrations/sqlite has the same under the same number.

CREATE TABLE webhooks (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    url TEXT NOT NULL CHECK (length(url) >= 1),
    -- What it is told: a JSON array of names. NULL: everything.
    kinds TEXT,
    -- The secret that signs, as the server sealed it.
    sealed BYTEA NOT NULL,
    -- The one before, which signs, too, until then.
    sealed_before BYTEA,
    before_until BIGINT,
    created_by TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Since when no delivery succeeded.
    failing_since BIGINT,
    disabled_at BIGINT,
    disabled_why TEXT CHECK (disabled_why IN ('paused', 'failing', 'gone')),
    CHECK ((sealed_before IS NULL) = (before_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
);
CREATE INDEX webhooks_of_workspace ON webhooks (workspace_id, created_at, id);

-- What happened in workspaces that have somebody to be told, written in the transaction in which it did. A row is gone as soon as
-- deliveries were made of it. For one task they are numbered in the order in which they happened: who writes one holds the task's row.
CREATE TABLE occurrences (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id),
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- A JSON object.
    data TEXT NOT NULL
);

-- The status that was told last, and the time of the last occurrence; NULL: nobody was there to be told.
ALTER TABLE tasks ADD COLUMN told_status TEXT;
ALTER TABLE tasks ADD COLUMN told_at BIGINT;

-- Servers keep in memory which workspaces have a webhook that is told something, so that the others' writes cost nothing.
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR DELETE ON webhooks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_said_anew AFTER UPDATE ON webhooks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.disabled_at IS DISTINCT FROM NEW.disabled_at)
    EXECUTE FUNCTION raise_settings_version();
