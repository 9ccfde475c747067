//! Shows what was used within a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use outwork_api::Time;
use outwork_api::problem::Code;
use outwork_api::usage::{Usage, UsageBy, UsageItem};
use outwork_domain::Timestamp;
use outwork_domain::principal::Viewer;
use outwork_store::UsedAttempt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::sum::Sum;
use crate::http::openapi::Refusals;
use crate::http::params::Params;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far back it goes when nothing is said.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// All of it is read for each answer.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Which usage.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Attempts that ended then or later: a time (RFC 3339), or a day (`2026-11-01`), UTC; 30 days before `to` when left out.
    from: Option<String>,
    /// And before: a time; or a day, which is part of it; now when left out. At most 400 days after `from`.
    to: Option<String>,
    /// By what it is told apart.
    #[param(inline)]
    by: Option<UsageBy>,
}

/// Shows what attempts used that ended within a time: tokens, cost, and how long workers held them.
#[utoipa::path(get, path = "/usage", operation_id = "getUsage", tag = "settings", params(Query),
    responses((status = 200, description = "What was used.", body = Usage), Refusals))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Params(query): Params<Query>,
) -> Result<Json<Usage>, Refusal> {
    let Query { from, to, by } = query;
    // What ended in this very moment is part of it.
    let now = plane.now() + Duration::from_millis(1);
    let to = match to.as_deref() {
        Some(to) => time("to", to, DAY)?,
        None => now,
    };
    let from = match from.as_deref() {
        Some(from) => time("from", from, Duration::ZERO)?,
        None => to - USUAL,
    };
    if from >= to || to.since(from) > LONGEST {
        return Err(Refusal::new(
            Code::InvalidRequest,
            "`from` must be before `to`, by at most 400 days.",
        ));
    }
    let by = by.unwrap_or_default();
    let (mut total, mut parts) = (Sum::default(), BTreeMap::<String, (String, Sum)>::new());
    let mut after = None;
    loop {
        let page = plane
            .store
            .used_attempts(member.workspace_id(), (from, to), after)
            .await?;
        let Some(last) = page.last() else { break };
        after = Some((last.ended_at, last.attempt_id));
        for used in &page {
            total.add(used);
            let (key, label) = part(by, used);
            let (_, sum) = parts.entry(key).or_insert((label, Sum::default()));
            sum.add(used);
        }
    }
    let mut items: Vec<UsageItem> = parts
        .into_iter()
        .map(|(key, (label, sum))| UsageItem {
            key,
            label,
            sum: sum.wire(),
        })
        .collect();
    if by != UsageBy::Day {
        items.sort_by_key(|item| {
            let tokens = item.sum.tokens;
            let used = tokens.input.saturating_add(tokens.output);
            std::cmp::Reverse((used, item.sum.sandbox_seconds))
        });
    }
    Ok(Json(Usage {
        from: from.into(),
        to: to.into(),
        by: by.as_str().to_owned(),
        items,
        total: total.wire(),
    }))
}

/// A time; a day is its beginning and `more`.
fn time(name: &str, text: &str, more: Duration) -> Result<Timestamp, Refusal> {
    let is_day = text.len() == "2026-11-01".len();
    let whole = match is_day {
        true => format!("{text}T00:00:00Z"),
        false => text.to_owned(),
    };
    let time: Result<Time, _> = serde_json::from_value(serde_json::Value::String(whole));
    let time = time.map_err(|_| {
        let detail =
            format!("`{name}` is no time; give one such as 2026-11-01T00:00:00Z or 2026-11-01.");
        Refusal::new(Code::InvalidRequest, detail)
    })?;
    Ok(match is_day {
        true => time.timestamp() + more,
        false => time.timestamp(),
    })
}

/// To which part it belongs: key and label.
fn part(by: UsageBy, used: &UsedAttempt) -> (String, String) {
    match by {
        UsageBy::Day => {
            let day: String = Time::from(used.ended_at)
                .to_string()
                .chars()
                .take(10)
                .collect();
            (day.clone(), day)
        }
        UsageBy::Environment => (
            used.environment_id.to_string(),
            used.environment_label.clone(),
        ),
        UsageBy::Member => (used.principal_id.to_string(), used.principal_name.clone()),
        UsageBy::Agent => (used.agent.clone(), used.agent.clone()),
    }
}
