-- Agents of single attempts, and what speaks for each attempt of a turn.
-- migrations/sqlite has the same under the same number.

-- The attempt's own agent; all NULL: its environment's, as it is when a worker takes the attempt.
ALTER TABLE attempts ADD COLUMN agent TEXT;
ALTER TABLE attempts ADD COLUMN agent_command TEXT;
ALTER TABLE attempts ADD COLUMN agent_model TEXT;

-- A lane is also of one agent: a worker that has not all of an environment's agents takes what it can run.
-- The attempts' own agent; empty: the environment's.
ALTER TABLE lanes ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE lanes DROP CONSTRAINT lanes_environment_id_principal_id_priority_key;
ALTER TABLE lanes ADD CONSTRAINT lanes_of_agent UNIQUE (environment_id, principal_id, priority, agent);

-- How long the verify command may run.
ALTER TABLE environments ADD COLUMN verify_timeout_ms BIGINT NOT NULL DEFAULT 600000 CHECK (verify_timeout_ms > 0);

-- JSON object: what the verify command said, which files were changed, how long the agent took.
ALTER TABLE results ADD COLUMN evidence TEXT;

-- The number of the attempt that a person chose, who and when.
ALTER TABLE turns ADD COLUMN chosen_attempt BIGINT CHECK (chosen_attempt >= 1);
ALTER TABLE turns ADD COLUMN chosen_by TEXT COLLATE "C" REFERENCES principals (id);
ALTER TABLE turns ADD COLUMN chosen_at BIGINT;
