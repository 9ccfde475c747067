-- The session of an agent that a task was given; epochs after a restored backup.
-- migrations/sqlite has the same tables under the same number.

-- The key of its object.
ALTER TABLE tasks ADD COLUMN starting_session TEXT;

-- What the epoch of each new claim is above: claims that were made after a backup, which the restored store does not
-- know, have lower ones.
ALTER TABLE server ADD COLUMN epoch_floor BIGINT NOT NULL DEFAULT 0 CHECK (epoch_floor >= 0);
