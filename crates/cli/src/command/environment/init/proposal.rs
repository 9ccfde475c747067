//! What `env init` proposes: the file, the guesses and the flags put together.

use std::collections::BTreeMap;

use outwork_api::Secret;
use outwork_api::environment::{Agent, NewEnvironment};

use crate::detect::Guess;
use crate::project::{FILE_NAME, ProjectFile, Script, Wanted};
use crate::render::environment;
use crate::terminal::plain::plain;
use crate::terminal::style::{Paint, Style};

/// An environment to be made, and why it looks like that.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub label: String,
    pub repository_url: String,
    pub wanted: Wanted,
    /// Where parts come from, by the part's name.
    reasons: BTreeMap<String, String>,
    /// What the person should know.
    pub notes: Vec<String>,
}

impl Proposal {
    /// What the flags say, then what the file says, then what is guessed.
    pub fn new(
        label: String,
        repository_url: String,
        flags: Wanted,
        file: Option<Wanted>,
        guess: Guess,
    ) -> Self {
        let mut proposal = Self {
            label,
            repository_url,
            wanted: Wanted::default(),
            reasons: BTreeMap::new(),
            notes: Vec::new(),
        };
        proposal.take(flags, None);
        proposal.take(file.unwrap_or_default(), Some(FILE_NAME));
        proposal.take_guess(guess);
        proposal
    }

    /// Fills what is not known yet.
    fn take(&mut self, more: Wanted, reason: Option<&str>) {
        let Wanted {
            label: _,
            branch,
            image,
            setup,
            maintenance,
            verify,
            secrets,
            runtimes,
            variables,
            also,
        } = more;
        let wanted = &mut self.wanted;
        let reasons = &mut self.reasons;
        let mut fill = |name: &str, own: &mut Option<String>, new: Option<String>| {
            if let (None, Some(text)) = (&own, new) {
                *own = Some(text);
                reasons.extend(reason.map(|reason| (name.to_owned(), reason.to_owned())));
            }
        };
        fill("branch", &mut wanted.branch, branch);
        fill("image", &mut wanted.image, image);
        fill("setup", &mut wanted.setup, setup);
        fill("maintenance", &mut wanted.maintenance, maintenance);
        fill("verify", &mut wanted.verify, verify);
        if let (None, Some(pinned)) = (&wanted.runtimes, &runtimes) {
            let names = pinned.keys().map(|name| format!("runtime {name}"));
            reasons.extend(names.flat_map(|name| reason.map(|reason| (name, reason.to_owned()))));
        }
        wanted.runtimes = wanted.runtimes.take().or(runtimes);
        wanted.secrets = wanted.secrets.take().or(secrets);
        wanted.variables = wanted.variables.take().or(variables);
        wanted.also = wanted.also.take().or(also);
    }

    fn take_guess(&mut self, guess: Guess) {
        let guesses_verify = self.wanted.verify.is_none();
        let guesses_runtimes = self.wanted.runtimes.is_none();
        self.take(
            Wanted {
                setup: guess.setup_script(),
                verify: guess.verify_command(),
                runtimes: Some(guess.runtimes()),
                ..Wanted::default()
            },
            None,
        );
        if guesses_verify && !guess.verify.is_empty() {
            let reasons: Vec<&str> = guess
                .verify
                .iter()
                .map(|part| part.reason.as_str())
                .collect();
            self.reasons.insert("verify".to_owned(), reasons.join("; "));
        }
        if guesses_runtimes {
            let pins = guess.pins.into_iter();
            self.reasons
                .extend(pins.map(|pin| (format!("runtime {}", pin.runtime.as_str()), pin.reason)));
        }
        self.notes.extend(guess.notes);
    }

    /// Exactly what somebody wrote.
    pub fn replace(&mut self, edited: Wanted) {
        self.reasons.clear();
        self.notes.clear();
        if let Some(label) = &edited.label {
            self.label.clone_from(label);
        }
        self.wanted = edited;
    }

