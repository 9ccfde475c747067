//! Attempts whose agent is the suite.

use std::fs;

use scripted_model::{Scenario, Script, ScriptedModel, Step};
use serde_json::Value;
use tempfile::TempDir;

use super::judge::Judge;
use super::model;
use super::plants::{Plants, backwards, joined};
use crate::escape::suite;
use crate::harness::{By, Kept, Log, Machine, ORDINARY, Outwork, Repository};
use crate::harness::{agents_dir, clean, open_scratch, processes_with, until};

/// The one name that an agent with a network may reach, and where it leads.
pub const ALLOWED_NAME: &str = "control.invalid";
pub const ALLOWED_ADDRESS: &str = "127.0.0.77";

/// The prompt names the probes.
const AGENT: &str = "python3 escape/run.py $(cat)";
pub const MEMORY_MB: u32 = 512;
pub const PROCESSES: u32 = 200;
pub const DISK_MB: u32 = 256;
pub const FILES: u32 = 100_000;
const OPEN_FILES: u32 = 1024;
const LOG_MB: usize = 50;
const SECRET_WORD: &str = "word-of-the-other-side";
/// Has a verdict of the host's only: its own is behind what was cut.
const FLOOD: &str = "output_flood";
const LEFTOVERS: &str = "leftovers";
const NEIGHBOUR: &str = "neighbour";
/// How long to wait for a task that no worker ends.
const PATIENCE: &[&str] = &["--timeout", "10m"];

pub struct Attempts<'a> {
    outwork: Outwork,
    repository: Repository,
    sandbox: &'a str,
    worker_uid: u32,
    plants: &'a Plants,
    allowed_port: u16,
    // Goes last.
    _agents: Option<TempDir>,
}

impl<'a> Attempts<'a> {
    pub fn new(who: By, sandbox: &'a str, plants: &'a Plants) -> Self {
        let files = suite::files();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let allowed_port = model::anything(ALLOWED_ADDRESS, SECRET_WORD);
        let files_at_most = FILES.to_string();
        let agents = agents_for(who);
        let agents_dir = agents.as_ref().map(|dir| dir.path().display().to_string());
        let mut flags = vec!["--sandbox", sandbox];
        flags.extend(["--agent-allow-address", ALLOWED_ADDRESS]);
        flags.extend(["--disk-files", &files_at_most]);
        if let Some(dir) = &agents_dir {
            flags.extend(["--agents-dir", dir]);
        }
        let outwork = Outwork::run_on(
            Machine::with_variables(&[("OUTWORK_CANARY", &plants.canary)]),
            who,
            &flags,
        );
        let kept = outwork.kept().path("canary");
        fs::write(kept, &plants.canary).expect("a canary in the worker's data");
        let attempts = Self {
            outwork,
            repository: Repository::with(&files),
            sandbox,
            worker_uid: match who {
                By::Tester => rustix::process::geteuid().as_raw(),
                By::Ordinary => ORDINARY,
            },
            plants,
            allowed_port,
            _agents: agents,
        };
        attempts.environment("probes", &[], &[]);
        attempts
            .outwork
            .command_environment("quick", &attempts.repository, "echo quick > quick");
        attempts
    }

    /// An environment with the limits, a setup that gets a secret, and what probes are told.
    fn environment(&self, label: &str, flags: &[&str], told: &[(&str, &str)]) {
        let outwork = &self.outwork;
        let setup =
            outwork.file("test -n \"$SETUP_CANARY\"\nprintf %s \"$SETUP_CANARY\" > /tmp/used\n");
        let secret = outwork.file(&format!("{}-of-setup", self.plants.canary));
        let (memory, disk) = (format!("{MEMORY_MB}M"), format!("{DISK_MB}M"));
        let (processes, open_files) = (PROCESSES.to_string(), OPEN_FILES.to_string());
        let secret = format!("SETUP_CANARY=@{secret}");
        let mut all = vec!["--setup", &setup, "--secret", &secret];
        all.extend(["--memory", &memory, "--disk", &disk, "--cpus", "1"]);
        all.extend(["--processes", &processes, "--open-files", &open_files]);
        if !flags.contains(&"--agent") {
            all.extend(["--agent-command", AGENT]);
        }
        all.extend(flags);
        let mut variables = self.variables();
        variables.extend(
            told.iter()
                .map(|(name, value)| format!("ESCAPE_{name}={value}")),
        );
        for variable in &variables {
            all.extend(["--var", variable]);
        }
        outwork.environment(label, &self.repository, &all);
    }

