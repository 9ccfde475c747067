//! Which scope a request needs. What is not listed needs all: an operation that is added is nothing for a token that was made for less,
//! before somebody has thought about it.

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use outwork_api::problem::Code;
use outwork_domain::scope::{Scope, Scopes};

use crate::refusal::Refusal;

/// Refuses what the token was not made for.
pub(crate) fn check(parts: &Parts, scopes: &Scopes) -> Result<(), Refusal> {
    let matched = parts.extensions.get::<MatchedPath>();
    let route = matched.map_or(parts.uri.path(), MatchedPath::as_str);
    check_needed(scopes, needed(&parts.method, route))
}

/// The same where it is known what is needed.
pub(crate) fn check_needed(scopes: &Scopes, needed: Scope) -> Result<(), Refusal> {
    if scopes.allow(needed) {
        return Ok(());
    }
    let needed = needed.as_str();
    let detail = format!("This needs the scope `{needed}`, and the token has `{scopes}`.");
    Err(Refusal::new(Code::Forbidden, detail).with_hint(format!(
        "An admin makes a token for it with `outwork token create --scope {needed}`."
    )))
}

fn needed(method: &Method, route: &str) -> Scope {
    let Some(route) = route.strip_prefix("/api/v1/") else {
        return needed_elsewhere(method, route);
    };
    let parts: Vec<&str> = route.split('/').collect();
    if is_read(method) {
        return match parts[..] {
            ["credentials" | "audit" | "enrolment-tokens" | "worker-tokens"] => Scope::Admin,
            ["webhooks", ..] => Scope::Admin,
            ["integrations", _, "deliveries" | "users"] => Scope::Admin,
            _ => Scope::Read,
        };
    }
    match parts[..] {
        // They only ask.
        ["merges" | "overlaps"] => Scope::Read,
        ["attempts", _, "viewed"] | ["comments", _] => Scope::Review,
        ["tasks", _, "comments" | "approvals"] => Scope::Review,
        ["tasks", _, "publications"] => Scope::Publish,
        ["tasks", ..] | ["attempts", _, "cancel"] | ["schedules", _, "firings"] => Scope::Tasks,
        ["environments" | "cache", ..] | ["me", "notifications"] => Scope::Settings,
        // Schedules among them: one that was made goes on when the token has ended.
        _ => Scope::Admin,
    }
}

/// The stock client's API, and the page's.
fn needed_elsewhere(method: &Method, route: &str) -> Scope {
    let is_task = route.ends_with("/tasks") || route.contains("/tasks/");
    match (is_read(method), is_task) {
        (true, _) => Scope::Read,
        (false, true) => Scope::Tasks,
        (false, false) => Scope::Admin,
    }
}

fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// An operation that is added is in here with a scope that somebody has thought about.
    #[test]
    fn each_operation_needs_a_scope() {
        let document = crate::task_api_document();
        let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
        let mut table = String::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let id = operation["operationId"].as_str().expect("an id");
                let scope = needed(&method, path).as_str();
                writeln!(table, "{scope:8} {id}").expect("memory");
            }
        }
        insta::assert_snapshot!(table);
    }
}