    /// As people read it before they agree.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let shown = Shown {
            style,
            reasons: &self.reasons,
        };
        let Wanted {
            label: _,
            branch,
            image,
            setup,
            maintenance,
            verify,
            secrets,
            runtimes,
            variables,
            also,
        } = &self.wanted;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let or = |text: &Option<String>, none: &str| given(text).unwrap_or_else(|| none.to_owned());
        let mut lines = vec![
            style.paint(Paint::Bold, &plain(&self.label)),
            shown.text("repository", &self.repository_url),
            shown.text("branch", &or(branch, "(default)")),
        ];
        for repository in also.iter().flatten() {
            lines.push(shown.line("also", "also", &environment::further(repository)));
        }
        lines.extend(given(image).map(|image| shown.text("image", &image)));
        for (runtime, version) in runtimes.iter().flatten() {
            let part = format!("runtime {runtime}");
            let pin = plain(&format!("{runtime}={version}"));
            lines.push(shown.line("runtime", &part, &pin));
        }
        lines.push(shown.text("verify", &or(verify, "(none)")));
        for (key, value) in variables.iter().flatten() {
            lines.push(shown.text("variable", &format!("{key}={value}")));
        }
        let secrets = secrets.iter().flatten();
        lines.extend(secrets.map(|secret| shown.text("secret", secret)));
        match given(setup) {
            Some(script) => lines.extend(shown.script("setup", &script)),
            None => lines.push(shown.text("setup", "(none)")),
        }
        let maintenance = given(maintenance);
        lines.extend(
            maintenance
                .iter()
                .flat_map(|script| shown.script("maintenance", script)),
        );
        let notes = self.notes.iter();
        lines.extend(notes.map(|note| format!("note: {}", plain(note))));
        lines
    }

    /// The same as `.outwork.toml` has it.
    pub fn file(&self) -> ProjectFile {
        let Wanted {
            label: _,
            branch,
            image,
            setup,
            maintenance,
            verify,
            secrets,
            runtimes,
            variables,
            also,
        } = self.wanted.clone();
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        ProjectFile {
            label: Some(self.label.clone()),
            branch: given(branch),
            image: given(image),
            setup: given(setup).map(Script::Text),
            maintenance: given(maintenance).map(Script::Text),
            verify: given(verify),
            secrets: secrets.filter(|names| !names.is_empty()),
            runtimes: runtimes.filter(|pinned| !pinned.is_empty()),
            variables: variables.filter(|set| !set.is_empty()),
            also: also.filter(|further| !further.is_empty()),
        }
    }

    /// What to run to see whether the environment is right.
    pub fn verify_command(&self) -> Option<&str> {
        self.wanted
            .verify
            .as_deref()
            .filter(|command| !command.trim().is_empty())
    }

    /// The names of the secrets that it needs.
    pub fn secrets(&self) -> &[String] {
        self.wanted.secrets.as_deref().unwrap_or_default()
    }

    /// The environment to be made.
    pub fn environment(&self, agent: Agent, secrets: BTreeMap<String, Secret>) -> NewEnvironment {
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
        } = self.wanted.clone();
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        NewEnvironment {
            label: self.label.clone(),
            repository_url: self.repository_url.clone(),
            branch: given(branch),
            agent,
            further_repositories: also.unwrap_or_default(),
            base_image: given(image),
            runtimes: runtimes.unwrap_or_default(),
            setup_script: given(setup),
            maintenance_script: given(maintenance),
            verify_command: given(verify),
            verify_timeout_seconds: None,
            variables: variables.unwrap_or_default(),
            secrets,
            setup_timeout_seconds: None,
            timeout_seconds: None,
            network: None,
            resources: None,
            nested_namespaces: None,
            max_tokens: None,
            required_labels: BTreeMap::new(),
            max_concurrent: None,
            approvals: None,
            injections: Vec::new(),
        }
    }
}

/// Parts of a proposal as lines, each with its reason.
struct Shown<'a> {
    style: Style,
    reasons: &'a BTreeMap<String, String>,
}

impl Shown<'_> {
    /// `text` may hold anything.
    fn text(&self, part: &str, text: &str) -> String {
        self.line(part, part, &plain(text))
    }

    /// `text` must be safe to show.
    fn line(&self, name: &str, part: &str, text: &str) -> String {
        let name = self.style.paint(Paint::Dim, &format!("{name:<14}"));
        format!("{name}{text}{}", self.because(part))
    }

    fn script(&self, part: &str, script: &str) -> Vec<String> {
        let mut lines = environment::script(part, Some(script), self.style);
        if let Some(heading) = lines.first_mut() {
            heading.push_str(&self.because(part));
        }
        lines
    }

    fn because(&self, part: &str) -> String {
        match self.reasons.get(part) {
            Some(reason) => self
                .style
                .paint(Paint::Dim, &format!("  ({})", plain(reason))),
            None => String::new(),
        }
    }
}
