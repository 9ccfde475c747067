-- Labels of workers, and which of them environments ask for.
-- migrations/postgres has the same tables under the same number.

-- JSON object: name to value.
ALTER TABLE workers ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
-- JSON object: the labels that a worker must have.
ALTER TABLE environments ADD COLUMN required_labels TEXT NOT NULL DEFAULT '{}';
