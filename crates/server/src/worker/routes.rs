//! The worker protocol over HTTP: reads the request, asks the [`WorkerApi`](outwork_api::worker::WorkerApi), writes the answer.

pub(crate) mod attempt;
pub(crate) mod enroll;
pub(crate) mod git;
pub(crate) mod life;
pub(crate) mod objects;

use std::sync::Arc;

use outwork_domain::principal::WorkerAccess;

use super::WorkerService;
use crate::http::permit::Permit;
use crate::plane::Plane;

fn service(plane: Arc<Plane>, Permit(access): &Permit<WorkerAccess>) -> WorkerService {
    WorkerService::new(plane, access)
}
