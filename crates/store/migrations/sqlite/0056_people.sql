-- Members with roles, what they said about results, and who did what.
-- migrations/postgres has the same under the same number.

-- Who was here before may do what they could. Of a worker the role says nothing: it is no member.
ALTER TABLE principals ADD COLUMN role TEXT NOT NULL DEFAULT 'admin'
    CHECK (role IN ('admin', 'member', 'reviewer', 'viewer'));
-- A member who is gone: no token speaks for it, and its name stays with what it did.
ALTER TABLE principals ADD COLUMN deactivated_at INTEGER;
CREATE INDEX principals_members ON principals (workspace_id) WHERE kind <> 'worker';
-- What a token that was made for a member is for. Those without are of the server's set-up, of clients that signed in, or of workers.
ALTER TABLE tokens ADD COLUMN label TEXT CHECK (length(label) >= 1);
CREATE INDEX tokens_of_principal ON tokens (principal_id);

-- How many people have to approve a result before it is published.
ALTER TABLE environments ADD COLUMN approvals INTEGER NOT NULL DEFAULT 0 CHECK (approvals BETWEEN 0 AND 2);

CREATE TABLE comments (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    task_id TEXT NOT NULL REFERENCES tasks (id),
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    repository TEXT NOT NULL,
    path TEXT NOT NULL CHECK (length(path) >= 1),
    side TEXT NOT NULL CHECK (side IN ('old', 'new')),
    -- NULL: it is about the file.
    line INTEGER CHECK (line >= 1),
    end_line INTEGER CHECK (end_line >= line),
    -- The lines as the diff has them.
    excerpt TEXT NOT NULL,
    body TEXT NOT NULL CHECK (length(body) >= 1),
    created_by TEXT NOT NULL REFERENCES principals (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    resolved_at INTEGER,
    -- The turn whose prompt it is a part of.
    sent_in TEXT REFERENCES turns (id),
    CHECK ((line IS NULL) = (end_line IS NULL))
) STRICT;
CREATE INDEX comments_of_task ON comments (task_id, created_at, id);

-- What each person says of an attempt's diff now; what was withdrawn is gone.
CREATE TABLE approvals (
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    principal_id TEXT NOT NULL REFERENCES principals (id),
    task_id TEXT NOT NULL REFERENCES tasks (id),
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
    body TEXT,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (attempt_id, principal_id)
) STRICT;
CREATE INDEX approvals_of_task ON approvals (task_id);

-- Which changes of a file somebody has seen: a SHA-256 of the file's part of the diff, whichever attempt has it.
CREATE TABLE viewed (
    task_id TEXT NOT NULL REFERENCES tasks (id),
    principal_id TEXT NOT NULL REFERENCES principals (id),
    repository TEXT NOT NULL,
    patch BLOB NOT NULL CHECK (length(patch) = 32),
    viewed_at INTEGER NOT NULL,
    PRIMARY KEY (task_id, principal_id, repository, patch)
) STRICT;

-- Who did what, on what, and when.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    at INTEGER NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principals (id),
    -- The method and the route that was called.
    action TEXT NOT NULL,
    -- The address, which names it.
    object TEXT NOT NULL
) STRICT;
CREATE INDEX audit_newest ON audit (workspace_id, at, id);
