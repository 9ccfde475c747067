-- Agents of single attempts, and what speaks for each attempt of a turn.
-- migrations/postgres has the same under the same number.

-- The attempt's own agent; all NULL: its environment's, as it is when a worker takes the attempt.
ALTER TABLE attempts ADD COLUMN agent TEXT;
ALTER TABLE attempts ADD COLUMN agent_command TEXT;
ALTER TABLE attempts ADD COLUMN agent_model TEXT;

-- A lane is also of one agent: a worker that has not all of an environment's agents takes what it can run. A unique key cannot be
-- altered, so the table is made anew under its name; the foreign keys into it are looked at when all rows are back.
PRAGMA defer_foreign_keys = ON;
CREATE INDEX attempts_of_lane_for_now ON attempts (lane);
CREATE TABLE lanes_before AS SELECT id, workspace_id, environment_id, principal_id, priority FROM lanes;
DROP TABLE lanes;
CREATE TABLE lanes (
    id INTEGER PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- Who asked for the turn.
    principal_id TEXT NOT NULL REFERENCES principals (id),
    -- 0: low, 1: normal, 2: high.
    priority INTEGER NOT NULL CHECK (priority IN (0, 1, 2)),
    -- The attempts' own agent; empty: the environment's.
    agent TEXT NOT NULL DEFAULT '',
    UNIQUE (environment_id, principal_id, priority, agent)
) STRICT;
INSERT INTO lanes (id, workspace_id, environment_id, principal_id, priority)
    SELECT id, workspace_id, environment_id, principal_id, priority FROM lanes_before;
DROP TABLE lanes_before;
DROP INDEX attempts_of_lane_for_now;

-- How long the verify command may run.
ALTER TABLE environments ADD COLUMN verify_timeout_ms INTEGER NOT NULL DEFAULT 600000 CHECK (verify_timeout_ms > 0);

-- JSON object: what the verify command said, which files were changed, how long the agent took.
ALTER TABLE results ADD COLUMN evidence TEXT;

-- The number of the attempt that a person chose, who and when.
ALTER TABLE turns ADD COLUMN chosen_attempt INTEGER CHECK (chosen_attempt >= 1);
ALTER TABLE turns ADD COLUMN chosen_by TEXT REFERENCES principals (id);
ALTER TABLE turns ADD COLUMN chosen_at INTEGER;
