//! Publications: results as branches and pull requests.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod publish;
