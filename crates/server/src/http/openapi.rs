//! The OpenAPI documents: what is said once for all operations.

use std::collections::BTreeMap;

use outwork_api::Problem;
use outwork_api::approval::Approval;
use outwork_api::audit::AuditEntry;
use outwork_api::comment::Comment;
use outwork_api::credential::Credential;
use outwork_api::enrolment::{EnrolmentToken, WorkerToken};
use outwork_api::environment::Environment;
use outwork_api::event::Event;
use outwork_api::integration::{Delivery, Integration, Link};
use outwork_api::member::{Member, MemberToken};
use outwork_api::problem::{CONTENT_TYPE, Code};
use outwork_api::publication::Publication;
use outwork_api::radar::Overlap;
use outwork_api::schedule::{Firing, Schedule};
use outwork_api::settings::Worker;
use outwork_api::task::TaskSummary;
use outwork_api::viewed::ViewedFile;
use outwork_api::webhook::{Webhook, WebhookDelivery};
use outwork_api::worker::{AttemptCommand, InputKind, Orders, OutputKind};
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::router;

/// The document of the task API, as JSON.
pub fn task_api_document() -> String {
    pretty(router::task_api().split_for_parts().1)
}

/// The document of the worker API, as JSON.
pub fn worker_api_document() -> String {
    pretty(router::worker_api().split_for_parts().1)
}

fn pretty(mut document: Document) -> String {
    if let Some(components) = &mut document.components {
        pages_by_reference(components);
    }
    document
        .to_pretty_json()
        .expect("a document is strings and maps")
        + "\n"
}

/// utoipa writes the item's schema into each `Page_ITEM` once more; clients generated from that would have two types for one thing.
fn pages_by_reference(components: &mut Components) {
    let names: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let Some(item) = name.strip_prefix("Page_") else {
            continue;
        };
        let RefOr::T(Schema::Object(page)) = schema else {
            continue;
        };
        let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items") else {
            continue;
        };
        assert!(
            names.iter().any(|name| name == item),
            "{item} has a schema of its own"
        );
        items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outwork",
        version = "1",
        description = "Outwork's own API: environments, tasks, attempts, events. Conventions are in `docs/api.md`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "environments", description = "How the tasks of a repository run."),
        (name = "tasks", description = "What was asked, and what came of it."),
        (name = "schedules", description = "Tasks that are submitted again and again, and what became of each time."),
        (name = "attempts", description = "Single runs, their events and diffs."),
        (name = "cache", description = "Snapshots of environments that tasks start from."),
        (name = "integrations", description = "Forges and chats that give tasks, and what came in and went out."),
        (name = "settings", description = "The model, credentials, the workers, the members, and who is asking."),
        (name = "webhooks", description = "Who is told what happens."),
        (name = "health", description = "For machines that watch this one.")
    ),
    components(schemas(Problem, Event, Environment, TaskSummary, Worker, Credential, Publication, Schedule, Firing, Overlap, EnrolmentToken, WorkerToken, Member, MemberToken, Comment, Approval, ViewedFile, AuditEntry, Integration, Delivery, Link, Webhook, WebhookDelivery)),
    security(("token" = [])),
    modifiers(&Token)
)]
pub(crate) struct TaskApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outwork worker protocol",
        version = "1",
        description = "What a worker says to the control plane. A worker only ever dials out. The order of the verbs is in `docs/api.md`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "worker", description = "The life of a worker."),
        (name = "attempt", description = "What a worker says about an attempt that it holds.")
    ),
    components(schemas(Problem, InputKind, OutputKind, AttemptCommand, Orders)),
    security(("token" = [])),
    modifiers(&Token, &LeaseToken)
)]
pub(crate) struct WorkerApi;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token that this server issued (`ow_…`)."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

struct LeaseToken;

impl Modify for LeaseToken {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some(
                "The password is the `lease_token` of a repository of the assignment; the user name does not matter.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("lease_token", SecurityScheme::Http(scheme));
    }
}

/// What every operation with a token can answer.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            Code::InvalidRequest,
            Code::Unauthorized,
            Code::Forbidden,
            Code::Internal,
            Code::Unavailable,
        ])
    }
}

/// What an operation on one thing can answer.
pub(crate) struct Missing;

impl IntoResponses for Missing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[Code::NotFound])
    }
}

/// What an operation without a token can answer that has a query.
pub(crate) struct Unreadable;

impl IntoResponses for Unreadable {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[Code::InvalidRequest])
    }
}

/// What an operation that sends content can answer.
pub(crate) struct Unacceptable;

impl IntoResponses for Unacceptable {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            Code::TooLarge,
            Code::UnsupportedMediaType,
            Code::Unprocessable,
            Code::InsufficientStorage,
        ])
    }
}

/// What an operation that depends on a state can answer.
pub(crate) struct Conflicts;

impl IntoResponses for Conflicts {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[Code::Conflict])
    }
}

/// What an operation with `If-Match` can answer.
pub(crate) struct Preconditions;

impl IntoResponses for Preconditions {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[Code::PreconditionFailed])
    }
}

fn problems(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let one = |code: &Code| {
        let (name, title, status) = code.describe();
        let same: Vec<&str> = Code::ALL
            .into_iter()
            .map(Code::describe)
            .filter(|(_, _, other)| *other == status)
            .map(|(name, _, _)| name)
            .collect();
        let text = if same.len() > 1 {
            format!("{title} (`{}`).", same.join("`, `"))
        } else {
            format!("{title} (`{name}`).")
        };
        (status.to_string(), problem(&text))
    };
    codes.iter().map(one).collect()
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content(CONTENT_TYPE, content)
        .build()
        .into()
}
