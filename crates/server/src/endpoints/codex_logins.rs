//! Logins for the stock client.

pub(crate) mod approve;
pub(crate) mod make;
pub(crate) mod revoke;
