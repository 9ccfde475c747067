//! Programs that try to get out of the sandbox, run as an agent would run them: each must be contained, whatever backend
//! makes the sandbox and whoever runs the worker. `tests/escape` has the programs, `docs/escape-suite.md` says more.

mod contained;
mod control;
mod documents;
mod suite;
mod verdict;
