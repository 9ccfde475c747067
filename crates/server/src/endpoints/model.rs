//! The model of a workspace.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod set;

use outwork_api::settings::Model;
use outwork_store::ModelRecord;

use crate::config::ModelDefault;
use crate::plane::Plane;

fn wire(record: ModelRecord) -> Model {
    let ModelRecord {
        base_url,
        name,
        sealed_key,
        context_window,
        updated_at,
    } = record;
    Model {
        base_url,
        name,
        has_api_key: sealed_key.is_some(),
        context_window,
        updated_at: updated_at.into(),
    }
}

fn wire_default(plane: &Plane, model: &ModelDefault) -> Model {
    let ModelDefault {
        base_url,
        name,
        api_key,
        context_window,
    } = model;
    Model {
        base_url: base_url.clone(),
        name: name.clone(),
        has_api_key: api_key.is_some(),
        context_window: *context_window,
        updated_at: plane.started_at.into(),
    }
}
