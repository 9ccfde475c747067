-- Which people are told of what, and where: of members for their own tasks, of environments for all of theirs.
-- migrations/sqlite has the same under the same number.

CREATE TABLE notices (
    -- prn_… or env_….
    owner TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    -- JSON; never without a rule.
    settings TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- As with webhooks: servers keep in memory where somebody is to be told something.
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR DELETE ON notices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
