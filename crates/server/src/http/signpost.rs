//! Plain text for people who open an address that an answer of the API named: a task's, or that of a
//! kind of problem. They hold no data, so they need no token.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_domain::TaskId;

use crate::refusal::Refusal;

/// A task, without the web page: the commands that show it.
pub(crate) fn task(id: &str) -> Response {
    match id.parse::<TaskId>() {
        Ok(id) => format!(
            "An Outwork task. It is shown by the web page, which needs a browser; in a terminal:\n\n\
             outwork status {id}\noutwork log {id} --follow\noutwork diff {id}\n"
        )
        .into_response(),
        Err(error) => Refusal::new(Code::NotFound, error.to_string()).into_response(),
    }
}

/// An address of the web page, in a binary that was built without it.
pub(crate) fn without_page() -> Response {
    "This server was built without the web page. In a terminal, `outwork --help` lists what there is.\n".into_response()
}

/// `/problems/{code}`: what `type` of a problem names.
pub(crate) async fn problem(Path(name): Path<String>) -> Response {
    let known = Code::ALL.map(Code::describe);
    match known.into_iter().find(|(code, _, _)| *code == name) {
        Some((code, title, status)) => {
            format!("{title}\n\ncode {code}, HTTP status {status}. The problem's `detail` says what happened, its `hint` what to do.\n").into_response()
        }
        None => Refusal::new(Code::NotFound, "There is no such kind of problem.").into_response(),
    }
}
