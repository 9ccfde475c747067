//! Node: npm, yarn, pnpm, bun.

use outwork_domain::environment::RuntimeName;
use serde_json::Value;

use super::folder::Folder;
use super::{Part, Pin, Project, part, version};

/// Names of Node's long-term versions, as `.nvmrc` files have them.
const LONG_TERM: [(&str, &str); 4] = [
    ("lts/hydrogen", "18"),
    ("lts/iron", "20"),
    ("lts/jod", "22"),
    ("lts/krypton", "24"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manager {
    Npm,
    YarnClassic,
    Yarn,
    Pnpm,
    Bun,
}

pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    let package: Value = serde_json::from_str(&folder.read("package.json")?).ok()?;
    let wanted = package["packageManager"].as_str();
    let (manager, lock) = manager(folder, wanted);
    let mut project = Project {
        setup: install(folder, manager, lock, wanted, &package),
        verify: verify(manager, &package),
        pins: pin(folder, &package).into_iter().collect(),
        notes: Vec::new(),
        stands_alone: lock.is_some(),
    };
    if project.verify.is_none() && project.setup.is_empty() && project.pins.is_empty() {
        return None;
    }
    if lock.is_none() && !project.setup.is_empty() {
        let note = "package.json has no lock file beside it: each setup takes the newest versions";
        project.notes.push(note.to_owned());
    }
    Some(project)
}

/// The package manager, and the lock file that says so.
fn manager(folder: &Folder<'_>, wanted: Option<&str>) -> (Manager, Option<&'static str>) {
    let yarn = || {
        let lock = folder.read("yarn.lock").unwrap_or_default();
        let is_classic = lock.contains("# yarn lockfile v1") && !lock.contains("__metadata:");
        match is_classic && !folder.has(".yarnrc.yml") {
            true => Manager::YarnClassic,
            false => Manager::Yarn,
        }
    };
    let locks = [
        ("pnpm", "pnpm-lock.yaml"),
        ("yarn", "yarn.lock"),
        ("bun", "bun.lock"),
        ("bun", "bun.lockb"),
        ("npm", "package-lock.json"),
        ("npm", "npm-shrinkwrap.json"),
    ];
    let of = |name: &str| match name {
        "pnpm" => Manager::Pnpm,
        "yarn" => yarn(),
        "bun" => Manager::Bun,
        _ => Manager::Npm,
    };
    let wanted = wanted.and_then(|text| text.split('@').next());
    let there = || locks.iter().filter(|(_, lock)| folder.has(lock));
    let chosen = there()
        .find(|(name, _)| Some(*name) == wanted)
        .or_else(|| there().next());
    match (chosen, wanted) {
        (Some((name, lock)), _) => (of(name), Some(lock)),
        (None, Some(name)) => (of(name), None),
        (None, None) => (Manager::Npm, None),
    }
}

fn install(
    folder: &Folder<'_>,
    manager: Manager,
    lock: Option<&str>,
    wanted: Option<&str>,
    package: &Value,
) -> Vec<Part> {
    let needs = ["dependencies", "devDependencies", "workspaces"];
    let has_needs = needs.iter().any(|name| match &package[name] {
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        _ => false,
    });
    if lock.is_none() && !has_needs {
        return Vec::new();
    }
    let is_locked = lock.is_some();
    let command = match (manager, is_locked) {
        (Manager::Npm, true) => "npm ci",
        (Manager::Npm, false) => "npm install",
        (Manager::YarnClassic, true) => "yarn install --frozen-lockfile",
        (Manager::YarnClassic | Manager::Yarn, false) => "yarn install",
        (Manager::Yarn, true) => "yarn install --immutable",
        (Manager::Pnpm, true) => "pnpm install --frozen-lockfile",
        (Manager::Pnpm, false) => "pnpm install",
        (Manager::Bun, true) => "bun install --frozen-lockfile",
        (Manager::Bun, false) => "bun install",
    };
    let reason = lock.unwrap_or("package.json");
    let tool = tool(folder, manager, wanted).map(|tool| {
        let why = wanted.map_or_else(
            || reason.to_owned(),
            |_| "packageManager in package.json".into(),
        );
        part(tool, why)
    });
    tool.into_iter().chain([part(command, reason)]).collect()
}

/// How the package manager gets there; npm is Node's own. An exact version is taken as it is, because
/// managers fetch it themselves where it is not there, which the agent cannot.
fn tool(folder: &Folder<'_>, manager: Manager, wanted: Option<&str>) -> Option<String> {
    let exact = wanted
        .and_then(|text| text.split_once('@'))
        .map(|(_, version)| version.split('+').next().unwrap_or(version).to_owned())
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()) && is_plain(version));
    let (program, package, version) = match manager {
        Manager::Npm => return None,
        Manager::YarnClassic => ("yarn", "yarn", "1".to_owned()),
        Manager::Yarn => ("yarn", "@yarnpkg/cli-dist", "4".to_owned()),
        Manager::Pnpm => ("pnpm", "pnpm", pnpm_version(folder)),
        Manager::Bun => ("bun", "bun", "1".to_owned()),
    };
    let add =
        |version: &str| format!("npm install --global --prefix /usr/local {package}@{version}");
    Some(match exact {
        Some(exact) => add(&exact),
        None => format!("command -v {program} > /dev/null || {}", add(&version)),
    })
}

