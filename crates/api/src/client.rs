//! The typed client: JSON over HTTP, and events over SSE.

pub mod http;
pub mod sse;
pub mod tasks;
pub mod worker;

// pub use http::{Client, ClientError, Token};
