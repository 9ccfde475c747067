//! Named places where the crash suite makes a process die, stand still or be refused.
//!
//! Without the feature `armed` every function here is empty: the shipped binary has no failure points. `tests/crash` builds a binary of
//! its own with them, and says in [`VARIABLE`] which of them fire. [docs/crash-suite.md](../../../docs/crash-suite.md) lists them.
//!
//! ```text
//! OUTWORK_FAILPOINTS=store.commit.before=kill@3;worker.diff.before=delay:1500@1;clock=/path/to/offset_ms
//! ```
//!
//! `@N` means the Nth time that a process comes to the place; each fires once. What fired is a line on standard error:
//! name, what was done, and of a file its path.

#[cfg(feature = "armed")]
mod armed;
#[cfg(feature = "armed")]
pub use armed::{arm, clock_offset_ms, pass, refuses, refuses_to_write};

/// The variable that says what fires.
pub const VARIABLE: &str = "OUTWORK_FAILPOINTS";
/// How the line on standard error begins that tells what fired: followed by the name and what was done.
pub const FIRED: &str = "failpoint fired: ";

#[cfg(not(feature = "armed"))]
mod none {
    /// Takes what [`VARIABLE`](crate::VARIABLE) says. Once, at the start of the process.
    #[inline(always)]
    pub fn arm(_text: impl FnOnce() -> Option<String>) {}

    /// The process comes to this place: it may be killed or stand still for a while.
    #[inline(always)]
    pub fn pass(_name: &'static str) {}

    /// The process comes to this place; whether what it is about to do has to fail.
    #[inline(always)]
    #[must_use]
    pub fn refuses(_name: &'static str) -> bool {
        false
    }

    /// The process is about to write to the file; whether it has to fail.
    #[inline(always)]
    #[must_use]
    pub fn refuses_to_write(_name: &'static str, _file: &std::fs::File) -> bool {
        false
    }

    /// By how much the wall clock is wrong, in milliseconds.
    #[inline(always)]
    #[must_use]
    pub fn clock_offset_ms() -> i64 {
        0
    }
}
#[cfg(not(feature = "armed"))]
pub use none::{arm, clock_offset_ms, pass, refuses, refuses_to_write};
