//! The conversations of the Codex on this machine: finding one to take along, and putting one there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outwork_agents::codex::rollout::{Carried, FORKS, Rollout, RolloutError};
use outwork_api::session as wire;
use outwork_domain::limits::SESSION_BYTES;

use crate::config::Variables;
use crate::error::CliError;

/// The largest rollout that is read: what is not part of the conversation stays behind.
const ROLLOUT_BYTES: u64 = 4 * SESSION_BYTES as u64;
/// The longest first line that is read to see whose a rollout is.
const FIRST_LINE_BYTES: u64 = 1024 * 1024;
/// Where a task's agent works. The worker says it again, with the repository's name.
const WORKSPACE: &str = "/workspace";

/// Where Codex keeps its files.
pub(crate) struct CodexHome(PathBuf);

/// What became of a conversation that was to be put there.
pub(crate) enum Put {
    New(PathBuf),
    /// The same one is there already.
    There(PathBuf),
}

impl CodexHome {
    /// `$CODEX_HOME`, else `.codex` in the home.
    pub(crate) fn of(variables: &Variables) -> Result<Self, CliError> {
        let home = variables
            .path("CODEX_HOME")
            .or_else(|| Some(variables.path("HOME")?.join(".codex")));
        home.map(Self).ok_or_else(|| {
            CliError::failed("neither CODEX_HOME nor HOME is set")
                .code("codex_home")
                .hint("set CODEX_HOME to the folder in which Codex keeps its files")
        })
    }

    /// The conversation that somebody names: its id, a rollout file, or `last` for the newest one of the folder `here`.
    pub(crate) fn rollout(
        &self,
        wanted: &str,
        current_dir: &Path,
        here: &Path,
    ) -> Result<Rollout, CliError> {
        let path = if wanted == "last" {
            self.newest(here)?
        } else if is_id(wanted) {
            self.find(wanted)?.ok_or_else(|| self.missing(wanted))?
        } else {
            current_dir.join(wanted)
        };
        self.whole(read(&path)?)
    }

    /// Together with what it was forked from.
    fn whole(&self, mut rollout: Rollout) -> Result<Rollout, CliError> {
        for _ in 0..FORKS {
            let Some(base) = rollout.base().cloned() else {
                return Ok(rollout);
            };
            let path = self.find(&base.thread_id)?;
            let path = path.ok_or_else(|| {
                let text = format!(
                    "the session was forked from {}, which is not here",
                    base.thread_id
                );
                CliError::failed(text)
                    .code("session_not_found")
                    .hint("its rollout has to be below sessions in the same CODEX_HOME")
            })?;
            rollout = rollout.behind(read(&path)?);
        }
        Err(unusable(RolloutError::TooManyForks))
    }

    /// The newest conversation in `here` or below, by the time of its last change.
    fn newest(&self, here: &Path) -> Result<PathBuf, CliError> {
        let mut files = self.rollouts()?;
        files.sort_by_key(|(changed_at, _)| std::cmp::Reverse(*changed_at));
        let is_here = |rollout: Rollout| {
            let cwd = rollout.cwd().map(Path::new);
            rollout.is_of_person() && cwd.is_some_and(|cwd| cwd.starts_with(here))
        };
        let mut files = files.into_iter().map(|(_, path)| path);
        let newest = files.find(|path| first_line(path).is_some_and(is_here));
        newest.ok_or_else(|| {
            CliError::failed(format!(
                "Codex has no session of {} in {}",
                here.display(),
                self.0.display()
            ))
            .code("session_not_found")
            .hint(
                "go to the folder in which you talked with Codex, or give the session's id or file",
            )
        })
    }

