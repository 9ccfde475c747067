//! Reading what probes said.

use std::collections::BTreeMap;

use serde_json::Value;

/// A probe's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Contained,
    /// What worked.
    Escaped(Vec<Finding>),
    /// What could not be tried. It fails the suite like an escape.
    Untested(Vec<Finding>),
}

/// One thing tried, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: String,
    pub says: String,
}

/// All that probes wrote: verdicts by probe, and how far bombs came.
#[derive(Debug, Default)]
pub struct Said {
    pub verdicts: BTreeMap<String, Verdict>,
    pub reached: BTreeMap<String, u64>,
}

impl Said {
    /// Lines that are not a probe's are no matter: hostile output is among them.
    pub fn in_text(text: &str) -> Self {
        let mut said = Self::default();
        let lines = text.lines().filter(|line| line.starts_with(r#"{"probe""#));
        for line in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(name) = line["probe"].as_str().map(str::to_owned) else {
                continue;
            };
            if let Some(reached) = line["reached"].as_u64() {
                let most = said.reached.entry(name.clone()).or_default();
                *most = reached.max(*most);
            }
            if let Some(verdict) = Verdict::of(&line) {
                said.add(name, verdict);
            }
        }
        said
    }

    /// A second verdict of the same probe counts only if it is worse.
    fn add(&mut self, name: String, verdict: Verdict) {
        let known = self.verdicts.get(&name);
        if known.is_none_or(|known| *known == Verdict::Contained) {
            self.verdicts.insert(name, verdict);
        }
    }
}

impl Verdict {
    fn of(line: &Value) -> Option<Self> {
        let findings = line["findings"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = findings.map(|finding| Finding {
            what: text(&finding["what"]),
            says: text(&finding["says"]),
        });
        match line["verdict"].as_str()? {
            // Whoever checked nothing has shown nothing.
            "contained" if line["checked"].as_u64() > Some(0) => Some(Self::Contained),
            "escaped" => Some(Self::Escaped(findings.collect())),
            _ => Some(Self::Untested(findings.collect())),
        }
    }
}

#[test]
fn the_worst_verdict_counts() {
    let line = |verdict: &str, checked: u32| {
        format!(r#"{{"probe": "a", "verdict": "{verdict}", "checked": {checked}, "findings": []}}"#)
    };
    let of = |lines: &[String]| Said::in_text(&lines.join("\n")).verdicts["a"].clone();
    let (escaped, untested) = (Verdict::Escaped(Vec::new()), Verdict::Untested(Vec::new()));
    assert_eq!(of(&[line("contained", 1)]), Verdict::Contained);
    assert_eq!(of(&[line("contained", 0)]), untested);
    assert_eq!(of(&[line("something else", 1)]), untested);
    assert_eq!(of(&[line("escaped", 1), line("contained", 1)]), escaped);
    assert_eq!(of(&[line("contained", 1), line("escaped", 1)]), escaped);
}
