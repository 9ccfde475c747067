//! Reading and replaying recorded turns.

use std::fs;
use std::path::PathBuf;

use outwork_agents::{
    AbsolutePath, Adapter, Agent, AgentCommand, Effect, ExitStatus, HomePath, LaunchContext, Model,
    SessionFile, SteerId, StoredSession,
};
use serde_json::Value;

pub struct Transcript {
    pub name: String,
    prompt: String,
    thread: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Clone)]
enum Entry {
    In(String),
    Out(String),
    Err(String),
    Command(AgentCommand),
    Exit(i32),
}

pub fn all_transcripts() -> Vec<Transcript> {
    let mut names: Vec<String> = fs::read_dir(directory())
        .unwrap()
        .filter_map(|entry| {
            Some(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".jsonl")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    assert!(names.len() >= 19, "transcripts are missing: {names:?}");
    names.iter().map(|name| Transcript::load(name)).collect()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// An adapter for a turn in `/workspace` with the home `/home/agent`.
pub fn adapter(prompt: &str, thread: Option<&str>) -> Box<dyn Adapter> {
    let session = thread.map(|thread| StoredSession {
        thread_id: thread.to_owned(),
        files: vec![SessionFile {
            path: HomePath::parse(".codex/sessions/2026/11/20/rollout-x.jsonl").unwrap(),
            contents: b"{}\n".to_vec(),
        }],
    });
    let context = LaunchContext {
        home: AbsolutePath::parse("/home/agent").unwrap(),
        cwd: AbsolutePath::parse("/workspace").unwrap(),
        model: Some(Model {
            name: "scripted-1".to_owned(),
            base_url: "http://127.0.0.1:8100/v1".to_owned(),
            context_window_tokens: 100_000,
        }),
        prompt: prompt.to_owned(),
        question: None,
        interactive: false,
        output_schema: None,
        turn_number: 1,
        session,
        model_idle_timeout_ms: 60_000,
    };
    let agent = Agent::Codex {
        binary_root: AbsolutePath::parse("/opt/codex").unwrap(),
    };
    agent.prepare(context).unwrap().adapter
}

impl Transcript {
    pub fn load(name: &str) -> Self {
        let text = fs::read_to_string(directory().join(format!("{name}.jsonl"))).unwrap();
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let head = lines.next().unwrap();
        Self {
            name: name.to_owned(),
            prompt: head["prompt"].as_str().unwrap().to_owned(),
            thread: head["thread"].as_str().map(str::to_owned),
            entries: lines.map(|line| entry(&line)).collect(),
        }
    }

    pub fn recorded_input(&self) -> Vec<Value> {
        self.entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::In(line) => Some(serde_json::from_str(line).unwrap()),
                Entry::Out(_) | Entry::Err(_) | Entry::Command(_) | Entry::Exit(_) => None,
            })
            .collect()
    }

    pub fn output_bytes(&self) -> usize {
        self.portions(&self.entries)
            .iter()
            .map(|portion| portion.out.len())
            .sum()
    }

    /// How many output lines came before the one that ends the turn.
    pub fn lines_before_the_end(&self) -> usize {
        let lines = self
            .entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Out(_)))
            .count();
        (0..=lines)
            .find(|kept| {
                let mut adapter = self.adapter();
                let effects = self.feed(adapter.as_mut(), &self.first_lines(*kept), |bytes| {
                    vec![bytes.to_vec()]
                });
                effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::TurnFinished(_)))
            })
            .unwrap_or(lines)
    }

    pub fn replay_lines(&self) -> Vec<Effect> {
        let split = |bytes: &[u8]| {
            bytes
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect()
        };
        self.feed(self.adapter().as_mut(), &self.entries, split)
    }

    pub fn replay_in_pieces(&self, size: usize) -> Vec<Effect> {
        let split = |bytes: &[u8]| bytes.chunks(size).map(<[u8]>::to_vec).collect();
        self.feed(self.adapter().as_mut(), &self.entries, split)
    }

    pub fn replay_cut_at(&self, at: usize) -> Vec<Effect> {
        let mut left = at;
        let split = |bytes: &[u8]| {
            let (head, tail) = bytes.split_at(left.min(bytes.len()));
            left -= head.len();
            vec![head.to_vec(), tail.to_vec()]
        };
        self.feed(self.adapter().as_mut(), &self.entries, split)
    }

    pub fn replay_then_kill(&self, kept_lines: usize) -> Vec<Effect> {
        let mut adapter = self.adapter();
        let mut effects = self.feed(adapter.as_mut(), &self.first_lines(kept_lines), |bytes| {
            vec![bytes.to_vec()]
        });
        effects.extend(adapter.on_exit(ExitStatus::Signal(9)));
        effects
    }

    pub fn replayed_adapter(&self) -> Box<dyn Adapter> {
        let mut adapter = self.adapter();
        self.feed(adapter.as_mut(), &self.entries, |bytes| {
            vec![bytes.to_vec()]
        });
        adapter
    }

    /// Replays the turn with one line of the output changed.
    pub fn replay_with(&self, line: usize, change: impl Fn(&str) -> String) -> Vec<Effect> {
        let mut at = 0;
        let entries: Vec<Entry> = self
            .entries
            .iter()
            .map(|entry| match entry {
                Entry::Out(text) => {
                    at += 1;
                    Entry::Out(if at == line + 1 {
                        change(text)
                    } else {
                        text.clone()
                    })
                }
                Entry::In(_) | Entry::Err(_) | Entry::Command(_) | Entry::Exit(_) => entry.clone(),
            })
            .collect();
        self.feed(self.adapter().as_mut(), &entries, |bytes| {
            vec![bytes.to_vec()]
        })
    }

    pub fn output_lines(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Out(_)))
            .count()
    }

    fn adapter(&self) -> Box<dyn Adapter> {
        adapter(&self.prompt, self.thread.as_deref())
    }

    fn first_lines(&self, kept: usize) -> Vec<Entry> {
        let mut seen = 0;
        self.entries
            .iter()
            .take_while(|entry| match entry {
                Entry::Out(_) => {
                    seen += 1;
                    seen <= kept
                }
                Entry::In(_) | Entry::Err(_) | Entry::Command(_) => true,
                Entry::Exit(_) => false,
            })
            .cloned()
            .collect()
    }

    /// Output between two commands is one stream, whatever the reads were when it was recorded.
    fn feed(
        &self,
        adapter: &mut dyn Adapter,
        entries: &[Entry],
        mut split: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
    ) -> Vec<Effect> {
        let mut effects = adapter.start();
        for portion in self.portions(entries) {
            for piece in split(&portion.out) {
                effects.extend(adapter.on_stdout(&piece));
            }
            effects.extend(match portion.end {
                PortionEnd::Err(text) => adapter.on_stderr(text.as_bytes()),
                PortionEnd::Command(command) => adapter.command(command),
                PortionEnd::Exit(code) => adapter.on_exit(ExitStatus::Code(code)),
                PortionEnd::Cut => Vec::new(),
            });
        }
        effects
    }

    fn portions(&self, entries: &[Entry]) -> Vec<Portion> {
        let mut portions = Vec::new();
        let mut out = Vec::new();
        for entry in entries {
            let end = match entry {
                Entry::In(_) => continue,
                Entry::Out(line) => {
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                    continue;
                }
                Entry::Err(line) => PortionEnd::Err(format!("{line}\n")),
                Entry::Command(command) => PortionEnd::Command(command.clone()),
                Entry::Exit(code) => PortionEnd::Exit(*code),
            };
            portions.push(Portion {
                out: std::mem::take(&mut out),
                end,
            });
        }
        portions.push(Portion {
            out,
            end: PortionEnd::Cut,
        });
        portions
    }
}

struct Portion {
    out: Vec<u8>,
    end: PortionEnd,
}

enum PortionEnd {
    Err(String),
    Command(AgentCommand),
    Exit(i32),
    Cut,
}

fn entry(line: &Value) -> Entry {
    if let Some(text) = line["in"].as_str() {
        Entry::In(text.to_owned())
    } else if let Some(text) = line["out"].as_str() {
        Entry::Out(text.to_owned())
    } else if let Some(text) = line["err"].as_str() {
        Entry::Err(text.to_owned())
    } else if let Some(code) = line["exit"].as_i64() {
        Entry::Exit(i32::try_from(code).unwrap())
    } else {
        Entry::Command(match line["command"].as_str().unwrap() {
            "interrupt" => AgentCommand::Interrupt,
            "steer" => AgentCommand::Steer {
                steer: SteerId(1),
                text: line["text"].as_str().unwrap().to_owned(),
            },
            "shutdown" => AgentCommand::Shutdown,
            other => panic!("unknown command {other}"),
        })
    }
}
