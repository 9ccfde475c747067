//! `outwork usage`: what attempts used and cost.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use outwork_api::Time;
use outwork_api::client::UsageQuery;
use outwork_api::usage::{UsageBy, UsageItem, UsageSum};

use crate::duration;
use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;

/// Show what was used: tokens, cost, and time
///
/// Of the attempts that ended within a time. Cost is known where the model's prices were set before (`outwork model set
/// --price-input … --price-output …`); what is not known is counted apart, and never as nothing.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork usage
  outwork usage --by environment --since 7d
  outwork usage --by member --json | jq .total.cost")]
pub struct UsageArgs {
    /// By what it is told apart
    #[arg(long, default_value = "day", value_parser = parts())]
    pub by: UsageBy,
    /// How far back, such as 7d or 12h; at most 400d
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = crate::duration::parse)]
    pub since: Duration,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

fn parts() -> impl TypedValueParser<Value = UsageBy> {
    PossibleValuesParser::new(UsageBy::ALL.map(UsageBy::as_str)).map(|name| {
        let mut all = UsageBy::ALL.into_iter();
        all.find(|by| by.as_str() == name).unwrap_or_default()
    })
}

pub(crate) async fn run(args: UsageArgs, session: &mut Session) -> Result<(), CliError> {
    let UsageArgs { by, since, json } = args;
    let client = session.client()?;
    let query = UsageQuery {
        from: Some(Time::from((session.now)() - since)),
        to: None,
        by: Some(by),
    };
    let usage = client.usage(&query).await?;
    if json {
        return session.out.json(&usage);
    }
    if usage.items.is_empty() {
        session.out.note("no attempt ended in that time");
        return Ok(());
    }
    let items = usage.items.iter();
    let mut rows: Vec<_> = items
        .map(|UsageItem { label, sum, .. }| row(label, sum))
        .collect();
    if rows.len() > 1 && session.out.stdout_is_terminal {
        rows.push(row("total", &usage.total));
    }
    let first = by.as_str().to_uppercase();
    let headers = [
        first.as_str(),
        "TASKS",
        "ATTEMPTS",
        "TOKENS IN",
        "OUT",
        "TIME",
        "COST",
    ];
    table::print(&mut session.out, &headers, rows)
}

fn row(label: &str, sum: &UsageSum) -> Vec<String> {
    vec![
        label.to_owned(),
        sum.tasks.to_string(),
        sum.attempts.to_string(),
        sum.tokens.input.to_string(),
        sum.tokens.output.to_string(),
        duration::show(Duration::from_secs(sum.sandbox_seconds)),
        cost(sum),
    ]
}

/// What is known, and of how many attempts it is not.
fn cost(sum: &UsageSum) -> String {
    let known = sum.cost.iter().chain(&sum.costs).map(task::cost);
    let mut parts: Vec<String> = known.collect();
    match sum.unknown_cost_attempts {
        0 if parts.is_empty() => parts.push("none".to_owned()),
        0 => {}
        1 => parts.push("1 attempt unknown".to_owned()),
        count => parts.push(format!("{count} attempts unknown")),
    }
    parts.join(", ")
}
