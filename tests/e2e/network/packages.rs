//! Package managers of agents, with nothing allowed but where their packages are.

use std::fs;

use super::{assert_allowed, assert_refused};
use crate::harness::{Outwork, Repository};
use crate::packages::{Offer, node_project, start};

/// How domains are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Name,
    Preset,
}

/// Fetches with only those domains allowed or, by the preset, more than those. Then tries another.
fn fetch(
    outwork: &Outwork,
    repository: &Repository,
    by: Allowed,
    domains: &[&str],
    more: &[&str],
    agent: &str,
) -> String {
    let agent = format!(
        "set -e\n{agent}\ncurl --silent --output /dev/null https://elsewhere.example/ || true"
    );
    let mut flags = vec!["--network", "on", "--agent-command", &agent];
    let (rule, none) = match by {
        Allowed::Name => ("allow", "not listed (preset none)"),
        Allowed::Preset => ("preset common", "not listed (preset common)"),
    };
    match by {
        Allowed::Name => flags.extend(domains.iter().flat_map(|domain| ["--allow", domain])),
        Allowed::Preset => flags.extend(["--preset", "common"]),
    }
    flags.extend(more);
    outwork.environment("packages", repository, &flags);
    let task = outwork.exec("packages", "fetch", &[]);
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    let requests: Vec<_> = log.network_requests().collect();
    let (other, fetched) = requests.split_last().expect("requests");
    assert!(!fetched.is_empty(), "{log:#?}");
    for request in fetched {
        let host = request["host"].as_str().expect("a host");
        let domain = domains
            .iter()
            .find(|domain| host == **domain || host.ends_with(&format!(".{domain}")));
        let domain = domain.unwrap_or_else(|| panic!("{request}"));
        assert_allowed(request, &format!("{rule}: {domain}"));
    }
    let hint = "outwork env edit packages --allow elsewhere.example";
    assert_refused(other, "blocked-by-allowlist", none, hint);
    log.output()
}

#[test]
fn npm_ci() {
    let node = Offer::node();
    let said = fetch(
        &node.start(),
        &node_project(),
        Allowed::Name,
        &["npmjs.org"],
        &["--runtime", &node.pin],
        "npm ci --no-audit --no-fund --silent\nnode -p 'require(\"is-odd\")(3)'",
    );
    assert!(said.ends_with("true\n"), "{said}");
}

#[test]
fn pip_install() {
    let repository = Repository::with(&[("requirements.txt", "six==1.17.0\n")]);
    let said = fetch(
        &start(&[]),
        &repository,
        Allowed::Name,
        &["pypi.org", "pythonhosted.org"],
        &[],
        "/usr/bin/python3 -m venv ~/.venv\n~/.venv/bin/pip install --quiet -r requirements.txt\n~/.venv/bin/python -c 'import six; print(six.__version__)'",
    );
    assert!(said.ends_with("1.17.0\n"), "{said}");
}

#[test]
fn cargo_fetch() {
    let rust = Offer::rust();
    let manifest = "[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n";
    let repository = Repository::with(&[("Cargo.toml", manifest), ("src/lib.rs", "")]);
    let said = fetch(
        &rust.start(),
        &repository,
        Allowed::Preset,
        &["crates.io"],
        &["--runtime", &rust.pin],
        "cargo fetch --quiet\nls ~/.cargo/registry/cache/*",
    );
    assert!(said.contains("itoa-1.0.11.crate"), "{said}");
}

/// A line of this machine's own package sources: the smallest suite of the first place.
fn source() -> String {
    let folder = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    let paths = folder.flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.chain(["/etc/apt/sources.list".into()]).collect();
    // The distribution's own first.
    paths.sort_by_key(|path| {
        !path.to_string_lossy().contains("debian") && !path.to_string_lossy().contains("ubuntu")
    });
    for text in paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
    {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(places), Some(suites)) = (field("URIs: "), field("Suites: ")) {
            let place = places.split_whitespace().next().expect("a place");
            let suite = suites.split_whitespace().last().expect("a suite");
            return format!("deb {place} {suite} main");
        }
        if let Some(line) = text.lines().find(|line| line.starts_with("deb ")) {
            return line.to_owned();
        }
    }
    panic!("no sources in {paths:?}");
}

#[test]
fn apt_get_update() {
    let source = source();
    let host = source
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let labels: Vec<&str> = host.expect("a host").rsplit('.').take(2).collect();
    let domain = format!("{}.{}", labels[1], labels[0]);
    let repository = Repository::with(&[("sources.list", &format!("{source}\n"))]);
    let agent = r#"
        mkdir -p ~/apt/state/lists/partial ~/apt/cache/archives/partial
        apt-get update -q -o Dir::State=$HOME/apt/state -o Dir::Cache=$HOME/apt/cache \
            -o Dir::Etc::SourceList=$PWD/sources.list -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::Etc::TrustedParts=/usr/share/keyrings -o APT::Update::Error-Mode=any
        ls ~/apt/state/lists
    "#;
    let said = fetch(
        &start(&[]),
        &repository,
        Allowed::Name,
        &[&domain],
        &[],
        agent,
    );
    assert!(said.contains("Packages"), "{said}");
}
