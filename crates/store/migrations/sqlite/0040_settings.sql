-- Which version of the settings holds: of what changes rarely and is asked for with every request. Servers keep it in memory, each thing
-- for one version, so every change of one of these tables has to raise it. Triggers do, so that no statement can forget it.
-- migrations/postgres has the same under the same number.

CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO settings (id, version) VALUES (1, 0);

CREATE TRIGGER workspaces_added AFTER INSERT ON workspaces BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER workspaces_changed AFTER UPDATE ON workspaces BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER workspaces_removed AFTER DELETE ON workspaces BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER principals_added AFTER INSERT ON principals BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER principals_changed AFTER UPDATE ON principals BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER principals_removed AFTER DELETE ON principals BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER tokens_added AFTER INSERT ON tokens BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER tokens_changed AFTER UPDATE ON tokens BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER tokens_removed AFTER DELETE ON tokens BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER worker_tokens_added AFTER INSERT ON worker_tokens BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER worker_tokens_changed AFTER UPDATE ON worker_tokens BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER worker_tokens_removed AFTER DELETE ON worker_tokens BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER environments_added AFTER INSERT ON environments BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER environments_changed AFTER UPDATE ON environments BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER environments_removed AFTER DELETE ON environments BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER environment_secrets_added AFTER INSERT ON environment_secrets BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER environment_secrets_changed AFTER UPDATE ON environment_secrets BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER environment_secrets_removed AFTER DELETE ON environment_secrets BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER environment_injections_added AFTER INSERT ON environment_injections BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER environment_injections_changed AFTER UPDATE ON environment_injections BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER environment_injections_removed AFTER DELETE ON environment_injections BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER models_added AFTER INSERT ON models BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER models_changed AFTER UPDATE ON models BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER models_removed AFTER DELETE ON models BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER credentials_added AFTER INSERT ON credentials BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER credentials_changed AFTER UPDATE ON credentials BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER credentials_removed AFTER DELETE ON credentials BEGIN
    UPDATE settings SET version = version + 1;
END;

CREATE TRIGGER worker_orders_added AFTER INSERT ON worker_orders BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER worker_orders_changed AFTER UPDATE ON worker_orders BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER worker_orders_removed AFTER DELETE ON worker_orders BEGIN
    UPDATE settings SET version = version + 1;
END;

-- Signs of life change a worker's row, too, all the time: they are no settings.
CREATE TRIGGER workers_added AFTER INSERT ON workers BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER workers_changed AFTER UPDATE OF name, slots, agents, isolation, labels, protocol_version, version, agent_versions ON workers
WHEN OLD.name IS NOT NEW.name
    OR OLD.slots IS NOT NEW.slots
    OR OLD.agents IS NOT NEW.agents
    OR OLD.isolation IS NOT NEW.isolation
    OR OLD.labels IS NOT NEW.labels
    OR OLD.protocol_version IS NOT NEW.protocol_version
    OR OLD.version IS NOT NEW.version
    OR OLD.agent_versions IS NOT NEW.agent_versions
BEGIN
    UPDATE settings SET version = version + 1;
END;
CREATE TRIGGER workers_removed AFTER DELETE ON workers BEGIN
    UPDATE settings SET version = version + 1;
END;

-- Whether the attempt may have a row in `checkpoints`: 0 says that it has none.
ALTER TABLE attempts ADD COLUMN has_checkpoint INTEGER NOT NULL DEFAULT 0 CHECK (has_checkpoint IN (0, 1));
UPDATE attempts SET has_checkpoint = 1 WHERE id IN (SELECT attempt_id FROM checkpoints);

-- The same constraints in other words: SQLite makes a temporary table for each `IN` of more than two values, at each row that is written.
-- What is stored does not change, so this is the way that https://www.sqlite.org/lang_altertable.html describes for constraints. It comes
-- after all that alters these tables.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(replace(replace(sql,
    'state IN (''queued'', ''held'', ''awaiting_input'', ''succeeded'', ''failed'', ''cancelled'')',
    'state = ''queued'' OR state = ''held'' OR state = ''awaiting_input'' OR state = ''succeeded'' OR state = ''failed'' OR state = ''cancelled'''),
    'step IN (''leased'', ''preparing'', ''setting_up'', ''running'', ''collecting'')',
    'step = ''leased'' OR step = ''preparing'' OR step = ''setting_up'' OR step = ''running'' OR step = ''collecting'''),
    'state IN (''queued'', ''held'', ''awaiting_input'')',
    'state = ''queued'' OR state = ''held'' OR state = ''awaiting_input'''),
    'state IN (''succeeded'', ''failed'', ''cancelled'')',
    'state = ''succeeded'' OR state = ''failed'' OR state = ''cancelled''')
    WHERE type = 'table' AND name = 'attempts';
UPDATE sqlite_schema SET sql = replace(sql, 'priority IN (0, 1, 2)', 'priority = 0 OR priority = 1 OR priority = 2')
    WHERE type = 'table' AND name = 'tasks';
PRAGMA writable_schema = RESET;
