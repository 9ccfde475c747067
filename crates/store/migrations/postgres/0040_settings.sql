-- Which version of the settings holds: of what changes rarely and is asked for with every request. Servers keep it in memory, each thing
-- for one version, so every change of one of these tables has to raise it. Triggers do, so that no statement can forget it.
-- migrations/sqlite has the same under the same number.

CREATE TABLE settings (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO settings (id, version) VALUES (1, 0);

CREATE FUNCTION raise_settings_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE settings SET version = version + 1;
    RETURN NULL;
END
$$;

-- At the end of each transaction: the row of the version is the last that it locks, so that two never wait for each other.
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON workspaces
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON principals
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON tokens
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON worker_tokens
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON environments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON environment_secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON environment_injections
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON models
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON credentials
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON worker_orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();

-- Signs of life change a worker's row, too, all the time: they are no settings.
CREATE CONSTRAINT TRIGGER settings_changed AFTER INSERT OR DELETE ON workers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version();
CREATE CONSTRAINT TRIGGER settings_said_anew AFTER UPDATE ON workers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name
        OR OLD.slots IS DISTINCT FROM NEW.slots
        OR OLD.agents IS DISTINCT FROM NEW.agents
        OR OLD.isolation IS DISTINCT FROM NEW.isolation
        OR OLD.labels IS DISTINCT FROM NEW.labels
        OR OLD.protocol_version IS DISTINCT FROM NEW.protocol_version
        OR OLD.version IS DISTINCT FROM NEW.version
        OR OLD.agent_versions IS DISTINCT FROM NEW.agent_versions)
    EXECUTE FUNCTION raise_settings_version();

-- Whether the attempt may have a row in `checkpoints`: 0 says that it has none.
ALTER TABLE attempts ADD COLUMN has_checkpoint BIGINT NOT NULL DEFAULT 0 CHECK (has_checkpoint IN (0, 1));
UPDATE attempts SET has_checkpoint = 1 WHERE id IN (SELECT attempt_id FROM checkpoints);
