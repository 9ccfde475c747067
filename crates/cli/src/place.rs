//! Where a repository is, however it is written.

use outwork_git::Repository;

use crate::error::CliError;

/// The same for all ways to write where a repository is: `host/path`, or a path.
pub(crate) fn comparable(url: &str) -> String {
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

/// Where the user's clone comes from, `origin` first, and where it lies itself; comparable.
pub(crate) async fn of_clone(repository: &Repository) -> Result<Vec<String>, CliError> {
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
    Ok(places)
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
