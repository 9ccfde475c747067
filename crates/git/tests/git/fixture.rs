//! A repository to work with, and what the tests do to it from outside: plain files and the plain git command.

mod files;
mod layers;

pub use files::{Files, blobs, files_in, files_of, on_disk};
pub use layers::{Asked, Attempt, BELOW, Snapshot};

use outwork_git::{CheckoutRequest, CommitId, Credentials, Git, Mirror, RefName, RepoUrl};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with an upstream repository on branch `main`, and a place for a mirror and for checkouts.
pub struct World {
    pub dir: tempfile::TempDir,
    pub git: Git,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = std::env::var_os("PATH").expect("PATH is set");
        let git = Git::isolated("git", &path, &dir.path().join("private")).expect("git is made");
        let world = Self { dir, git };
        git_in(world.dir.path(), &["init", "-q", "-b", "main", "upstream"]);
        // What the tests commit are the bytes that they wrote.
        put(
            &world.upstream(),
            ".git/info/attributes",
            "* -text !filter !ident !working-tree-encoding !eol\n",
        );
        world
    }

    /// With one commit of a few files.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        for (path, content) in files {
            put(&world.upstream(), path, content);
        }
        world.commit("first");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn upstream(&self) -> PathBuf {
        self.path("upstream")
    }

    pub fn url(&self) -> RepoUrl {
        RepoUrl::parse(self.upstream().to_str().expect("UTF-8")).expect("a good address")
    }

    pub fn mirror(&self) -> Mirror {
        Mirror::new(
            self.git.clone(),
            &self.path("mirrors"),
            self.url(),
            Credentials::None,
        )
    }

    /// Commits all that lies in the upstream's working tree.
    pub fn commit(&self, message: &str) -> CommitId {
        git_in(&self.upstream(), &["add", "-A", "-f", "."]);
        git_in(
            &self.upstream(),
            &["commit", "-q", "--allow-empty", "-m", message],
        );
        self.head()
    }

    pub fn head(&self) -> CommitId {
        CommitId::parse(git_in(&self.upstream(), &["rev-parse", "HEAD"]).trim()).expect("a commit")
    }

    pub fn request(&self, name: &str, mirror: &Mirror) -> CheckoutRequest {
        CheckoutRequest {
            directory: self.path(name),
            trusted_git_dir: self.path(&format!("{name}.trusted")),
            alternates_inside: mirror.objects_dir(),
            branch: Some(RefName::parse("main").expect("a good name")),
            owner: None,
        }
    }
}

pub fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("has a parent")).expect("a folder");
    fs::write(path, content).expect("a file");
}

/// The plain git command, with no configuration but ours.
pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C");
    // Nothing here must outlive a power cut.
    command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "core.fsync")
        .env("GIT_CONFIG_VALUE_0", "none");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Ada")
            .env(format!("GIT_{who}_EMAIL"), "ada@example.com");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    command
}

pub fn git_bytes(dir: &Path, args: &[impl AsRef<OsStr>]) -> Vec<u8> {
    let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
    let output = git_command(dir).args(&args).output().expect("git starts");
    assert!(
        output.status.success(),
        "git {args:?} in {}: {}",
        dir.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub fn git_in(dir: &Path, args: &[impl AsRef<OsStr>]) -> String {
    String::from_utf8_lossy(&git_bytes(dir, args)).into_owned()
}

/// Runs git with standard input; gives whether it succeeded and what it said.
pub fn git_fed(dir: &Path, args: &[&str], input: &[u8]) -> (bool, Vec<u8>) {
    use std::io::Write;
    let mut command = git_command(dir);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    let mut stdin = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        // Beside the reading, for both may be long; git may refuse before it has read all.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("git ends")
    });
    (
        output.status.success(),
        [output.stdout, output.stderr].concat(),
    )
}

/// All files below a folder without `.git`, with type, permission and content: for "nothing changed".
pub fn picture(root: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let mut seen = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("a file");
            if meta.is_dir() {
                if path.file_name() != Some(OsStr::new(".git")) {
                    pending.push(path);
                }
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                seen.push((
                    path,
                    "link".to_owned(),
                    target.as_os_str().as_bytes().to_vec(),
                ));
            } else {
                let mode = format!("{:o}", meta.permissions().mode());
                let content = fs::read(&path).expect("a file");
                seen.push((path, mode, content));
            }
        }
    }
    seen.sort();
    seen
}

/// Writes a file at the end of a chain of folders, however long the whole path is.
pub fn put_deep(root: &Path, folders: &[impl AsRef<OsStr>], name: &OsStr, content: &[u8]) {
    use rustix::fs::{Mode, OFlags};
    let mut folder = rustix::fs::open(root, OFlags::DIRECTORY, Mode::empty()).expect("a folder");
    for part in folders {
        // It may be there already.
        let _ = rustix::fs::mkdirat(&folder, part.as_ref(), Mode::RWXU);
        folder = rustix::fs::openat(&folder, part.as_ref(), OFlags::DIRECTORY, Mode::empty())
            .expect("a folder");
    }
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY;
    let file = rustix::fs::openat(&folder, name, flags, Mode::RUSR | Mode::WUSR).expect("a file");
    rustix::io::write(&file, content).expect("written");
}
