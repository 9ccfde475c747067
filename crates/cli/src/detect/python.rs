//! Python: pip, poetry, uv, pdm, pipenv.
//!
//! All projects of a repository share one virtual environment in the home. Shells that are no login
//! shells read no profile, so it is not activated: its programs are put into `/usr/local/sbin`, which
//! comes first on `PATH`. Links do for programs whose first line names their interpreter; the
//! interpreter itself finds its environment by the path it is started with, and gets a small script.
//! (`/usr/local/bin` would not do: in some images the interpreter itself is there.)

use outwork_domain::environment::RuntimeName;

use super::folder::Folder;
use super::{Part, Pin, Project, part, version};

const EXTRA_REQUIREMENTS: [&str; 8] = [
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
];
/// What projects call the extras and groups with their test tools.
const TEST_EXTRAS: [&str; 4] = ["test", "tests", "testing", "dev"];

/// Before the first project.
pub(super) fn before() -> Option<Part> {
    let text = "python3 -m venv \"$HOME/.venv\"\n\
         export VIRTUAL_ENV=\"$HOME/.venv\" PATH=\"$HOME/.venv/bin:$PATH\" PIP_NO_CACHE_DIR=1";
    Some(part(text, "Python: a virtual environment in the home"))
}

/// After the last project.
pub(super) fn after() -> Option<Part> {
    let text = r#"for program in "$HOME"/.venv/bin/*; do
  case ${program##*/} in
    [Aa]ctivate*) ;;
    python*)
      printf '#!/bin/sh\nexec "%s" "$@"\n' "$program" > "/usr/local/sbin/${program##*/}"
      chmod 755 "/usr/local/sbin/${program##*/}" ;;
    *) ln -sf "$program" /usr/local/sbin/ ;;
  esac
done"#;
    Some(part(
        text,
        "Python: its programs come first on PATH, for the agent, too",
    ))
}

pub(super) fn find(folder: &Folder<'_>) -> Option<Project> {
    let files = Files::read(folder);
    let (mut setup, stands_alone) = match locked(folder, &files) {
        Some(parts) => (parts, true),
        None => (with_pip(folder, &files), false),
    };
    let needs_nothing = setup.is_empty();
    // Below the top, tests alone belong to something that has said so.
    if needs_nothing && !folder.is_top() {
        return None;
    }
    let has_pytest = match stands_alone {
        true => files.needs.contains("pytest"),
        false => files.pip_installs(folder, "pytest"),
    };
    let (install, mut verify) = tests(folder, &files, has_pytest);
    setup.extend(install);
    if setup.is_empty() {
        // Without a virtual environment there may be no program of that short name.
        for part in verify.iter_mut() {
            part.text = part.text.replacen("python ", "python3 ", 1);
        }
    }
    if setup.is_empty() && verify.is_none() {
        return None;
    }
    Some(Project {
        setup,
        verify,
        pins: pin(folder, &files).into_iter().collect(),
        notes: Vec::new(),
        stands_alone,
    })
}

/// The files that say something about more than one question.
struct Files {
    pyproject: Option<toml::Table>,
    /// Everything that names what a project needs, as one text.
    needs: String,
}

impl Files {
    fn read(folder: &Folder<'_>) -> Self {
        let named = [
            "pyproject.toml",
            "setup.py",
            "setup.cfg",
            "tox.ini",
            "Pipfile",
        ];
        let all = named.iter().chain(&EXTRA_REQUIREMENTS);
        let texts = all
            .chain(&["requirements.txt"])
            .filter_map(|name| folder.read(name));
        Self {
            pyproject: folder
                .read("pyproject.toml")
                .and_then(|text| toml::from_str(&text).ok()),
            needs: texts.collect::<Vec<_>>().join("\n"),
        }
    }

    fn table(&self, path: &[&str]) -> Option<&toml::Table> {
        let mut table = self.pyproject.as_ref()?;
        for name in path {
            table = table.get(*name)?.as_table()?;
        }
        Some(table)
    }

    /// Whether `pip install .` does something.
    fn is_package(&self) -> bool {
        self.table(&["project"]).is_some() || self.table(&["build-system"]).is_some()
    }

    /// Whether what pip is told to install names the package.
    fn pip_installs(&self, folder: &Folder<'_>, package: &str) -> bool {
        let requirements = ["requirements.txt"].iter().chain(&EXTRA_REQUIREMENTS);
        let mut texts = requirements.filter_map(|name| folder.read(name));
        if texts.any(|text| text.contains(package)) {
            return true;
        }
        let tables = [
            &["project", "optional-dependencies"][..],
            &["dependency-groups"],
        ];
        let lists = tables.iter().flat_map(|path| {
            let names = self.test_names(path).into_iter();
            names.filter_map(|name| self.table(path)?.get(name))
        });
        let own = self
            .table(&["project"])
            .and_then(|table| table.get("dependencies"));
        lists
            .chain(own)
            .any(|list| list.to_string().contains(package))
    }

    /// The names in a table that test tools go by.
    fn test_names(&self, path: &[&str]) -> Vec<&'static str> {
        let table = self.table(path);
        let has = |name: &&str| table.is_some_and(|table| table.contains_key(*name));
        TEST_EXTRAS.into_iter().filter(has).collect()
    }
}

