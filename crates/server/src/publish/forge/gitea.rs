//! The interface of Gitea and Forgejo, version 1.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::trouble::Trouble;
use super::http::{Answer, Api};
use super::{Change, Interface, NewPull, Opened, default_branch, text};

const SCHEME: &str = "token";
const DRAFT: &str = "WIP: ";
const PAGE: usize = 50;
/// It lists no pull requests by branch; the newest come first.
const PAGES: usize = 40;

/// A repository there.
pub(super) struct Gitea {
    owner: String,
    name: String,
}

impl Gitea {
    pub(super) fn new(owner: &str, name: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
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
        let path = [&["repos", self.owner.as_str(), self.name.as_str()], path].concat();
        api.ask(method, &path, query, body, SCHEME).await
    }
}

impl Interface for Gitea {
    async fn find(&self, api: &Api<'_>, branch: &str) -> Result<Option<Opened>, Trouble> {
        for page in 1..=PAGES {
            let (page, limit) = (page.to_string(), PAGE.to_string());
            let query = [
                ("state", "open"),
                ("limit", &limit),
                ("page", page.as_str()),
            ];
            let answer = self.ask(api, Method::GET, &["pulls"], &query, None).await?;
            let pulls = api.done(answer)?;
            let pulls = pulls.as_array().ok_or_else(|| api.odd("no list"))?;
            let mut own = pulls.iter().filter(|pull| {
                text(&pull["head"], "ref") == Some(branch)
                    && pull["head"]["repo_id"] == pull["base"]["repo_id"]
            });
            if let Some(pull) = own.next() {
                return read(api, pull).map(Some);
            }
            // A server may give fewer at a time than it was asked for.
            if pulls.is_empty() {
                return Ok(None);
            }
        }
        Ok(None)
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
        let body = json!({"head": branch, "base": base, "title": title, "body": body});
        let answer = self
            .ask(api, Method::POST, &["pulls"], &[], Some(&body))
            .await?;
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
        if let Some(text) = &change.body {
            body["body"] = text.as_str().into();
        }
        if let Some(title) = &change.title {
            let draft = if opened.state == "draft" { DRAFT } else { "" };
            body["title"] = format!("{draft}{title}").into();
        }
        let number = opened.number.to_string();
        let path = ["pulls", &number];
        let answer = self
            .ask(api, Method::PATCH, &path, &[], Some(&body))
            .await?;
        read(api, &api.done(answer)?)
    }

    async fn default_branch(&self, api: &Api<'_>) -> Result<String, Trouble> {
        default_branch(api, self.ask(api, Method::GET, &[], &[], None).await?)
    }
}

fn read(api: &Api<'_>, pull: &Value) -> Result<Opened, Trouble> {
    let (Some(number), Some(url)) = (pull["number"].as_u64(), text(pull, "html_url")) else {
        return Err(api.odd("a pull request without a number"));
    };
    let title = text(pull, "title").unwrap_or_default();
    let is_draft = pull["draft"].as_bool() == Some(true) || title.starts_with(DRAFT);
    Ok(Opened {
        number,
        url: url.to_owned(),
        state: if is_draft { "draft" } else { "open" }.to_owned(),
        title: title.trim_start_matches(DRAFT).to_owned(),
        body: text(pull, "body").unwrap_or_default().to_owned(),
    })
}
