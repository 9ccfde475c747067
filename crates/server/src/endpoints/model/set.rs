//! Sets the model.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use outwork_api::secret::Secret;
use outwork_api::settings::{Model, NewModel, Prices};
use outwork_domain::cost::{self, InvalidCurrency, InvalidPrice};
use outwork_domain::principal::Admin;
use outwork_store::ModelRecord;

use super::wire;
use crate::http::body::Body;
use crate::http::openapi::{Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::seal::Place;

const CONTEXT_WINDOW: u64 = 128_000;
const MAX_CONTEXT_WINDOW: u64 = 100_000_000;
const MAX_TEXT_BYTES: usize = 2048;
const PLAIN_HTTP: &str = "299 outwork \"the model's address is plain http: the key and all prompts can be read on the way; use https\"";

/// Sets the model of the workspace. The key is stored sealed and never shown again; `""` removes it, and left out it stays, unless the address
/// changes to another server: a key is not sent to a server that it was not given for.
#[utoipa::path(put, path = "/model", operation_id = "setModel", tag = "settings", request_body = NewModel,
    responses((status = 200, description = "Set.", body = Model,
            headers(("Warning" = String, description = "Present when the address is plain http and not of this machine."))),
        Refusals, Unacceptable))]
pub(crate) async fn set(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Body(new): Body<NewModel>,
) -> Result<Response, Refusal> {
    plane.need_space()?;
    let workspace = member.workspace_id();
    let address = check(&new)?;
    let NewModel {
        base_url,
        name,
        api_key,
        context_window,
        prices,
    } = new;
    let prices = prices.map(checked_prices).transpose()?;
    let sealed_key = match api_key {
        Some(key) if key.reveal().is_empty() => None,
        Some(key) => Some(plane.close(key.reveal(), Place::ModelKey(workspace))),
        None => kept_key(plane.store.model(workspace).await?, &address)?,
    };
    let record = ModelRecord {
        base_url: base_url.trim_end_matches('/').to_owned(),
        name,
        sealed_key,
        context_window: context_window.unwrap_or(CONTEXT_WINDOW),
        prices,
        updated_at: plane.now(),
    };
    plane.store.set_model(workspace, record.clone()).await?;
    let mut response = Json(wire(record)).into_response();
    if address.scheme_str() == Some("http") && !is_loopback(&address) {
        tracing::warn!(%workspace, "the model's address is plain http and not of this machine");
        response.headers_mut().insert(
            HeaderName::from_static("warning"),
            HeaderValue::from_static(PLAIN_HTTP),
        );
    }
    Ok(response)
}

fn check(new: &NewModel) -> Result<Uri, Refusal> {
    let wrong = |detail: &str| Refusal::field("/base_url", detail);
    let address: Uri = new
        .base_url
        .parse()
        .map_err(|_| wrong("is not an address; give one such as https://host/v1"))?;
    let scheme = address.scheme_str().unwrap_or("");
    if !matches!(scheme, "http" | "https")
        || address.host().is_none_or(str::is_empty)
        || new.base_url.len() > MAX_TEXT_BYTES
    {
        return Err(wrong(
            "must be an http or https address with a host, such as https://host/v1",
        ));
    }
    if address
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
        || address.query().is_some()
    {
        return Err(wrong(
            "must hold neither a user, a password nor a query; give the key as `api_key`",
        ));
    }
    if new.name.trim().is_empty()
        || new.name.len() > MAX_TEXT_BYTES
        || new.name.chars().any(char::is_control)
    {
        return Err(Refusal::field(
            "/name",
            "is empty, too long or holds control characters; give the name that the endpoint knows",
        ));
    }
    let unsendable = |key: &Secret| {
        let key = key.reveal();
        key.len() > MAX_TEXT_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if new.api_key.as_ref().is_some_and(unsendable) {
        return Err(Refusal::field(
            "/api_key",
            "holds spaces, line ends or other characters that no key has",
        ));
    }
    if new
        .context_window
        .is_some_and(|tokens| tokens == 0 || tokens > MAX_CONTEXT_WINDOW)
    {
        return Err(Refusal::field(
            "/context_window",
            format!("must be 1 to {MAX_CONTEXT_WINDOW} tokens"),
        ));
    }
    Ok(address)
}

fn checked_prices(prices: Prices) -> Result<cost::Prices, Refusal> {
    let Prices {
        currency,
        input_per_million,
        cached_input_per_million,
        output_per_million,
    } = prices;
    let currency = currency.parse();
    let currency = currency
        .map_err(|fault: InvalidCurrency| Refusal::field("/prices/currency", fault.to_string()))?;
    let price = |name: &str, text: &str| {
        let price = text.parse();
        price.map_err(|fault: InvalidPrice| {
            Refusal::field(&format!("/prices/{name}"), fault.to_string())
        })
    };
    let input = price("input_per_million", &input_per_million)?;
    let cached_input = match cached_input_per_million {
        Some(cached) => price("cached_input_per_million", &cached)?,
        None => input,
    };
    Ok(cost::Prices {
        currency,
        input,
        cached_input,
        output: price("output_per_million", &output_per_million)?,
    })
}

fn kept_key(old: Option<ModelRecord>, address: &Uri) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(ModelRecord {
        base_url,
        sealed_key: Some(key),
        ..
    }) = old
    else {
        return Ok(None);
    };
    let server = |address: &Uri| (address.scheme().cloned(), address.authority().cloned());
    match base_url.parse::<Uri>() {
        Ok(old) if server(&old) == server(address) => Ok(Some(key)),
        Ok(_) | Err(_) => Err(Refusal::field(
            "/api_key",
            "is needed again: the key that is set belongs to another server",
        )
        .with_hint("Give the key of the new server, or \"\" for none.")),
    }
}

fn is_loopback(address: &Uri) -> bool {
    let host = address.host().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
