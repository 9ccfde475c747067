//! Rust: cargo.

use outwork_domain::environment::RuntimeName;

use super::folder::Folder;
use super::{Pin, Project, part, version};

pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    if !folder.has("Cargo.toml") {
        return None;
    }
    let is_locked = folder.has("Cargo.lock");
    let setup = match is_locked {
        true => part("cargo fetch --locked", "Cargo.lock"),
        false => part("cargo fetch", "Cargo.toml"),
    };
    let toolchain = toolchain(folder);
    let version = toolchain
        .as_ref()
        .and_then(|(channel, _)| version::leading(channel, 2));
    let mut project = Project {
        setup: vec![setup],
        verify: Some(part("cargo test", "Cargo.toml")),
        stands_alone: is_locked,
        ..Project::default()
    };
    match (toolchain, version) {
        (Some((_, file)), Some(version)) => project.pins.push(Pin {
            runtime: RuntimeName::Rust,
            version,
            reason: file.to_owned(),
        }),
        (Some((channel, file)), None) if channel.starts_with("nightly") => project.notes.push(
            format!("{file} asks for {channel}: an image with rustup has it"),
        ),
        (Some(_) | None, _) => {}
    }
    Some(project)
}

/// The channel, and the file that names it.
fn toolchain(folder: &Folder<'_>) -> Option<(String, &'static str)> {
    let file = folder.first(&["rust-toolchain.toml", "rust-toolchain"])?;
    let text = folder.read(file)?;
    let channel = match toml::from_str::<toml::Table>(&text) {
        Ok(table) => table.get("toolchain")?.get("channel")?.as_str()?.to_owned(),
        // The older form is the channel alone.
        Err(_) => text.lines().next()?.trim().to_owned(),
    };
    Some((channel, file))
}
