//! Checks on the workspace itself that neither the compiler nor clippy makes.
//!
//! `cargo run -p xtask` prints the crates and what they use; it fails, as do the tests, when a crate
//! depends on one that it must not know. ARCHITECTURE.md draws the same picture.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Each crate and the crates of this workspace that it may use (tests may use more).
const ALLOWED: &[(&str, &[&str])] = &[
    ("outwork-domain", &[]),
    ("outwork-sandbox", &[]),
    ("outwork-egress", &[]),
    ("outwork-git", &["outwork-remove"]),
    // A leaf that all keepers of hostile trees share.
    ("outwork-remove", &[]),
    // The web page's files.
    ("outwork-web", &[]),
    // Empty but in the crash suite's binary.
    ("outwork-failpoint", &[]),
    ("outwork-snapshot", &["outwork-remove"]),
    ("outwork-image", &["outwork-remove"]),
    ("outwork-store", &["outwork-domain", "outwork-failpoint"]),
    ("outwork-api", &["outwork-domain"]),
    ("outwork-agents", &[]),
    ("outwork-slack", &[]),
    // What is said to and by the servers of repositories.
    ("outwork-forges", &[]),
    (
        "outwork-server",
        &[
            "outwork-domain",
            "outwork-failpoint",
            "outwork-store",
            "outwork-api",
            "outwork-git",
            "outwork-slack",
            // Which addresses are not public.
            "outwork-egress",
            "outwork-forges",
            "outwork-web",
        ],
    ),
    (
        "outwork-worker",
        &[
            "outwork-domain",
            "outwork-failpoint",
            "outwork-api",
            "outwork-agents",
            "outwork-git",
            "outwork-sandbox",
            "outwork-snapshot",
            "outwork-image",
            "outwork-egress",
        ],
    ),
    ("outwork-tui", &["outwork-domain", "outwork-api"]),
    (
        "outwork-cli",
        &[
            "outwork-domain",
            "outwork-api",
            "outwork-tui",
            "outwork-git",
            // What Codex keeps on a person's machine.
            "outwork-agents",
        ],
    ),
];

/// A crate of another's, and the only crate of ours that may use it.
const SOLE_USERS: &[(&str, &[&str])] = &[
    // The simulation plants bugs that the store does not have.
    // So has the floor that is measured beside it, and its peers are databases.
    (
        "sqlx",
        &["outwork-store", "outwork-simulation", "outwork-bench"],
    ),
    ("rusqlite", &["outwork-store", "outwork-bench"]),
    ("object_store", &["outwork-store"]),
    (
        "rustix",
        &[
            "outwork-sandbox",
            "outwork-egress",
            "outwork-git",
            "outwork-remove",
            "outwork-failpoint",
            "outwork-snapshot",
            "outwork-store",
            "outwork-image",
            "outwork-worker",
            "outwork",
            "outwork-simulation",
            "outwork-crash",
            "outwork-conformance",
            "outwork-bench",
        ],
    ),
    ("ratatui", &["outwork-tui"]),
    ("flate2", &["outwork-image", "outwork-web"]),
    ("ruzstd", &["outwork-image"]),
    ("libc", &["outwork-sandbox"]),
    (
        "axum",
        &[
            "outwork-server",
            "scripted-model",
            "outwork-test-github",
            "outwork-bench",
        ],
    ),
    (
        "clap",
        &[
            "outwork-cli",
            "outwork",
            "outwork-crash",
            "outwork-conformance",
            "scripted-model",
        ],
    ),
    (
        "anyhow",
        &[
            "outwork-cli",
            "outwork",
            "outwork-bench",
            "outwork-crash",
            "outwork-conformance",
            "xtask",
            "outwork-sandbox",
        ],
    ),
];

/// The crates of this workspace with what each needs outside its tests.
fn crates() -> Result<BTreeMap<String, Vec<String>>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .output()
        .context("cargo metadata did not start")?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().context("no packages")?;
    let needs = |package: &Value| {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        dependencies
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .collect::<Vec<_>>()
    };
    Ok(packages
        .iter()
        .map(|package| (text(&package["name"]), needs(package)))
        .collect())
}

/// What is wrong with the direction of the dependencies, a line each.
fn violations(crates: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, allowed) in ALLOWED {
        let Some(needs) = crates.get(*name) else {
            wrong.push(format!("{name} is listed here and not in the workspace"));
            continue;
        };
        for need in needs.iter().filter(|need| need.starts_with("outwork")) {
            if !allowed.contains(&need.as_str()) {
                wrong.push(format!("{name} must not depend on {need}"));
            }
        }
    }
    for (library, users) in SOLE_USERS {
        for (name, needs) in crates {
            if needs.iter().any(|need| need == library) && !users.contains(&name.as_str()) {
                wrong.push(format!("{name} must not depend on {library}"));
            }
        }
    }
    wrong
}

fn main() -> Result<()> {
    let crates = crates()?;
    for (name, needs) in &crates {
        let own = needs.iter().filter(|need| need.starts_with("outwork"));
        println!("{name}: {}", own.cloned().collect::<Vec<_>>().join(" "));
    }
    let wrong = violations(&crates);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_point_downwards() {
        let crates = crates().expect("cargo metadata answers");
        assert_eq!(violations(&crates), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_dependency_is_found() {
        let mut crates = crates().expect("cargo metadata answers");
        crates
            .entry("outwork-server".into())
            .or_default()
            .push("outwork-worker".into());
        crates
            .entry("outwork-cli".into())
            .or_default()
            .push("sqlx".into());
        let found = violations(&crates);
        assert!(
            found
                .iter()
                .any(|line| line.contains("outwork-server must not depend on outwork-worker"))
        );
        assert!(
            found
                .iter()
                .any(|line| line.contains("outwork-cli must not depend on sqlx"))
        );
    }
}