    fn variables(&self) -> Vec<String> {
        let outwork = &self.outwork;
        let data = outwork.kept().path("");
        let paths = self
            .plants
            .folders()
            .chain([outwork.dir.path(), data.as_path()]);
        let ids: Vec<_> = outwork.process_ids().iter().map(u32::to_string).collect();
        let node = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let mut told = self.plants.variables();
        told.extend([
            ("SANDBOX", self.sandbox.to_owned()),
            ("HOST_PATHS", backwards(&joined(paths))),
            ("HOST_PIDS", ids.join(",")),
            ("WORKER_UID", self.worker_uid.to_string()),
            ("HOST_NAME", backwards(&node)),
            ("MEMORY_MB", MEMORY_MB.to_string()),
            ("PROCESSES", PROCESSES.to_string()),
            ("DISK_MB", DISK_MB.to_string()),
            ("INODES", FILES.to_string()),
            ("OPEN_FILES", OPEN_FILES.to_string()),
            ("CPUS", "1".to_owned()),
            ("LOG_MB", LOG_MB.to_string()),
            ("PLANT", "1".to_owned()),
        ]);
        told.into_iter()
            .map(|(name, value)| format!("ESCAPE_{name}={value}"))
            .collect()
    }

    /// Runs these probes in one attempt and hears them.
    fn run(&self, environment: &str, names: &[String], judge: &mut Judge) -> Value {
        let task = self.outwork.exec(environment, &names.join(" "), PATIENCE);
        self.hear(environment, names, &task, judge);
        task
    }

    fn hear(&self, when: &str, names: &[String], task: &Value, judge: &mut Judge) {
        let id = id(task);
        let failure = self.outwork.failure(id, 1);
        judge.hear(when, names, &self.outwork.log(id), failure["code"].as_str());
    }

    /// So that the layers that the other attempts share are there.
    pub fn build_layers(&self, judge: &mut Judge) {
        self.run("probes", &["kernel_log".to_owned()], judge);
    }

    pub fn kept(&self) -> Kept {
        self.outwork.kept()
    }

    pub fn all_together(&self, judge: &mut Judge) {
        let (together, _) = judge.together_and_alone();
        self.run("probes", &together, judge);
    }

    /// One attempt each; meanwhile the worker runs another.
    pub fn those_that_must_be_alone(&self, judge: &mut Judge) {
        let (_, alone) = judge.together_and_alone();
        for name in alone {
            if [FLOOD, LEFTOVERS, NEIGHBOUR].contains(&name.as_str()) {
                continue;
            }
            let (task, other) = std::thread::scope(|scope| {
                let task = scope.spawn(|| self.outwork.exec("probes", &name, PATIENCE));
                let other = self.outwork.exec("quick", "meanwhile", PATIENCE);
                (task.join().expect("the bomb's task ends"), other)
            });
            self.hear("alone", std::slice::from_ref(&name), &task, judge);
            judge.expect(&name, other["outcome"] == "succeeded", || {
                format!("its neighbour could not run: {other:#}")
            });
        }
    }

    /// Two attempts of a task, each waiting a while for the other; again if it was not long enough.
    pub fn two_at_once(&self, judge: &mut Judge) {
        let told = [("NEIGHBOUR", "1"), ("HOLD", "10")];
        self.environment("neighbours", &[], &told);
        for _ in 0..3 {
            let more = [PATIENCE, &["--attempts", "2"]].concat();
            let task = self.outwork.exec("neighbours", NEIGHBOUR, &more);
            let logs = [1, 2].map(|attempt| Log(self.outwork.events(id(&task), attempt)));
            if !met(&logs) {
                continue;
            }
            for (log, when) in logs.iter().zip(["first of two", "second of two"]) {
                judge.hear(when, &[NEIGHBOUR.to_owned()], log, None);
            }
            return;
        }
        judge.expect(NEIGHBOUR, false, || {
            "two attempts never ran at the same time".to_owned()
        });
    }

    /// What a network opens is the proxy, and nothing else.
    pub fn with_a_network(&self, judge: &mut Judge) {
        let port = self.allowed_port.to_string();
        let flags = [
            "--network",
            "on",
            "--allow",
            ALLOWED_NAME,
            "--tls",
            "tunnel",
        ];
        let ports = ["--port", "80", "--port", "443", "--port", &port];
        let allowed = format!("{ALLOWED_NAME}:{port}");
        let word = backwards(SECRET_WORD);
        let told = [
            ("PROXY", "1"),
            ("PROXY_ALLOWED", &allowed),
            ("PROXY_WORD", &word),
        ];
        self.environment("reaching", &[flags.as_slice(), &ports].concat(), &told);
        let is_affected = |name: &String| {
            let words = [
                "network",
                "proxy",
                "metadata",
                "unix",
                "netlink",
                "descriptors",
                "secrets_processes",
            ];
            words.iter().any(|word| name.contains(word))
        };
        let (together, _) = judge.together_and_alone();
        let names: Vec<_> = together.into_iter().filter(is_affected).collect();
        self.run("reaching", &names, judge);
    }

