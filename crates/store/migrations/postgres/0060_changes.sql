-- Which tasks of a workspace changed of late, for who follows them.
-- migrations/sqlite has the same under the same number.

CREATE INDEX tasks_changed ON tasks (workspace_id, updated_at);