/// With the tool that wrote the lock file.
fn locked(folder: &Folder<'_>, files: &Files) -> Option<Vec<Part>> {
    let extras = files.test_names(&["project", "optional-dependencies"]);
    let extras: String = extras
        .iter()
        .map(|name| format!(" --extra {name}"))
        .collect();
    let (lock, tool, command) = if folder.has("uv.lock") {
        let sync = "UV_PROJECT_ENVIRONMENT=\"$VIRTUAL_ENV\" \"$HOME/.tools/bin/uv\" sync --frozen --inexact";
        ("uv.lock", "uv", format!("{sync}{extras}"))
    } else if folder.has("poetry.lock") {
        let install = "\"$HOME/.tools/bin/poetry\" install --no-interaction";
        ("poetry.lock", "poetry", install.to_owned())
    } else if folder.has("pdm.lock") {
        (
            "pdm.lock",
            "pdm",
            "\"$HOME/.tools/bin/pdm\" sync".to_owned(),
        )
    } else if folder.has("Pipfile.lock") {
        (
            "Pipfile.lock",
            "pipenv",
            "\"$HOME/.tools/bin/pipenv\" sync --dev".to_owned(),
        )
    } else {
        return None;
    };
    let tool = format!(
        "python3 -m venv \"$HOME/.tools\"\n\"$HOME/.tools/bin/pip\" install --quiet {tool}\n{command}"
    );
    Some(vec![part(tool, lock)])
}

fn with_pip(folder: &Folder<'_>, files: &Files) -> Vec<Part> {
    let mut parts = Vec::new();
    let requirements = ["requirements.txt"].iter().chain(&EXTRA_REQUIREMENTS);
    for name in requirements.filter(|name| folder.has(name)) {
        parts.push(part(format!("pip install -r {name}"), *name));
    }
    if files.is_package() {
        let extras = files
            .test_names(&["project", "optional-dependencies"])
            .join(",");
        let place = match extras.as_str() {
            "" => ".".to_owned(),
            extras => format!("'.[{extras}]'"),
        };
        parts.push(part(format!("pip install -e {place}"), "pyproject.toml"));
        let groups = files.test_names(&["dependency-groups"]);
        if !groups.is_empty() {
            let groups: String = groups
                .iter()
                .map(|name| format!(" --group {name}"))
                .collect();
            // Groups are younger than the pip of many a Python.
            let text = format!("pip install --upgrade pip\npip install{groups}");
            parts.push(part(text, "dependency-groups in pyproject.toml"));
        }
    } else if let Some(file) = folder.first(&["setup.py", "setup.cfg"]) {
        parts.push(part("pip install -e .", file));
    }
    parts
}

/// What the tests need besides, and how they are run.
fn tests(folder: &Folder<'_>, files: &Files, has_pytest: bool) -> (Option<Part>, Option<Part>) {
    let configured = folder
        .first(&[
            "pytest.ini",
            ".pytest.ini",
            "conftest.py",
            "tests/conftest.py",
        ])
        .or_else(|| files.table(&["tool", "pytest"]).map(|_| "pyproject.toml"));
    let is_named = files.needs.contains("pytest");
    let configured = configured.or(is_named.then_some("pytest is one of its requirements"));
    let test_folder = ["tests", "test"]
        .into_iter()
        .find(|name| modules(folder, name).next().is_some());
    let pytest = |reason: &str| Some(part("python -m pytest", reason));
    let add = |reason: &str| (!has_pytest).then(|| part("pip install pytest", reason));
    if let Some(reason) = configured {
        return (add(reason), pytest(reason));
    }
    if folder.has("manage.py") {
        return (None, Some(part("python manage.py test", "manage.py")));
    }
    if folder.has("tox.ini") {
        let prepare = part("pip install tox\ntox run -e py --notest", "tox.ini");
        let run = part("tox run -e py --skip-pkg-install", "tox.ini");
        return (Some(prepare), Some(run));
    }
    match test_folder {
        Some(name) if is_for_pytest(folder, name) => (add(name), pytest(name)),
        Some(name) => {
            let discover = format!("python -m unittest discover -s {name}");
            (None, Some(part(discover, name)))
        }
        None => match folder.files().find(|name| is_test_module(name)) {
            Some(name) => (None, Some(part("python -m unittest", name))),
            None => (None, None),
        },
    }
}

/// The test modules below a folder, from this one.
fn modules(folder: &Folder<'_>, tests: &str) -> impl Iterator<Item = String> {
    let below = folder.below(tests);
    let modules = below.filter(|path| path.rsplit('/').next().is_some_and(is_test_module));
    modules.map(move |path| format!("{tests}/{path}"))
}

fn is_test_module(name: &str) -> bool {
    name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
}

/// Whether the first modules are written for pytest: they import it, or do not import unittest.
fn is_for_pytest(folder: &Folder<'_>, tests: &str) -> bool {
    let texts: Vec<String> = modules(folder, tests)
        .take(5)
        .filter_map(|path| folder.read(&path))
        .collect();
    let any = |word: &str| texts.iter().any(|text| text.contains(word));
    any("import pytest") || !any("unittest")
}

/// Major and minor: a Python's patch versions are alike.
fn pin(folder: &Folder<'_>, files: &Files) -> Option<Pin> {
    let own = || {
        let word = folder.word(".python-version")?;
        Some((version::leading(&word, 2)?, ".python-version"))
    };
    let pipfile = || {
        let table: toml::Table = toml::from_str(&folder.read("Pipfile")?).ok()?;
        let text = table.get("requires")?.get("python_version")?.as_str()?;
        Some((version::leading(text, 2)?, "Pipfile"))
    };
    let exact = || {
        let text = files
            .table(&["project"])?
            .get("requires-python")?
            .as_str()?;
        let text = text.trim().strip_prefix("==")?;
        Some((version::leading(text, 2)?, "pyproject.toml"))
    };
    let (version, reason) = own().or_else(pipfile).or_else(exact)?;
    Some(Pin {
        runtime: RuntimeName::Python,
        version,
        reason: reason.to_owned(),
    })
}
