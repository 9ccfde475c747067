-- How long no server ran.
-- migrations/postgres has the same column under the same number.

-- In milliseconds, all in all. Leases, deadlines and graces stand still meanwhile: the columns lease_until, deadline_at,
-- due_at and cancel_since of attempts hold their times less what this was when they were written, and mean them plus
-- what it is now.
ALTER TABLE server ADD COLUMN away_ms INTEGER NOT NULL DEFAULT 0 CHECK (away_ms >= 0);
