-- The JSON Schema that the answer of a turn has to match.
-- migrations/sqlite has the same column under the same number.

-- As JSON.
ALTER TABLE turns ADD COLUMN output_schema TEXT;
