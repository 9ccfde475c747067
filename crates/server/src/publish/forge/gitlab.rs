//! GitLab's REST interface, version 4. Its pull requests are merge requests.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::trouble::Trouble;
use super::http::{Answer, Api};
use super::{Change, Interface, NewPull, Opened, default_branch, text};

/// Personal, project and group tokens are taken so, too.
const SCHEME: &str = "Bearer";
const DRAFT: &str = "Draft: ";

/// A project there.
pub(super) struct GitLab {
    path: String,
}

impl GitLab {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    async fn ask(
        &self,
        api: &Api<'_>,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        // The project's path is one part of the address, its slashes encoded.
        let path = [&["projects", self.path.as_str()], path].concat();
        api.ask(method, &path, query, body, SCHEME).await
    }
}

impl Interface for GitLab {
    async fn find(&self, api: &Api<'_>, branch: &str) -> Result<Option<Opened>, Trouble> {
        let query = [
            ("source_branch", branch),
            ("state", "opened"),
            ("per_page", "100"),
        ];
        let path = ["merge_requests"];
        let answer = self.ask(api, Method::GET, &path, &query, None).await?;
        let requests = api.done(answer)?;
        let requests = requests.as_array().ok_or_else(|| api.odd("no list"))?;
        // From a fork there may be a branch of the same name.
        let mut requests = requests.iter().filter(|one| {
            text(one, "source_branch") == Some(branch)
                && one["source_project_id"] == one["target_project_id"]
        });
        requests.next().map(|one| read(api, one)).transpose()
    }

    async fn open(&self, api: &Api<'_>, new: &NewPull) -> Result<Option<Opened>, Trouble> {
        let NewPull {
            branch,
            base,
            title,
            body,
            draft,
        } = new;
        let title = match draft {
            true => format!("{DRAFT}{title}"),
            false => title.clone(),
        };
        let body = json!({"source_branch": branch, "target_branch": base, "title": title, "description": body});
        let path = ["merge_requests"];
        let answer = self.ask(api, Method::POST, &path, &[], Some(&body)).await?;
        if answer.status == 409 {
            return Ok(None);
        }
        read(api, &api.done(answer)?).map(Some)
    }

    async fn update(
        &self,
        api: &Api<'_>,
        opened: &Opened,
        change: &Change,
    ) -> Result<Opened, Trouble> {
        let mut body = json!({});
        if let Some(description) = &change.body {
            body["description"] = description.as_str().into();
        }
        if let Some(title) = &change.title {
            // It says by its title that it is a draft, and stays one.
            let draft = if opened.state == "draft" { DRAFT } else { "" };
            body["title"] = format!("{draft}{title}").into();
        }
        let number = opened.number.to_string();
        let path = ["merge_requests", &number];
        let answer = self.ask(api, Method::PUT, &path, &[], Some(&body)).await?;
        read(api, &api.done(answer)?)
    }

    async fn default_branch(&self, api: &Api<'_>) -> Result<String, Trouble> {
        default_branch(api, self.ask(api, Method::GET, &[], &[], None).await?)
    }
}

fn read(api: &Api<'_>, request: &Value) -> Result<Opened, Trouble> {
    let (Some(number), Some(url)) = (request["iid"].as_u64(), text(request, "web_url")) else {
        return Err(api.odd("a merge request without a number"));
    };
    let title = text(request, "title").unwrap_or_default();
    let is_draft = request["draft"].as_bool() == Some(true) || title.starts_with(DRAFT);
    Ok(Opened {
        number,
        url: url.to_owned(),
        state: if is_draft { "draft" } else { "open" }.to_owned(),
        title: title.trim_start_matches(DRAFT).to_owned(),
        body: text(request, "description").unwrap_or_default().to_owned(),
    })
}
