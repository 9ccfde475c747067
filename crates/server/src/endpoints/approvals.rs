//! What people say of results.

pub(crate) mod give;
pub(crate) mod list;
