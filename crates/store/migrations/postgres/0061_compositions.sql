-- Turns that make one result of parts of attempts' results, and run no agent.
-- migrations/sqlite has the same under the same number.

-- A JSON object: what is taken, and whether it is verified. NULL: the turn is a prompt.
ALTER TABLE turns ADD COLUMN composition TEXT;
