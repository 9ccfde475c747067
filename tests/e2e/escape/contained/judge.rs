//! Whether what probes said is good enough.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::attempts::{DISK_MB, FILES, MEMORY_MB, PROCESSES};
use crate::escape::suite::{self, Probe};
use crate::escape::verdict::{Finding, Said, Verdict};
use crate::harness::Log;

/// What a backend with a kernel of its own lets through in that kernel.
#[derive(Debug)]
struct Difference {
    sandbox: String,
    probe: String,
    /// With a `*` at its end, whatever begins so.
    what: String,
    reason: String,
}

/// What a failure of an attempt is called as an event that the attempt outlives.
const LIMITS_OF_FAILURES: &[(&str, &str)] = &[
    ("out_of_memory", "memory"),
    ("process_limit", "processes"),
    ("disk_limit", "disk"),
];

pub struct Judge {
    sandbox: String,
    probes: BTreeMap<String, Probe>,
    differences: Vec<Difference>,
    ran: Vec<String>,
    complaints: Vec<String>,
}

impl Judge {
    pub fn new(sandbox: &str) -> Self {
        let mut differences = differences();
        differences.retain(|difference| difference.sandbox == sandbox);
        Self {
            sandbox: sandbox.to_owned(),
            probes: suite::probes(),
            differences,
            ran: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// Names of all that can be run beside others, and of all that cannot.
    pub fn together_and_alone(&self) -> (Vec<String>, Vec<String>) {
        let names = |is_alone: bool| {
            let chosen = self.probes.iter();
            let chosen = chosen.filter(|(_, probe)| probe.alone.is_some() == is_alone);
            chosen.map(|(name, _)| name.clone()).collect()
        };
        (names(false), names(true))
    }

    /// The verdicts on these probes, of an attempt with this log, that ended with this failure, if any.
    pub fn hear(&mut self, when: &str, names: &[String], log: &Log, failure: Option<&str>) {
        let hit = log.limits().into_iter().map(|(kind, _)| kind);
        let limits: Vec<_> = hit.chain(failure.map(str::to_owned)).collect();
        self.judge(when, names, &log.output(), &limits);
    }

    /// The same of text, and limits by the names of failures or events.
    pub fn judge(&mut self, when: &str, names: &[String], text: &str, limits: &[String]) {
        let said = Said::in_text(text);
        for name in names {
            let complaint = match said.verdicts.get(name) {
                Some(Verdict::Contained) => None,
                Some(Verdict::Escaped(findings)) => self.not_excused(name, findings),
                Some(Verdict::Untested(_)) | None if self.was_ended(name, &said, limits) => None,
                Some(Verdict::Untested(findings)) => {
                    let reached = said.reached.get(name);
                    let complaint = self.not_excused(name, findings);
                    complaint
                        .map(|text| format!("{text}\n    came to {reached:?}, limits {limits:?}"))
                }
                None => Some(format!(
                    "no verdict, the attempt ended with {limits:?}: {}",
                    end(text)
                )),
            };
            let complaint = complaint.map(|complaint| format!("{name} ({when}): {complaint}"));
            self.complaints.extend(complaint);
            self.ran.push(name.clone());
        }
    }

    /// Something about a probe that the host itself saw.
    pub fn expect(&mut self, name: &str, holds: bool, complaint: impl FnOnce() -> String) {
        self.ran.push(name.to_owned());
        if !holds {
            self.complaints.push(format!("{name}: {}", complaint()));
        }
    }

    /// The limit did what it is for: it ended the attempt or the probe, after the bomb had begun.
    fn was_ended(&self, name: &str, said: &Said, limits: &[String]) -> bool {
        let may_end_with = self.probes[name].may_end_with();
        if may_end_with.is_empty() {
            return false;
        }
        let reached = said.reached.get(name).copied();
        let in_time = reached.is_some_and(|reached| reached <= limit(name) * 5 / 4);
        let is_the_limit = |limit: &String| {
            let mut codes = may_end_with.iter();
            codes.any(|code| code == limit || LIMITS_OF_FAILURES.contains(&(code, limit)))
        };
        limits.iter().any(is_the_limit) && in_time
    }

    fn not_excused(&self, name: &str, findings: &[Finding]) -> Option<String> {
        let excused = |finding: &&Finding| {
            let mut known = self
                .differences
                .iter()
                .filter(|difference| difference.probe == name);
            known.any(|difference| match difference.what.strip_suffix('*') {
                Some(beginning) => finding.what.starts_with(beginning),
                None => finding.what == difference.what,
            })
        };
        let left: Vec<_> = findings
            .iter()
            .filter(|finding| !excused(finding))
            .collect();
        let lines = left
            .iter()
            .map(|finding| format!("\n    {}: {}", finding.what, finding.says));
        (!left.is_empty() || findings.is_empty()).then(|| lines.collect())
    }

    /// Nothing got out, and every probe in the folder has run.
    #[track_caller]
    pub fn verify(mut self) {
        let not_run = self.probes.keys().filter(|name| !self.ran.contains(name));
        self.complaints
            .extend(not_run.map(|name| format!("{name}: was not run")));
        let complaints = self.complaints.join("\n");
        assert!(complaints.is_empty(), "in {}:\n{complaints}", self.sandbox);
    }
}

/// What a bomb of that name is held by, in its own unit.
fn limit(name: &str) -> u64 {
    let limit = match name {
        "limit_processes" => PROCESSES,
        "limit_disk_files" => FILES,
        name if name.starts_with("limit_disk") => DISK_MB,
        name if name.starts_with("limit_memory") => MEMORY_MB,
        name => panic!("{name} has no limit that may end an attempt"),
    };
    limit.into()
}

/// What came last, for a person to read.
fn end(text: &str) -> &str {
    let begin = text.len().saturating_sub(400);
    let begin = (begin..=text.len()).find(|at| text.is_char_boundary(*at));
    &text[begin.unwrap_or(text.len())..]
}

fn differences() -> Vec<Difference> {
    let text = fs::read_to_string(suite::folder().join("differences.json")).expect("the table");
    let table: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let rows = table.iter().map(|row| {
        let field = |name: &str| {
            let value = row[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name} in {row}"));
            value.to_owned()
        };
        Difference {
            sandbox: field("sandbox"),
            probe: field("probe"),
            what: field("what"),
            reason: field("reason"),
        }
    });
    rows.collect()
}

#[test]
fn differences_are_of_kernels_of_their_own_and_have_reasons() {
    let probes = suite::probes();
    for difference in differences() {
        let Difference {
            sandbox,
            probe,
            what,
            reason,
        } = &difference;
        assert_eq!(
            sandbox, "oci:runsc",
            "shares the host's kernel: {difference:?}"
        );
        assert!(probes.contains_key(probe), "no such probe: {difference:?}");
        assert!(
            !what.trim_end_matches('*').is_empty(),
            "excuses all: {difference:?}"
        );
        let says = reason.strip_prefix("guest kernel: ").unwrap_or_default();
        assert!(says.len() > 20, "no reason: {difference:?}");
    }
}

#[test]
fn an_escape_a_gap_and_silence_are_complaints() {
    let heard = |verdict: &str, limit: Option<&str>| {
        let limits: Vec<_> = limit.map(str::to_owned).into_iter().collect();
        let mut judge = Judge::new("namespaces");
        let text = format!(
            r#"{{"probe": "limit_memory_memfd", "reached": 64}}
{{"probe": "limit_memory_memfd", "verdict": "{verdict}", "checked": 1, "findings": [{{"what": "a", "says": "b"}}]}}"#
        );
        judge.judge("now", &["limit_memory_memfd".to_owned()], &text, &limits);
        judge.complaints.len()
    };
    assert_eq!(heard("contained", None), 0);
    assert_eq!(heard("escaped", None), 1);
    assert_eq!(heard("escaped", Some("out_of_memory")), 1);
    assert_eq!(heard("untested", None), 1);
    assert_eq!(heard("untested", Some("agent_crashed")), 1);
    assert_eq!(heard("untested", Some("out_of_memory")), 0);
    assert_eq!(heard("untested", Some("memory")), 0);
    assert_eq!(heard("untested", Some("disk")), 1);
    let mut judge = Judge::new("namespaces");
    judge.judge("now", &["capabilities".to_owned()], "", &[]);
    assert_eq!(judge.complaints.len(), 1);
}
