-- Which files tasks are about, what attempts cost, and how long they ran.
-- migrations/sqlite has the same under the same number.

-- Kept as long as an ended task counts; the newest of what is said of each task.
CREATE TABLE task_paths (
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id),
    -- Who says it: the task (a person declared it), a turn (its prompt names it), or an attempt (it has changed it).
    origin TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    -- Host and path, whatever the protocol.
    repository TEXT COLLATE "C" NOT NULL,
    -- That the task started from there; NULL for a bare commit.
    branch TEXT COLLATE "C",
    -- Of a file; of a folder or a bare name, too, where it is only named.
    path TEXT COLLATE "C" NOT NULL,
    -- Its last part.
    name TEXT COLLATE "C" NOT NULL,
    certainty TEXT COLLATE "C" NOT NULL CHECK (certainty = 'named' OR certainty = 'touched'),
    at BIGINT NOT NULL,
    PRIMARY KEY (origin, repository, path)
);
CREATE INDEX task_paths_of_task ON task_paths (task_id);
CREATE INDEX task_paths_same ON task_paths (workspace_id, path, repository);
CREATE INDEX task_paths_called ON task_paths (workspace_id, name, repository);
CREATE INDEX task_paths_named ON task_paths (workspace_id, repository) WHERE certainty = 'named';
CREATE INDEX task_paths_old ON task_paths (at);

-- Tasks of whose results nobody wants to hear any more, until they have another turn.
CREATE TABLE task_dismissals (
    task_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tasks (id),
    dismissed_by TEXT COLLATE "C" NOT NULL REFERENCES principals (id),
    at BIGINT NOT NULL
);

-- JSON object: what a million tokens cost.
ALTER TABLE models ADD COLUMN prices TEXT COLLATE "C";
-- The same as it was when the attempt ended.
ALTER TABLE results ADD COLUMN prices TEXT COLLATE "C";

-- How long attempts were held is in their logs.
CREATE INDEX events_states ON events (attempt_id, seq) WHERE kind = 'state';
CREATE INDEX attempts_ended ON attempts (workspace_id, ended_at) WHERE ended_at IS NOT NULL;
