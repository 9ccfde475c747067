-- Sign-ins of the stock client by a code that is typed elsewhere.
-- migrations/sqlite has the same table under the same number.

CREATE TABLE device_logins (
    -- SHA-256 of what the client polls with.
    hash BYTEA PRIMARY KEY CHECK (length(hash) = 32),
    -- What its person types elsewhere.
    user_code TEXT COLLATE "C" NOT NULL UNIQUE,
    expires_at BIGINT NOT NULL,
    -- Whose it is, once that was done. A login that was exchanged for a token is gone.
    approved_by TEXT COLLATE "C" REFERENCES principals (id)
);