    /// Only an agent that needs a model has the gateway, so a real one runs the probes for a model that says so.
    pub fn with_a_model(&self, judge: &mut Judge) {
        let names = [
            "model_gateway",
            "network_listeners",
            "unix_paths",
            "secrets_processes",
        ];
        let run = format!(
            "python3 escape/run.py {} > verdicts; touch done",
            names.join(" ")
        );
        let mut script = Script::when("probe").step(Step::new().run(&run));
        // The tool does not wait for long.
        for _ in 0..6 {
            let wait = "for i in $(seq 80); do [ -e done ] && break; sleep 0.1; done";
            script = script.step(Step::new().run(wait));
        }
        let script = script.step(Step::new().say("Done."));
        let model = ScriptedModel::start(Scenario::new().script(script)).expect("a model");
        let behind = model.url().trim_start_matches("http://").to_owned();
        let base = format!("http://{}/v1", model::host(&behind, SECRET_WORD));
        let key = self.outwork.file(model.api_key());
        let set = [
            "model",
            "set",
            "--base-url",
            &base,
            "--name",
            "scripted-1",
            "--key-file",
            &key,
        ];
        self.outwork.run(&set).success();
        let (key, word) = (backwards(model.api_key()), backwards(SECRET_WORD));
        let told = [
            ("MODEL", "1"),
            ("MODEL_UNSEEN", key.as_str()),
            ("MODEL_WORD", &word),
        ];
        self.environment("thinking", &["--agent", "codex"], &told);
        let task = self.outwork.exec("thinking", "probe", PATIENCE);
        let diff = String::from_utf8(self.outwork.diff(id(&task), &[])).expect("text");
        let added: Vec<_> = diff
            .lines()
            .filter_map(|line| line.strip_prefix('+'))
            .collect();
        judge.judge(
            "thinking",
            &names.map(str::to_owned),
            &added.join("\n"),
            &[],
        );
    }

    pub fn leave_processes(&self, judge: &mut Judge) {
        let marker = format!("left-by-{}", self.plants.canary);
        self.environment("leaving", &[], &[("LEFTOVER", &marker)]);
        self.run("leaving", &[LEFTOVERS.to_owned()], judge);
        let left = processes_with(&marker);
        judge.expect(LEFTOVERS, left.is_empty(), || format!("{left:?}"));
    }

    /// The host judges: the log is cut, no forged line ends anything, and a terminal is safe.
    pub fn flood_the_log(&self, judge: &mut Judge) {
        let task = self.outwork.exec("probes", FLOOD, PATIENCE);
        let log = self.outwork.log(id(&task)).output();
        let begun = log.contains(&format!(r#"{{"probe": "{FLOOD}""#));
        judge.expect(FLOOD, begun, || format!("did not begin: {task:#}"));
        let size = log.len();
        judge.expect(FLOOD, size < (LOG_MB + 1) << 20, || {
            format!("{size} bytes were kept")
        });
        let outcome = &task["outcome"];
        judge.expect(FLOOD, outcome == "succeeded", || {
            format!("the task ended as {outcome}")
        });
        let shown = self.outwork.run(&["log", id(&task)]).success().text();
        let control = shown
            .chars()
            .find(|letter| letter.is_control() && !"\n\t".contains(*letter));
        judge.expect(FLOOD, control.is_none(), || {
            format!("{control:?} reaches a terminal")
        });
    }

    /// The worker is alive, and leaves nothing.
    pub fn end(self) {
        until("a worker answers", || {
            let workers = self.outwork.run(&["workers", "--json"]).success().json();
            (workers["workers"][0]["state"] != "lost").then_some(())
        });
        let kept = self.outwork.kept().path("canary");
        let content = fs::read_to_string(&kept).expect("the canary in the worker's data");
        assert_eq!(content, self.plants.canary);
        fs::remove_file(kept).expect("ours");
        self.outwork.end();
    }
}

/// The real agents where an ordinary user's worker can read them; whoever runs the tests has them.
fn agents_for(who: By) -> Option<TempDir> {
    match who {
        By::Tester => None,
        By::Ordinary => {
            let dir = open_scratch();
            let copies = |how: &str| {
                let mut copy = clean("cp");
                copy.arg(how).arg(agents_dir().join(".")).arg(dir.path());
                copy.output().expect("cp runs").status.success()
            };
            // They are large; another file system takes no links.
            assert!(copies("-rl") || copies("-r"), "the agents cannot be copied");
            Some(dir)
        }
    }
}

/// Whether each had left its things before the other looked.
fn met(logs: &[Log; 2]) -> bool {
    let [first, second] = logs.each_ref().map(|log| {
        let at = |text| log.first_output_with(text);
        (at(r#""reached": 1"#), at(r#""verdict""#))
    });
    let before = |left: &Option<String>, looked: &Option<String>| {
        // Times of one worker, written in the same way.
        matches!((left, looked), (Some(left), Some(looked)) if left < looked)
    };
    before(&first.0, &second.1) && before(&second.0, &first.1)
}

fn id(task: &Value) -> &str {
    task["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no task: {task:#}"))
}
