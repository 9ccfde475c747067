-- Fair scheduling: attempts wait in lanes, and an environment may limit how many run at once.
-- migrations/postgres has the same tables under the same number.

-- What a lane's attempts have in common. Rows are only ever added.
CREATE TABLE lanes (
    id INTEGER PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- Who asked for the turn.
    principal_id TEXT NOT NULL REFERENCES principals (id),
    -- 0: low, 1: normal, 2: high.
    priority INTEGER NOT NULL CHECK (priority IN (0, 1, 2)),
    UNIQUE (environment_id, principal_id, priority)
) STRICT;

ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 1 CHECK (priority IN (0, 1, 2));
ALTER TABLE environments ADD COLUMN max_concurrent INTEGER CHECK (max_concurrent >= 1);

ALTER TABLE attempts ADD COLUMN lane INTEGER REFERENCES lanes (id);
INSERT INTO lanes (workspace_id, environment_id, principal_id, priority)
    SELECT DISTINCT t.workspace_id, t.environment_id, u.created_by, 1
    FROM turns u JOIN tasks t ON t.id = u.task_id;
UPDATE attempts SET lane = (SELECT l.id FROM turns u, tasks t, lanes l
    WHERE u.id = attempts.turn_id AND t.id = attempts.task_id
    AND l.environment_id = t.environment_id AND l.principal_id = u.created_by);

DROP INDEX attempts_claimable;
-- Within a lane in the order in which they were made, also those that a worker gave back.
CREATE INDEX attempts_waiting ON attempts (lane, created_at, id, visible_at) WHERE state = 'queued';
CREATE INDEX attempts_held_of_lane ON attempts (lane) WHERE state = 'held';
