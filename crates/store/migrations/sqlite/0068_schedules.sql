-- Schedules, what became of each of their times, and tokens that may less than their member.
-- migrations/postgres has the same under the same number.

CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    created_by TEXT NOT NULL REFERENCES principals (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- The caller's name for the request that made it, and a hash of it.
    request_key TEXT,
    fingerprint BLOB CHECK (length(fingerprint) = 32),
    pattern TEXT NOT NULL CHECK (length(pattern) >= 1),
    time_zone TEXT NOT NULL CHECK (length(time_zone) >= 1),
    prompt TEXT NOT NULL CHECK (length(prompt) >= 1),
    branch TEXT,
    attempts INTEGER NOT NULL CHECK (attempts >= 1),
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
    kind TEXT NOT NULL CHECK (kind IN ('code', 'review')),
    missed TEXT NOT NULL CHECK (missed IN ('skip', 'once')),
    overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'queue', 'allow')),
    pull_request INTEGER NOT NULL CHECK (pull_request IN (0, 1)),
    -- The next time; NULL: it is paused.
    next_at INTEGER,
    paused_at INTEGER,
    -- Why the server paused it; NULL: somebody did.
    paused_why TEXT,
    CHECK ((next_at IS NULL) = (paused_at IS NOT NULL)),
    CHECK (paused_why IS NULL OR paused_at IS NOT NULL),
    CHECK ((request_key IS NULL) = (fingerprint IS NULL))
) STRICT;

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_of_workspace ON schedules (workspace_id, created_at, id);
CREATE UNIQUE INDEX schedules_requested ON schedules (created_by, request_key) WHERE request_key IS NOT NULL;

CREATE TABLE firings (
    id TEXT PRIMARY KEY,
    schedule_id TEXT NOT NULL REFERENCES schedules (id),
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    -- Who wanted it; NULL: the timetable.
    person_id TEXT REFERENCES principals (id),
    request_key TEXT,
    planned_at INTEGER NOT NULL,
    folded INTEGER NOT NULL CHECK (folded >= 0),
    made_at INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL,
    -- Raised at every claim; what a server says about it names it.
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    trouble TEXT,
    task_id TEXT REFERENCES tasks (id),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'following', 'working', 'started', 'skipped', 'refused')),
    due_at INTEGER,
    ended_at INTEGER,
    -- Skipped: why. Refused: the error's code.
    code TEXT,
    message TEXT,
    hint TEXT,
    CHECK ((due_at IS NULL) = (state IN ('started', 'skipped', 'refused'))),
    CHECK ((due_at IS NULL) = (ended_at IS NOT NULL)),
    CHECK ((code IS NOT NULL) = (state IN ('skipped', 'refused'))),
    CHECK (task_id IS NOT NULL OR state NOT IN ('following', 'started'))
) STRICT;

-- A time of a timetable is one firing.
CREATE UNIQUE INDEX firings_of_timetable ON firings (schedule_id, planned_at) WHERE person_id IS NULL;
CREATE UNIQUE INDEX firings_requested ON firings (schedule_id, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX firings_due ON firings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX firings_newest ON firings (schedule_id, made_at, id);

-- What a token may at most, words with spaces between them; NULL: whatever its member may.
ALTER TABLE tokens ADD COLUMN scopes TEXT CHECK (length(scopes) >= 1);
