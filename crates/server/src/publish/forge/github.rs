//! GitHub's REST interface, also of GitHub Enterprise Server.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::trouble::Trouble;
use super::http::{Answer, Api};
use super::{Change, Interface, NewPull, Opened, default_branch, text};

const SCHEME: &str = "Bearer";

/// A repository there.
pub(super) struct GitHub {
    owner: String,
    name: String,
}

impl GitHub {
    pub(super) fn new(owner: &str, name: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        }
    }

    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["repos", &self.owner, &self.name], rest].concat()
    }

    async fn ask(
        &self,
        api: &Api<'_>,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        let path = self.path(path);
        api.ask(method, &path, query, body, SCHEME).await
    }

    /// Whether it is of this branch: GitHub leaves a filter out that it does not understand.
    fn is_of(&self, pull: &Value, branch: &str) -> bool {
        let head = &pull["head"];
        let own = format!("{}/{}", self.owner, self.name);
        let full_name = text(&head["repo"], "full_name").unwrap_or_default();
        text(head, "ref") == Some(branch) && full_name.eq_ignore_ascii_case(&own)
    }
}

impl Interface for GitHub {
    async fn find(&self, api: &Api<'_>, branch: &str) -> Result<Option<Opened>, Trouble> {
        let head = format!("{}:{branch}", self.owner);
        let query = [
            ("head", head.as_str()),
            ("state", "open"),
            ("per_page", "100"),
        ];
        let answer = self.ask(api, Method::GET, &["pulls"], &query, None).await?;
        let pulls = api.done(answer)?;
        let pulls = pulls.as_array().ok_or_else(|| api.odd("no list"))?;
        let mut pulls = pulls.iter().filter(|pull| self.is_of(pull, branch));
        pulls.next().map(|pull| read(api, pull)).transpose()
    }

    async fn open(&self, api: &Api<'_>, new: &NewPull) -> Result<Option<Opened>, Trouble> {
        let NewPull {
            branch,
            base,
            title,
            body,
            draft,
        } = new;
        let body =
            json!({"title": title, "head": branch, "base": base, "body": body, "draft": draft});
        let answer = self
            .ask(api, Method::POST, &["pulls"], &[], Some(&body))
            .await?;
        if answer.status == 422 && answer.says("a pull request already exists") {
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
        for (name, value) in [("title", &change.title), ("body", &change.body)] {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
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
    let is_draft = pull["draft"].as_bool() == Some(true);
    Ok(Opened {
        number,
        url: url.to_owned(),
        state: if is_draft { "draft" } else { "open" }.to_owned(),
        title: text(pull, "title").unwrap_or_default().to_owned(),
        body: text(pull, "body").unwrap_or_default().to_owned(),
    })
}
