//! Which files a prompt is about: those that it names.

use crate::overlap::named_in;

/// What the prompt names: paths of files and directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope(Vec<String>);

/// `None` if the prompt names no path that any of `touched` is at or below: then it says nothing of what is beside its task.
pub(super) fn of<'a>(
    prompt: &str,
    touched: impl Iterator<Item = &'a String> + Clone,
) -> Option<Scope> {
    let mut named = named_in(prompt);
    named.retain(|name| touched.clone().any(|path| is_at(name, path)));
    (!named.is_empty()).then_some(Scope(named))
}

fn is_at(name: &str, path: &str) -> bool {
    let ends_with = |whole: &str, end: &str| {
        whole
            .strip_suffix(end)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    let is_below = path
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('/'));
    is_below || ends_with(path, name)
}

impl Scope {
    /// Whether the file belongs to what the prompt names. Tests always do.
    pub(super) fn has(&self, path: &str) -> bool {
        crate::evidence::test_files::is_test_file(path)
            || self.0.iter().any(|name| is_at(name, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_somebody_touched_are_a_scope() {
        let touched = ["src/a.rs", "docs/x/y.md", "tests/a.rs"].map(str::to_owned);
        let of = |prompt: &str| of(prompt, touched.iter());
        assert_eq!(of("Make it faster, e.g. with Node.js 1.2."), None);
        assert_eq!(of("Fix other.rs"), None);
        let scope = of("Fix `./src/a.rs`, and say so in docs/x/.").unwrap();
        assert_eq!(scope.0, ["src/a.rs", "docs/x"]);
        assert!(scope.has("src/a.rs") && scope.has("docs/x/y.md") && scope.has("tests/a.rs"));
        assert!(!scope.has("src/aa.rs") && !scope.has("docs/xx.md"));
        assert!(of("a.rs is slow").unwrap().has("src/a.rs"));
    }
}
