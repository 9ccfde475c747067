-- Attempts that have ended and may have objects that no row names.
-- migrations/sqlite has the same table under the same number.

CREATE TABLE collections (
    attempt_id TEXT PRIMARY KEY REFERENCES attempts (id),
    due_at BIGINT NOT NULL
);

CREATE INDEX collections_due ON collections (due_at);

-- Of those before nobody wrote it down.
INSERT INTO collections (attempt_id, due_at)
    SELECT id, 0 FROM attempts WHERE state IN ('succeeded', 'failed', 'cancelled');