fn is_plain(version: &str) -> bool {
    version
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

/// The pnpm that reads the lock file.
fn pnpm_version(folder: &Folder<'_>) -> String {
    let lock = folder.read("pnpm-lock.yaml").unwrap_or_default();
    let format = lock
        .lines()
        .find_map(|line| line.strip_prefix("lockfileVersion:"))
        .map(|version| version.trim().trim_matches(['\'', '"']).to_owned());
    match format
        .as_deref()
        .and_then(|format| format.split('.').next())
    {
        Some("5") => "7",
        Some("6") => "8",
        Some(_) | None => "10",
    }
    .to_owned()
}

/// The first of the scripts that says whether the work is right.
fn verify(manager: Manager, package: &Value) -> Option<Part> {
    let scripts = ["test", "lint", "build"];
    let name = scripts.into_iter().find(|name| {
        let script = package["scripts"][name].as_str().unwrap_or("");
        // `npm init` writes a stub; what watches files does not end.
        let is_stub = script.contains("no test specified");
        let watches = script
            .split_whitespace()
            .any(|word| word == "--watch" || word == "-w");
        !script.trim().is_empty() && !is_stub && !watches
    })?;
    let program = match manager {
        Manager::Npm => "npm",
        Manager::YarnClassic | Manager::Yarn => "yarn",
        Manager::Pnpm => "pnpm",
        Manager::Bun => "bun",
    };
    let command = match (name, manager) {
        // `bun test` is bun's own runner.
        ("test", Manager::Npm | Manager::YarnClassic | Manager::Yarn | Manager::Pnpm) => {
            format!("{program} test")
        }
        (name, _) => format!("{program} run {name}"),
    };
    Some(part(command, format!("the script {name} in package.json")))
}

/// The major version: minor ones are compatible, and workers have few of them.
fn pin(folder: &Folder<'_>, package: &Value) -> Option<Pin> {
    let pin = |version: String, reason: &str| Pin {
        runtime: RuntimeName::Node,
        version,
        reason: reason.to_owned(),
    };
    for file in [".nvmrc", ".node-version"] {
        let Some(word) = folder.word(file) else {
            continue;
        };
        let named = LONG_TERM
            .iter()
            .find(|(name, _)| *name == word.to_lowercase());
        let version = match named {
            Some((_, version)) => Some((*version).to_owned()),
            None => version::leading(&word, 1),
        };
        return version.map(|version| pin(version, file));
    }
    let volta = package["volta"]["node"].as_str();
    if let Some(version) = volta.and_then(|text| version::leading(text, 1)) {
        return Some(pin(version, "package.json (volta)"));
    }
    let engines = package["engines"]["node"].as_str();
    engines
        .and_then(version::only_major)
        .map(|version| pin(version, "package.json (engines)"))
}