    /// The rollout of that id.
    pub(crate) fn find(&self, id: &str) -> Result<Option<PathBuf>, CliError> {
        let end = format!("-{id}.jsonl");
        let mut files = self.rollouts()?.into_iter().map(|(_, path)| path);
        Ok(files.find(|path| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().ends_with(end.as_bytes())
        }))
    }

    fn missing(&self, id: &str) -> CliError {
        CliError::failed(format!("Codex has no session {id} in {}", self.0.display()))
            .code("session_not_found")
            .hint("`codex resume` lists the sessions; set CODEX_HOME if they are elsewhere")
    }

    /// All rollouts with the time of their last change.
    fn rollouts(&self) -> Result<Vec<(SystemTime, PathBuf)>, CliError> {
        /// `sessions/2026/11/30/rollout-….jsonl`.
        const DEPTH: usize = 4;
        let mut found = Vec::new();
        for directory in ["sessions", "archived_sessions"] {
            let directory = self.0.join(directory);
            below(&directory, DEPTH, &mut found).map_err(|error| {
                CliError::failed(format!("{} cannot be read", directory.display()))
                    .code("codex_home")
                    .source(error)
            })?;
        }
        Ok(found)
    }

    /// Writes the rollout, if there is none of its name.
    pub(crate) fn put(&self, carried: &Carried) -> Result<Put, CliError> {
        let path = self.0.join("sessions").join(&carried.path);
        let directory = path.parent().expect("it has a date");
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(|error| unwritable(directory, error))?;
        write_new(&path, &carried.contents)
    }
}

/// Writes a file that is not there yet, for its owner only and all at once.
pub(crate) fn write_new(path: &Path, contents: &[u8]) -> Result<Put, CliError> {
    if fs::read(path).is_ok_and(|there| there == contents) {
        return Ok(Put::There(path.to_owned()));
    }
    let failed = |error| unwritable(path, error);
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".outwork-")
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    file.write_all(contents).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Put::New(path.to_owned())),
        Err(error) => Err(failed(error.error)),
    }
}

fn unwritable(path: &Path, error: io::Error) -> CliError {
    let shown = path.display();
    if error.kind() == io::ErrorKind::AlreadyExists {
        return CliError::failed(format!("{shown} is there already, and differs"))
            .code("file_exists")
            .hint("nothing is overwritten: move it away, or name another place with --output");
    }
    CliError::failed(format!("{shown} cannot be written"))
        .code("session_write")
        .source(error)
}

/// The conversation as a session that a task takes.
pub(crate) fn packed(rollout: &Rollout) -> Result<String, CliError> {
    let Carried {
        thread_id,
        path,
        contents,
    } = rollout.carried(WORKSPACE, None).map_err(unusable)?;
    let bytes = wire::pack(&wire::Session {
        agent: "codex".to_owned(),
        thread_id,
        files: vec![wire::SessionFile {
            path: format!(".codex/sessions/{path}"),
            contents,
        }],
    });
    if bytes.len() > SESSION_BYTES {
        return Err(CliError::failed(format!(
            "the session has {} MiB, and at most {} MiB are taken",
            bytes.len() >> 20,
            SESSION_BYTES >> 20
        ))
        .code("session_too_large")
        .hint("compact it in Codex with /compact, then try again"));
    }
    Ok(String::from_utf8(bytes).expect("it was written as JSON"))
}

pub(crate) fn unusable(error: RolloutError) -> CliError {
    CliError::failed(format!("the session cannot be used: {error}"))
        .code("session_unusable")
        .hint("sessions of the Codex CLI are taken (rollout-….jsonl); other agents' are not")
}

