//! The model of a workspace.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod set;

use outwork_api::settings::{Model, Prices};
use outwork_domain::cost;
use outwork_store::ModelRecord;

use crate::config::ModelDefault;
use crate::plane::Plane;

fn wire(record: ModelRecord) -> Model {
    let ModelRecord {
        base_url,
        name,
        sealed_key,
        context_window,
        prices,
        updated_at,
    } = record;
    Model {
        base_url,
        name,
        has_api_key: sealed_key.is_some(),
        context_window,
        prices: prices.map(wire_prices),
        updated_at: updated_at.into(),
    }
}

fn wire_prices(prices: cost::Prices) -> Prices {
    let cost::Prices {
        currency,
        input,
        cached_input,
        output,
    } = prices;
    Prices {
        currency: currency.to_string(),
        input_per_million: input.to_string(),
        cached_input_per_million: Some(cached_input.to_string()),
        output_per_million: output.to_string(),
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
        prices: None,
        updated_at: plane.started_at.into(),
    }
}
