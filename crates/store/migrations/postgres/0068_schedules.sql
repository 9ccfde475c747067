-- Schedules, what became of each of their times, and tokens that may less than their member.
-- migrations/sqlite has the same under the same number.

CREATE TABLE schedules (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    created_by TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- The caller's name for the request that made it, and a hash of it.
    request_key TEXT COLLATE "C",
    fingerprint BYTEA CHECK (length(fingerprint) = 32),
    pattern TEXT NOT NULL CHECK (length(pattern) >= 1),
    time_zone TEXT NOT NULL CHECK (length(time_zone) >= 1),
    prompt TEXT NOT NULL CHECK (length(prompt) >= 1),
    branch TEXT,
    attempts BIGINT NOT NULL CHECK (attempts >= 1),
    priority BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 2),
    kind TEXT NOT NULL CHECK (kind IN ('code', 'review')),
    missed TEXT NOT NULL CHECK (missed IN ('skip', 'once')),
    overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'queue', 'allow')),
    pull_request BIGINT NOT NULL CHECK (pull_request IN (0, 1)),
    -- The next time; NULL: it is paused.
    next_at BIGINT,
    paused_at BIGINT,
    -- Why the server paused it; NULL: somebody did.
    paused_why TEXT,
    CHECK ((next_at IS NULL) = (paused_at IS NOT NULL)),
    CHECK (paused_why IS NULL OR paused_at IS NOT NULL),
    CHECK ((request_key IS NULL) = (fingerprint IS NULL))
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_of_workspace ON schedules (workspace_id, created_at, id);
CREATE UNIQUE INDEX schedules_requested ON schedules (created_by, request_key) WHERE request_key IS NOT NULL;

CREATE TABLE firings (
    id TEXT COLLATE "C" PRIMARY KEY,
    schedule_id TEXT COLLATE "C" NOT NULL REFERENCES schedules (id),
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    -- Who wanted it; NULL: the timetable.
    person_id TEXT COLLATE "C" REFERENCES principals (id),
    request_key TEXT COLLATE "C",
    planned_at BIGINT NOT NULL,
    folded BIGINT NOT NULL CHECK (folded >= 0),
    made_at BIGINT NOT NULL,
    deadline_at BIGINT NOT NULL,
    -- Raised at every claim; what a server says about it names it.
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    trouble TEXT,
    task_id TEXT COLLATE "C" REFERENCES tasks (id),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'following', 'working', 'started', 'skipped', 'refused')),
    due_at BIGINT,
    ended_at BIGINT,
    -- Skipped: why. Refused: the error's code.
    code TEXT,
    message TEXT,
    hint TEXT,
    CHECK ((due_at IS NULL) = (state IN ('started', 'skipped', 'refused'))),
    CHECK ((due_at IS NULL) = (ended_at IS NOT NULL)),
    CHECK ((code IS NOT NULL) = (state IN ('skipped', 'refused'))),
    CHECK (task_id IS NOT NULL OR state NOT IN ('following', 'started'))
);

-- A time of a timetable is one firing.
CREATE UNIQUE INDEX firings_of_timetable ON firings (schedule_id, planned_at) WHERE person_id IS NULL;
CREATE UNIQUE INDEX firings_requested ON firings (schedule_id, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX firings_due ON firings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX firings_newest ON firings (schedule_id, made_at, id);

-- What a token may at most, words with spaces between them; NULL: whatever its member may.
ALTER TABLE tokens ADD COLUMN scopes TEXT CHECK (length(scopes) >= 1);
