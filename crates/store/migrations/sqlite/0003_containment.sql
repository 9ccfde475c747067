-- What agents may reach and use, header injections, and how workers isolate.
-- migrations/postgres has the same tables under the same number.

-- JSON object: what the agent may reach.
ALTER TABLE environments ADD COLUMN network TEXT NOT NULL DEFAULT '{"mode":"off"}';
-- JSON object: the limits that are set.
ALTER TABLE environments ADD COLUMN resources TEXT NOT NULL DEFAULT '{}';
ALTER TABLE environments ADD COLUMN nested_namespaces INTEGER NOT NULL DEFAULT 0 CHECK (nested_namespaces IN (0, 1));
-- NULL: no limit.
ALTER TABLE environments ADD COLUMN max_tokens INTEGER CHECK (max_tokens >= 1);

-- NULL: registered before workers said it; it has to register anew.
ALTER TABLE workers ADD COLUMN isolation TEXT;

-- How the worker of the newest claim isolates; NULL before the first, and in older rows.
ALTER TABLE attempts ADD COLUMN isolation TEXT;

CREATE TABLE environment_injections (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    host TEXT NOT NULL CHECK (length(host) >= 1),
    header TEXT NOT NULL CHECK (length(header) >= 1),
    -- Sealed by the server; the store cannot read it.
    sealed BLOB NOT NULL CHECK (length(sealed) >= 1),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, host, header)
) STRICT;
