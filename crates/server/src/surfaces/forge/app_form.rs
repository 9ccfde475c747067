//! The form that makes a GitHub App: `outwork integration add github NAME --app` gives an address, a browser opens it, GitHub asks for the
//! app's name and leads back here with a code, which is exchanged for the app's secrets. What was asked for travels along, sealed, so that
//! nothing is kept before there is an app.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use outwork_api::Secret;
use outwork_api::integration::{
    AppForm, ForgeSettings, IntegrationSettings, NewApp, NewIntegration,
};
use outwork_api::problem::Code;
use outwork_domain::principal::{Admin, Principal};
use outwork_domain::{IntegrationId, Timestamp, WorkspaceId};
use outwork_forges::{Kind, app};
use serde::{Deserialize, Serialize};

use super::asking::with;
use super::settings;
use crate::endpoints::integrations::add::make;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::seal::Place;

/// GitHub's own code lives an hour.
const LIVES: Duration = Duration::from_secs(3600);

/// What was asked for, sealed.
#[derive(Serialize, Deserialize)]
struct Asked {
    until_ms: i64,
    by: String,
    new: NewApp,
}

/// The address of the form.
pub(crate) fn begin(plane: &Plane, admin: &Admin, new: NewApp) -> Result<AppForm, Refusal> {
    let probe = ForgeSettings {
        webhook_secret: Some(Secret::new("given by GitHub")),
        token: Some(Secret::new("none yet")),
        ..new.settings.clone()
    };
    settings::check(Kind::GitHub, &probe)?;
    let (workspace, id) = (
        admin.workspace_id(),
        IntegrationId::from_uuid(plane.ids.uuid()),
    );
    let until = plane.now() + LIVES;
    let asked = Asked {
        until_ms: until.as_millis(),
        by: admin.principal().id.to_string(),
        new,
    };
    let text = serde_json::to_string(&asked).expect("plain data");
    let place = Place::Integration {
        workspace,
        integration: id,
    };
    let sealed = URL_SAFE_NO_PAD.encode(plane.close(&text, place));
    Ok(AppForm {
        url: format!("{}/hooks/app/{workspace}.{id}.{sealed}", plane.public_url),
        expires_at: until.into(),
    })
}

struct Opened {
    workspace: WorkspaceId,
    id: IntegrationId,
    asked: Asked,
}

fn open(plane: &Plane, state: &str) -> Result<Opened, Refusal> {
    let gone = || {
        Refusal::new(Code::NotFound, "The form is not valid any more.")
            .with_hint("Begin anew with `outwork integration add github NAME --app`.")
    };
    let mut parts = state.splitn(3, '.');
    let mut part = || parts.next().ok_or_else(gone);
    let workspace: WorkspaceId = part()?.parse().map_err(|_| gone())?;
    let id: IntegrationId = part()?.parse().map_err(|_| gone())?;
    let sealed = URL_SAFE_NO_PAD.decode(part()?).map_err(|_| gone())?;
    let place = Place::Integration {
        workspace,
        integration: id,
    };
    let text = plane.seal.open(&sealed, place).map_err(|_| gone())?;
    let asked: Asked = serde_json::from_str(&text).map_err(|_| gone())?;
    match Timestamp::from_millis(asked.until_ms) > plane.now() {
        true => Ok(Opened {
            workspace,
            id,
            asked,
        }),
        false => Err(gone()),
    }
}

/// The form, as a page.
pub(crate) async fn form(
    State(plane): State<Arc<Plane>>,
    Path(state): Path<String>,
) -> Result<Response, Refusal> {
    let Opened { id, asked, .. } = open(&plane, &state)?;
    let NewApp {
        web_url,
        organization,
        app_name,
        name,
        ..
    } = &asked.new;
    let web = web_url.as_deref().unwrap_or("https://github.com");
    let hook = format!("{}/hooks/{id}", plane.public_url);
    let back = format!("{}/hooks/app", plane.public_url);
    let app_name = app_name.as_deref().unwrap_or(name);
    let manifest = app::manifest(app_name, &plane.public_url, &hook, &back);
    let page = app::page(
        web.trim_end_matches('/'),
        organization.as_deref(),
        &state,
        &manifest,
    );
    let origin = web.trim_end_matches('/');
    let policy = format!(
        "default-src 'none'; form-action {origin}; frame-ancestors 'none'; base-uri 'none'"
    );
    Ok(html(StatusCode::OK, &policy, page))
}

/// What GitHub leads back with.
#[derive(Deserialize)]
pub(crate) struct Back {
    code: String,
    state: String,
}

/// Exchanges the code, and adds the integration.
pub(crate) async fn back(
    State(plane): State<Arc<Plane>>,
    Query(Back { code, state }): Query<Back>,
) -> Result<Response, Refusal> {
    let Opened {
        workspace,
        id,
        asked,
    } = open(&plane, &state)?;
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    if plane.store.integration(id).await?.is_some() {
        return Ok(html(
            StatusCode::OK,
            policy,
            done("It was added before.", None),
        ));
    }
    // Who asked may have lost the right meanwhile.
    let by = asked
        .by
        .parse()
        .map_err(|_| Refusal::not_found("member", &asked.by))?;
    let admin = plane.store.acting(workspace, by).await?;
    let admin = admin.map(Principal::admin).and_then(Result::ok);
    let admin = admin
        .ok_or_else(|| Refusal::new(Code::Forbidden, "Who asked for it is no admin any more."))?;
    let NewApp {
        name,
        environments,
        default_environment,
        settings,
        ..
    } = asked.new;
    // No credential: the code is what it is asked with.
    let forge = with(&plane, Kind::GitHub, &settings, "app", Secret::new("none"));
    let answer = forge.ask(&app::conversion(&code)).await;
    let answer = answer.map_err(|trouble| {
        tracing::warn!(?trouble, "a GitHub App could not be made");
        Refusal::new(
            Code::Unavailable,
            "GitHub did not give the app for its code.",
        )
        .with_hint("Begin anew with `outwork integration add github NAME --app`.")
    })?;
    let made = app::read_made(&answer)
        .ok_or_else(|| Refusal::new(Code::Unavailable, "GitHub did not answer as it should."))?;
    let mention = settings.mention.clone().unwrap_or(made.slug);
    let new = NewIntegration {
        name,
        environments,
        default_environment,
        settings: IntegrationSettings::Github(ForgeSettings {
            mention: Some(mention),
            app_id: Some(made.id),
            app_key: Some(Secret::new(made.key)),
            webhook_secret: Some(Secret::new(made.webhook_secret)),
            ..settings
        }),
    };
    make(&plane, &admin, id, new).await?;
    let install = format!("{}/installations/new", made.url);
    Ok(html(
        StatusCode::OK,
        policy,
        done("It is added.", Some(&install)),
    ))
}

fn done(what: &str, install: Option<&str>) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
    };
    let next = install.map(|url| {
        let url = escaped(url);
        format!("<p>Install it where it is to work: <a href=\"{url}\">{url}</a></p>")
    });
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{what}</title><h1>{what}</h1>{}</html>",
        next.unwrap_or_default()
    )
}

/// The address holds what was asked for: it goes nowhere else, and is kept nowhere.
fn html(status: StatusCode, policy: &str, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    (status, headers, page).into_response()
}
