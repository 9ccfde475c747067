-- What people tell an attempt, and what it had done by its last checkpoint.
-- migrations/sqlite has the same tables under the same number.

-- Whether the agent may ask and wait for an answer.
ALTER TABLE tasks ADD COLUMN interactive BIGINT NOT NULL DEFAULT 1 CHECK (interactive IN (0, 1));

CREATE TABLE messages (
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    kind TEXT NOT NULL CHECK (kind IN ('steer', 'interrupt', 'answer')),
    body TEXT NOT NULL,
    -- What an answer is to.
    question TEXT,
    created_by TEXT NOT NULL REFERENCES principals (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (attempt_id, number),
    CHECK ((kind = 'answer') = (question IS NOT NULL))
);

-- Until the attempt ends or hands in a result.
CREATE TABLE checkpoints (
    attempt_id TEXT PRIMARY KEY REFERENCES attempts (id),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    -- 1, 2, … within the claim.
    number BIGINT NOT NULL CHECK (number >= 1),
    -- JSON object: what a row of results and its result_diffs would say.
    result TEXT NOT NULL
);
