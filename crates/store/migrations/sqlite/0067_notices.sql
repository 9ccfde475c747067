-- Which people are told of what, and where: of members for their own tasks, of environments for all of theirs.
-- migrations/postgres has the same under the same number.

CREATE TABLE notices (
    -- prn_… or env_….
    owner TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    -- JSON; never without a rule.
    settings TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- As with webhooks: servers keep in memory where somebody is to be told something.
CREATE TRIGGER notices_added AFTER INSERT ON notices BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER notices_removed AFTER DELETE ON notices BEGIN
    UPDATE settings SET version = version + 1;
END;
