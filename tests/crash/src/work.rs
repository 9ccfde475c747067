//! What the agents do, and what must come of it.

use std::fmt::Write;

pub(crate) const ENVIRONMENT: &str = "crash";
/// In the environment of everything in a sandbox.
pub(crate) const MARK: &str = "CRASH_RUN";
/// The file that agents write to.
pub(crate) const FILE: &str = "log.txt";

/// Reads a name, a number of lines and a pause from the prompt; writes that many lines to a file and says so.
pub(crate) const AGENT: &str = r#"read -r name lines pause
for ((i = 1; i <= lines; i++)); do
  echo "$name $OUTWORK_TURN.$OUTWORK_ATTEMPT $i" >>log.txt
  echo "line $i"
  sleep "$pause"
done"#;

/// What one turn of a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// No two tasks of a run have the same.
    pub(crate) name: String,
    pub(crate) lines: u64,
    pub(crate) pause_ms: u64,
}

impl Work {
    pub(crate) fn prompt(&self) -> String {
        let Self {
            name,
            lines,
            pause_ms,
        } = self;
        format!(
            "{name} {lines} {}.{:03}\n",
            pause_ms / 1000,
            pause_ms % 1000
        )
    }

    /// The lines that an attempt adds to the file.
    pub(crate) fn added(&self, turn: u32, attempt: u32) -> Vec<String> {
        let lines = 1..=self.lines;
        lines
            .map(|line| format!("{} {turn}.{attempt} {line}", self.name))
            .collect()
    }

    /// What an attempt says from its first line to its last.
    pub(crate) fn said(&self) -> String {
        let mut said = String::new();
        for line in 1..=self.lines {
            let _ = writeln!(said, "line {line}");
        }
        said
    }
}

/// The lines that a patch adds to the file of the agents, or what else it does.
pub(crate) fn added_by(patch: &str) -> Result<Vec<String>, String> {
    if patch.is_empty() {
        return Ok(Vec::new());
    }
    let begins = format!("diff --git a/{FILE} b/{FILE}\n");
    let others = patch.matches("diff --git ").count();
    let in_hunks = patch.strip_prefix(&begins).and_then(|rest| {
        let start = rest.find("\n@@ ")?;
        Some(&rest[start + 1..])
    });
    let Some(in_hunks) = in_hunks.filter(|_| others == 1) else {
        return Err(format!("not a patch of {FILE} alone: {patch}"));
    };
    let mut added = Vec::new();
    for line in in_hunks.lines() {
        match line.as_bytes().first() {
            Some(b'+') => added.push(line[1..].to_owned()),
            Some(b' ' | b'@') => {}
            Some(_) | None => return Err(format!("more than added lines: {line:?}")),
        }
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_read_as_the_lines_that_it_adds() {
        let patch = "diff --git a/log.txt b/log.txt\nindex 1..2 100644\n--- a/log.txt\n+++ b/log.txt\n@@ -1 +1,3 @@\n start\n+a 1.1 1\n+a 1.1 2\n";
        assert_eq!(
            added_by(patch),
            Ok(vec!["a 1.1 1".to_owned(), "a 1.1 2".to_owned()])
        );
        assert_eq!(added_by(""), Ok(Vec::new()));
        assert!(added_by(&patch.replace(" start", "-start")).is_err());
        assert!(added_by(&patch.replace("log.txt", "other")).is_err());
        assert!(added_by(&format!("{patch}diff --git a/x b/x\n")).is_err());
    }

    #[test]
    fn a_prompt_has_what_the_agent_reads() {
        let work = Work {
            name: "t7".to_owned(),
            lines: 2,
            pause_ms: 50,
        };
        assert_eq!(work.prompt(), "t7 2 0.050\n");
        assert_eq!(work.added(1, 3), ["t7 1.3 1", "t7 1.3 2"]);
        assert_eq!(work.said(), "line 1\nline 2\n");
    }
}
