//! Writing for people: colours, and text made safe to show.

pub(crate) mod output;
pub(crate) mod pager;
pub(crate) mod plain;
pub(crate) mod style;
