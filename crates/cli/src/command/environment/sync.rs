//! `outwork env sync`: takes over what `.outwork.toml` says.

use std::collections::BTreeMap;

use clap::Args;
use outwork_api::environment::{Environment, EnvironmentPatch, Repository};

use crate::environment_ref;
use crate::error::CliError;
use crate::project::{FILE_NAME, ProjectFile, Wanted};
use crate::render::environment::further;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::terminal::style::{Paint, Style};

/// Take over what `.outwork.toml` says
///
/// Reads the file in the clone you stand in, shows what changes, asks, and writes it into the
/// environment. What the file does not mention stays as it is; what it mentions is taken whole. The label
/// stays.
#[derive(Args, Clone, Debug)]
pub struct SyncArgs {
    /// The environment's label or id; the one for this folder's repository when left out
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Print the environment as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: SyncArgs, session: &mut Session) -> Result<(), CliError> {
    let SyncArgs {
        environment,
        yes,
        json,
    } = args;
    let client = session.client()?;
    let clone = session.repository().await?;
    let top = clone.top_level();
    let file = ProjectFile::read(top)?.ok_or_else(|| {
        CliError::failed(format!("this repository has no {FILE_NAME}"))
            .code("not_found")
            .hint("`outwork env init --write` writes one")
    })?;
    let wanted = file.resolved(top)?;
    let current = match environment {
        Some(name) => environment_ref::find(&client, &name).await?,
        None => match environment_ref::guess(&client, session).await? {
            Some(environment) => environment,
            None => return Err(environment_ref::none_here()),
        },
    };
    for name in wanted.secrets.iter().flatten() {
        if !current.secrets.iter().any(|one| one.name == *name) {
            let (name, label) = (plain(name), plain(&current.label));
            session.out.note(&format!(
                "the secret {name} is not set: `outwork env secret set {label} {name}`"
            ));
        }
    }
    let Change { patch, lines } = change(&current, wanted, session.out.stderr_style);
    let synced = if lines.is_empty() {
        session
            .out
            .note(&format!("{} is as the file says", plain(&current.label)));
        current
    } else {
        for line in &lines {
            session.out.note(line);
        }
        if !yes && !agreed(session, &current.label).await? {
            return Err(CliError::failed("nothing was changed").code("declined"));
        }
        client
            .update_environment(&current.id, &patch, Some(current.revision))
            .await?
    };
    match json {
        true => session.out.json(&synced),
        false => session.out.line(&plain(&synced.id)),
    }
}

async fn agreed(session: &mut Session, label: &str) -> Result<bool, CliError> {
    if !session.stdin_is_terminal {
        return Err(
            CliError::usage("nothing was changed: there is nobody to ask")
                .hint("if this is right, run the command again with --yes"),
        );
    }
    let question = format!("Change the environment {} like this? [y/N] ", plain(label));
    session.confirm(&question, false).await
}

/// What is to be sent, and how people read it.
struct Change {
    patch: EnvironmentPatch,
    lines: Vec<String>,
}

fn change(current: &Environment, wanted: Wanted, style: Style) -> Change {
    let Wanted {
        label: _,
        branch,
        image,
        setup,
        maintenance,
        verify,
        secrets: _,
        runtimes,
        variables,
        also,
    } = wanted;
    let mut shown = Shown {
        style,
        lines: Vec::new(),
    };
    let patch = EnvironmentPatch {
        branch: shown.text("branch", &current.branch, branch),
        base_image: shown.text("image", &current.base_image, image),
        runtimes: shown.table("runtime", &current.runtimes, runtimes),
        verify_command: shown.text("verify", &current.verify_command, verify),
        variables: shown.table("variable", &current.variables, variables),
        further_repositories: shown.further(&current.further_repositories, also),
        setup_script: shown.text("setup", &current.setup_script, setup),
        maintenance_script: shown.text("maintenance", &current.maintenance_script, maintenance),
        ..EnvironmentPatch::default()
    };
    Change {
        patch,
        lines: shown.lines,
    }
}

/// The changes as lines, with those that go and those that come.
struct Shown {
    style: Style,
    lines: Vec<String>,
}

impl Shown {
    /// The new text, if it is another one. An empty one is none.
    fn text(
        &mut self,
        name: &str,
        current: &Option<String>,
        wanted: Option<String>,
    ) -> Option<String> {
        let current = current.as_deref().unwrap_or("");
        let wanted = wanted.filter(|text| text != current)?;
        let old: Vec<&str> = current.lines().collect();
        let new: Vec<&str> = wanted.lines().collect();
        self.differing(name, &old, &new);
        Some(wanted)
    }

    fn table(
        &mut self,
        name: &str,
        current: &BTreeMap<String, String>,
        wanted: Option<BTreeMap<String, String>>,
    ) -> Option<BTreeMap<String, String>> {
        let wanted = wanted.filter(|table| table != current)?;
        let entries = |table: &BTreeMap<String, String>| -> Vec<String> {
            let entries = table.iter();
            entries
                .map(|(key, value)| format!("{key}={value}"))
                .collect()
        };
        self.lists(name, &entries(current), &entries(&wanted));
        Some(wanted)
    }

    fn further(
        &mut self,
        current: &[Repository],
        wanted: Option<Vec<Repository>>,
    ) -> Option<Vec<Repository>> {
        let wanted = wanted.filter(|list| list != current)?;
        let shown = |list: &[Repository]| list.iter().map(further).collect::<Vec<_>>();
        self.lists("also", &shown(current), &shown(&wanted));
        Some(wanted)
    }

    /// Entries whose order says nothing.
    fn lists(&mut self, name: &str, old: &[String], new: &[String]) {
        let gone = old.iter().filter(|one| !new.contains(one));
        let come = new.iter().filter(|one| !old.contains(one));
        let gone: Vec<&str> = gone.map(String::as_str).collect();
        let come: Vec<&str> = come.map(String::as_str).collect();
        self.differing(name, &gone, &come);
    }

    /// The lines between the first and the last that are the same.
    fn differing(&mut self, name: &str, old: &[&str], new: &[&str]) {
        let same = |(a, b): &(&&str, &&str)| a == b;
        let before = old.iter().zip(new).take_while(same).count();
        let (old, new) = (&old[before..], &new[before..]);
        let after = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take_while(same)
            .count();
        let (old, new) = (&old[..old.len() - after], &new[..new.len() - after]);
        self.lines.push(self.style.paint(Paint::Bold, name));
        for (sign, paint, lines) in [('-', Paint::Red, old), ('+', Paint::Green, new)] {
            let painted = lines
                .iter()
                .map(|line| self.style.paint(paint, &format!("{sign} {}", plain(line))));
            self.lines.extend(painted);
        }
    }
}
