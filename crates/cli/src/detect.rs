//! From the files of a repository to what its tasks need: a setup script, a command that tells whether
//! the work is right, and pinned runtimes, each with the reason. Pure: the files come in, text comes out.
//!
//! One file for each ecosystem. What they count on inside the sandbox: the script runs as root in the
//! checkout, `HOME` is the agent's home, `/usr/local` can be written and is on everybody's `PATH`, and
//! there is network; the command runs as the agent, without network.

mod folder;
mod version;

mod go;
mod java;
mod make;
mod node;
mod php;
mod python;
mod ruby;
mod rust;

use std::collections::BTreeMap;

use outwork_domain::environment::RuntimeName;

use folder::Folder;
pub(crate) use folder::Tree;

/// How many projects of one repository are looked at.
const PROJECTS: usize = 8;

/// What is guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guess {
    /// Parts of the setup script.
    pub setup: Vec<Part>,
    /// Parts of the verification command.
    pub verify: Vec<Part>,
    /// Runtimes to pin, one of each at most.
    pub pins: Vec<Pin>,
    /// What a person should know who decides about it.
    pub notes: Vec<String>,
}

/// Some lines of Bash and why they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// One line or more, without the last line's end.
    pub text: String,
    /// What was found.
    pub reason: String,
}

/// A pinned runtime and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub runtime: RuntimeName,
    /// One to three numbers.
    pub version: String,
    pub reason: String,
}

/// What one ecosystem finds in one folder.
#[derive(Default)]
struct Project {
    /// Commands to be run in the folder.
    setup: Vec<Part>,
    /// A command to be run in the folder.
    verify: Option<Part>,
    pins: Vec<Pin>,
    notes: Vec<String>,
    /// Whether it counts on its own also below another project of the same ecosystem.
    stands_alone: bool,
}

/// An ecosystem: how it is found, and what its projects share.
struct Ecosystem {
    find: fn(&Folder<'_>) -> Option<Project>,
    /// Before the first project's setup.
    before: fn() -> Option<Part>,
    /// After the last project's setup.
    after: fn() -> Option<Part>,
}

impl Ecosystem {
    const fn of(find: fn(&Folder<'_>) -> Option<Project>) -> Self {
        Self {
            find,
            before: || None,
            after: || None,
        }
    }
}

const ECOSYSTEMS: [Ecosystem; 7] = [
    Ecosystem::of(node::find),
    Ecosystem {
        find: python::find,
        before: python::before,
        after: python::after,
    },
    Ecosystem::of(rust::find),
    Ecosystem::of(go::find),
    Ecosystem::of(java::find),
    Ecosystem::of(ruby::find),
    Ecosystem::of(php::find),
];

/// What the files ask for; nothing where nothing is known.
pub(crate) fn guess(tree: &Tree<'_>) -> Guess {
    let folders = tree.folders();
    let mut guess = Guess::default();
    let mut count = 0;
    for ecosystem in &ECOSYSTEMS {
        let mut found: Vec<(&Folder<'_>, Project)> = Vec::new();
        for folder in &folders {
            let Some(project) = (ecosystem.find)(folder) else {
                continue;
            };
            let is_part = found.iter().any(|(above, _)| folder.is_below(above));
            if !is_part || project.stands_alone {
                found.push((folder, project));
            }
        }
        count += found.len();
        let kept = found.len().saturating_sub(count.saturating_sub(PROJECTS));
        for (left, _) in found.drain(kept..) {
            let note = format!("{} is left out: there are too many projects", left.shown());
            guess.notes.push(note);
        }
        guess.add(ecosystem, found);
    }
    make::complete(&mut guess, &Folder::top(tree));
    guess
}

impl Guess {
    fn add(&mut self, ecosystem: &Ecosystem, found: Vec<(&Folder<'_>, Project)>) {
        let has_setup = found.iter().any(|(_, project)| !project.setup.is_empty());
        self.setup
            .extend((ecosystem.before)().filter(|_| has_setup));
        for (folder, project) in found {
            let Project {
                setup,
                verify,
                pins,
                notes,
                stands_alone: _,
            } = project;
            self.setup
                .extend(setup.into_iter().map(|part| folder.script(part)));
            self.verify
                .extend(verify.into_iter().map(|part| folder.command(part)));
            for pin in pins {
                self.pin(folder, pin);
            }
            let notes = notes.into_iter().map(|note| match folder.is_top() {
                true => note,
                false => format!("{}: {note}", folder.shown()),
            });
            self.notes.extend(notes);
        }
        self.setup.extend((ecosystem.after)().filter(|_| has_setup));
    }

    /// The first project's version counts: a sandbox has one of each.
    fn pin(&mut self, folder: &Folder<'_>, pin: Pin) {
        let reason = folder.path(&pin.reason);
        match self.pins.iter().find(|known| known.runtime == pin.runtime) {
            None => self.pins.push(Pin { reason, ..pin }),
            Some(known) if known.version != pin.version => {
                let (runtime, version) = (pin.runtime.as_str(), &pin.version);
                self.notes.push(format!(
                    "{reason} asks for {runtime} {version}, {} for {}; there can be one",
                    known.reason, known.version
                ));
            }
            Some(_) => {}
        }
    }

    /// The setup script with the reasons as comments; `None` when nothing is to be set up.
    pub fn setup_script(&self) -> Option<String> {
        let part = |part: &Part| {
            let reason = part.reason.replace('\n', " ");
            format!("# {reason}\n{}\n", part.text)
        };
        let parts: Vec<String> = self.setup.iter().map(part).collect();
        (!parts.is_empty()).then(|| parts.join("\n"))
    }

    /// The verification command; `None` when none is known.
    pub fn verify_command(&self) -> Option<String> {
        let parts: Vec<&str> = self.verify.iter().map(|part| part.text.as_str()).collect();
        (!parts.is_empty()).then(|| parts.join(" && "))
    }

    /// The pinned runtimes by name.
    pub fn runtimes(&self) -> BTreeMap<String, String> {
        let pins = self.pins.iter();
        pins.map(|pin| (pin.runtime.as_str().to_owned(), pin.version.clone()))
            .collect()
    }
}

/// A part of a script or command.
fn part(text: impl Into<String>, reason: impl Into<String>) -> Part {
    Part {
        text: text.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
