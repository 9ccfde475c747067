-- Tasks of a kind: most change code, and those that review it stand apart in lists.
-- migrations/sqlite has the same under the same number.

ALTER TABLE tasks ADD COLUMN kind TEXT NOT NULL DEFAULT 'code' CHECK (kind = 'code' OR kind = 'review');
-- They are few among many, and listed by themselves.
CREATE INDEX tasks_reviews ON tasks (workspace_id, created_at, id) WHERE kind = 'review';
