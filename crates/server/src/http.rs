//! What surrounds each request: who asks, its number, what of it can be read, and how errors leave.

pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod envelope;
pub(crate) mod etag;
pub(crate) mod health;
pub(crate) mod idempotency;
pub mod openapi;
pub(crate) mod origin;
pub(crate) mod paging;
pub(crate) mod params;
pub(crate) mod permit;
pub(crate) mod router;
pub(crate) mod scope;
pub(crate) mod signpost;
pub(crate) mod sse;
