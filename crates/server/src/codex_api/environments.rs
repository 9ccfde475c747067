//! Environments, all or those of a GitHub repository. The client wants a bare list, and drops all of it for one field of a wrong type.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use outwork_domain::WorkspaceId;
use outwork_domain::environment::Environment;
use serde::Serialize;

use super::permit::SignedIn;
use super::text::line;
use crate::plane::Plane;
use crate::refusal::Refusal;

const PAGE: u32 = 100;

/// What the client reads of one.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    label: String,
    is_pinned: bool,
}

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    SignedIn(member): SignedIn,
) -> Result<Json<Vec<Row>>, Refusal> {
    let all = all(&plane, member.workspace_id()).await?;
    Ok(Json(all.into_iter().map(row).collect()))
}

/// Asked once for each GitHub remote of the folder that the client runs in. What it takes for a repository can be anything.
pub(super) async fn by_repository(
    State(plane): State<Arc<Plane>>,
    SignedIn(member): SignedIn,
    Path(asked): Path<String>,
) -> Result<Json<Vec<Row>>, Refusal> {
    let Some(asked) = asked_for(&asked) else {
        return Ok(Json(Vec::new()));
    };
    let all = all(&plane, member.workspace_id()).await?;
    let rows = all.into_iter().filter(|environment| {
        let spec = &environment.spec;
        let further = spec.further_repositories.iter().map(|further| &further.url);
        let mut urls = [&spec.repository_url].into_iter().chain(further);
        urls.any(|url| on_github(url).as_ref() == Some(&asked))
    });
    Ok(Json(rows.map(row).collect()))
}

async fn all(plane: &Plane, workspace: WorkspaceId) -> Result<Vec<Environment>, Refusal> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = plane.store.environments(workspace, PAGE, cursor.as_deref());
        let page = page.await?;
        all.extend(page.items.into_iter().map(|record| record.environment));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn row(environment: Environment) -> Row {
    Row {
        id: environment.id.to_string(),
        label: line(&environment.spec.label),
        is_pinned: false,
    }
}

/// `owner/name` in small letters from the end of the address: `o/r`, `o/r.git/`, `22/o/r` (a port), `o/r/sub`.
fn asked_for(tail: &str) -> Option<String> {
    let mut parts: Vec<&str> = tail.split('/').filter(|part| !part.is_empty()).collect();
    let is_port = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() > 2 && is_port(parts[0]) {
        parts.remove(0);
    }
    let [owner, name, ..] = parts.as_slice() else {
        return None;
    };
    let name = name.strip_suffix(".git").unwrap_or(name);
    Some(format!("{owner}/{name}").to_lowercase())
}

/// The same from an environment's address, if it is on GitHub.
fn on_github(url: &str) -> Option<String> {
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    if !host.eq_ignore_ascii_case("github.com") {
        return None;
    }
    asked_for(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_found_however_either_side_writes_it() {
        for asked in ["o/r", "O/R", "o/r/", "o/r.git/", "o/r/sub", "22/o/r"] {
            assert_eq!(asked_for(asked).as_deref(), Some("o/r"), "{asked}");
        }
        for asked in ["", "/", "o", "o/"] {
            assert_eq!(asked_for(asked), None, "{asked}");
        }
        for url in [
            "https://github.com/o/r",
            "https://GitHub.com:443/O/r.git",
            "ssh://git@github.com:22/o/r.git",
            "git@github.com:o/r.git",
        ] {
            assert_eq!(on_github(url).as_deref(), Some("o/r"), "{url}");
        }
        for url in [
            "https://github.example/o/r",
            "https://github.com.example/o/r",
            "/srv/github.com/o/r",
            "file:///github.com/o/r",
        ] {
            assert_eq!(on_github(url), None, "{url}");
        }
    }
}
