//! From what people type, or from where they stand, to an environment.

use outwork_api::client::Client;
use outwork_api::environment::Environment;
use outwork_domain::EnvironmentId;

use crate::error::CliError;
use crate::session::Session;

const LIST: &str = "`outwork env list` shows the environments";

/// The environment of that id or label.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Environment, CliError> {
    if name.parse::<EnvironmentId>().is_ok() {
        return Ok(client.environment(name).await?);
    }
    let all = client.all_environments().await?;
    let found = all
        .iter()
        .find(|one| one.label.to_lowercase() == name.to_lowercase());
    found.cloned().ok_or_else(|| {
        let labels: Vec<&str> = all.iter().map(|one| one.label.as_str()).take(20).collect();
        let hint = match labels.as_slice() {
            [] => "make one with `outwork env create LABEL --repo URL`".to_owned(),
            labels => format!("there are: {}", labels.join(", ")),
        };
        CliError::failed(format!("there is no environment `{name}`"))
            .code("not_found")
            .hint(hint)
    })
}

/// The only environment for the repository around the current folder.
pub(crate) async fn guess(client: &Client, session: &Session) -> Result<Environment, CliError> {
    let Ok(repository) = session.repository().await else {
        return Err(
            CliError::usage("--env is missing, and this folder is in no git repository")
                .hint(format!("name an environment with --env; {LIST}")),
        );
    };
    let remotes = repository.remotes().await.map_err(|error| {
        CliError::failed(error.to_string())
            .code("git")
            .source(error)
    })?;
    let mut places: Vec<String> = remotes
        .iter()
        .filter_map(|remote| remote.url.as_ref().ok().map(|url| comparable(url.as_str())))
        .collect();
    places.push(comparable(&repository.top_level().display().to_string()));
    let mut matching: Vec<Environment> = client
        .all_environments()
        .await?
        .into_iter()
        .filter(|one| places.contains(&comparable(&one.repository_url)))
        .collect();
    match matching.len() {
        1 => Ok(matching.remove(0)),
        0 => Err(
            CliError::usage("--env is missing, and no environment is for this repository").hint(
                "make one with `outwork env create LABEL --repo URL`, or name one with --env",
            ),
        ),
        several => {
            let labels = matching
                .iter()
                .map(|one| format!("{}  {}", one.label, one.id));
            Err(CliError::usage(format!(
                "--env is missing, and {several} environments are for this repository"
            ))
            .details(labels)
            .hint("name one with --env"))
        }
    }
}

/// The same for all ways to write where a repository is: `host/path`, or a path.
fn comparable(url: &str) -> String {
    let url = url.trim();
    let cut = |path: &str| {
        let path = path.trim_end_matches('/');
        path.strip_suffix(".git")
            .unwrap_or(path)
            .trim_end_matches('/')
            .to_owned()
    };
    if let Some(path) = url.strip_prefix("file://") {
        return cut(path);
    }
    let (host, path) = if let Some((_, rest)) = url.split_once("://") {
        rest.split_once('/').unwrap_or((rest, ""))
    } else if let Some((host, path)) = url.split_once(':').filter(|(host, _)| !host.contains('/')) {
        (host, path)
    } else {
        return cut(url);
    };
    let host = host.rsplit('@').next().unwrap_or(host);
    // A standard port says nothing; another one is another server.
    let host = [":443", ":80", ":22", ":9418"]
        .iter()
        .find_map(|port| host.strip_suffix(port))
        .unwrap_or(host);
    format!(
        "{}/{}",
        host.to_lowercase(),
        cut(path.trim_start_matches('/'))
    )
}

#[cfg(test)]
mod tests {
    use super::comparable;

    #[test]
    fn one_repository_is_one_place_however_it_is_written() {
        for text in [
            "https://github.com/ada/engine",
            "https://github.com/ada/engine.git",
            "https://GitHub.com/ada/engine/",
            "https://ada@github.com:443/ada/engine.git",
            "ssh://git@github.com/ada/engine.git",
            "ssh://git@github.com:22/ada/engine",
            "git@github.com:ada/engine.git",
            "git@github.com:/ada/engine",
        ] {
            assert_eq!(comparable(text), "github.com/ada/engine", "{text}");
        }
        for text in [
            "/srv/engine",
            "/srv/engine.git",
            "/srv/engine/",
            "file:///srv/engine.git",
        ] {
            assert_eq!(comparable(text), "/srv/engine", "{text}");
        }
        for text in [
            "https://github.com/ada/Engine",
            "https://github.com:8443/ada/engine",
            "/srv/other",
        ] {
            assert_ne!(comparable(text), "github.com/ada/engine", "{text}");
            assert_ne!(comparable(text), "/srv/engine", "{text}");
        }
    }
}