fn read(path: &Path) -> Result<Rollout, CliError> {
    let failed = |error: io::Error| {
        CliError::failed(format!("the session {} cannot be read", path.display()))
            .code("session_not_found")
            .hint("give the id of a Codex session, its rollout file, or `last`")
            .source(error)
    };
    if path.extension().is_some_and(|end| end == "zst") {
        return Err(
            CliError::failed(format!("{} is compressed", path.display()))
                .code("session_unusable")
                .hint("unpack it with `zstd -d` and name the file"),
        );
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > ROLLOUT_BYTES {
        let most = ROLLOUT_BYTES >> 20;
        let text = format!("{} is no file of at most {most} MiB", path.display());
        return Err(CliError::failed(text).code("session_too_large"));
    }
    let mut bytes = Vec::new();
    file.take(ROLLOUT_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Rollout::read(&bytes).map_err(unusable)
}

/// What the first line says; `None` for what is no rollout.
fn first_line(path: &Path) -> Option<Rollout> {
    let mut head = Vec::new();
    let file = File::open(path).ok()?;
    file.take(FIRST_LINE_BYTES).read_to_end(&mut head).ok()?;
    let end = head.iter().position(|byte| *byte == b'\n')?;
    Rollout::read(&head[..end]).ok()
}

fn below(directory: &Path, depth: usize, found: &mut Vec<(SystemTime, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if kind.is_dir() && depth > 1 {
            below(&entry.path(), depth - 1, found)?;
        } else if kind.is_file() && name.starts_with(b"rollout-") && name.ends_with(b".jsonl") {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    Ok(())
}

/// As Codex makes them: a UUID.
fn is_id(text: &str) -> bool {
    let is_mark = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| match is_mark(at) {
                true => byte == b'-',
                false => byte.is_ascii_hexdigit(),
            })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const IDS: [&str; 4] = [
        "01a22b60-0000-7160-b147-ab5dbf7e2950",
        "01a22b60-1111-7160-b147-ab5dbf7e2950",
        "01a22b60-2222-7160-b147-ab5dbf7e2950",
        "01a22b60-3333-7160-b147-ab5dbf7e2950",
    ];

    /// A rollout that was changed so many seconds after 1970.
    fn rollout(home: &CodexHome, id: &str, changed_s: u64, meta: &str) -> PathBuf {
        let path = home.0.join(format!(
            "sessions/2026/11/30/rollout-2026-11-30T07-34-52-{id}.jsonl"
        ));
        fs::create_dir_all(path.parent().expect("a folder")).expect("ours");
        let text = format!(
            "{{\"timestamp\":\"x\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{id}\",\
             \"timestamp\":\"2026-11-30T07:34:52.212Z\",{meta}}}}}\n\
             {{\"timestamp\":\"x\",\"ordinal\":1,\"type\":\"response_item\",\"payload\":{{\"type\":\"message\",\
             \"role\":\"user\",\"content\":\"of {id}\"}}}}\n"
        );
        fs::write(&path, text).expect("ours");
        let changed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(changed_s);
        let file = File::options().write(true).open(&path).expect("ours");
        file.set_modified(changed_at).expect("ours");
        path
    }

    #[test]
    fn the_last_one_is_the_newest_of_a_person_here() {
        let dir = tempfile::tempdir().expect("a folder");
        let home = CodexHome(dir.path().join("codex"));
        let here = Path::new("/home/ada/app");
        let none = home.rollout("last", here, here).map(drop);
        assert!(
            none.expect_err("none")
                .to_string()
                .contains("no session of /home/ada/app")
        );
        rollout(&home, IDS[0], 10, r#""cwd":"/home/ada/app","source":"cli""#);
        rollout(
            &home,
            IDS[1],
            20,
            r#""cwd":"/home/ada/app/src","source":"exec""#,
        );
        rollout(
            &home,
            IDS[2],
            30,
            r#""cwd":"/home/ada/app2","source":"cli""#,
        );
        rollout(
            &home,
            IDS[3],
            40,
            r#""cwd":"/home/ada/app","source":{"subagent":"review"}"#,
        );
        let found = |wanted: &str| home.rollout(wanted, here, here).expect("found");
        assert_eq!(found("last").thread_id(), IDS[1]);
        assert_eq!(found(IDS[2]).thread_id(), IDS[2]);
        let unknown = IDS[2].replace("2222", "4444");
        assert!(home.rollout(&unknown, here, here).is_err());
        let packed = packed(&found("last")).expect("small");
        assert!(packed.contains(&format!("of {}", IDS[1])));
        assert!(
            packed.starts_with("{\"outwork_session\":1,\"agent\":\"codex\""),
            "{packed}"
        );
    }

    #[test]
    fn a_fork_without_its_origin_or_round_in_a_circle_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let home = CodexHome(dir.path().to_owned());
        let here = Path::new("/");
        let base = |id: &str| {
            format!(
                r#""source":"cli","history_base":{{"thread_id":"{id}","end_ordinal_exclusive":9}}"#
            )
        };
        rollout(&home, IDS[0], 1, &base(IDS[1]));
        let missing = home.rollout(IDS[0], here, here).map(drop);
        let missing = missing.expect_err("its origin is not here").to_string();
        assert!(missing.contains(IDS[1]), "{missing}");
        rollout(&home, IDS[1], 1, &base(IDS[0]));
        let circle = home.rollout(IDS[0], here, here).map(drop);
        let circle = circle.expect_err("it never ends").to_string();
        assert!(circle.contains("goes on from"), "{circle}");
    }

    #[test]
    fn nothing_is_written_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x");
        assert!(matches!(write_new(&path, b"a"), Ok(Put::New(_))));
        assert!(matches!(write_new(&path, b"a"), Ok(Put::There(_))));
        assert!(write_new(&path, b"b").is_err());
        assert_eq!(fs::read(&path).expect("there"), b"a");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).expect("ours");
        assert!(write_new(&link, b"a").is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
