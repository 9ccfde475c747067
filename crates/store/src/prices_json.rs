//! The JSON in `models.prices` and `results.prices`.

use outwork_domain::cost::Prices;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::sql::Row;

#[derive(Serialize, Deserialize)]
struct Saved {
    currency: String,
    input: String,
    cached_input: String,
    output: String,
}

pub(crate) fn to_json(prices: &Prices) -> String {
    let Prices {
        currency,
        input,
        cached_input,
        output,
    } = prices;
    let saved = Saved {
        currency: currency.to_string(),
        input: input.to_string(),
        cached_input: cached_input.to_string(),
        output: output.to_string(),
    };
    serde_json::to_string(&saved).expect("texts are JSON")
}

/// The column `prices`.
pub(crate) fn read(row: &Row) -> Result<Option<Prices>, StoreError> {
    let Some(text) = row.opt_str("prices")? else {
        return Ok(None);
    };
    let prices = serde_json::from_str(text).ok().and_then(parsed);
    prices
        .map(Some)
        .ok_or_else(|| StoreError::corrupt("prices"))
}

fn parsed(saved: Saved) -> Option<Prices> {
    let Saved {
        currency,
        input,
        cached_input,
        output,
    } = saved;
    Some(Prices {
        currency: currency.parse().ok()?,
        input: input.parse().ok()?,
        cached_input: cached_input.parse().ok()?,
        output: output.parse().ok()?,
    })
}
