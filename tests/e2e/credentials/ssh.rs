//! The real sshd, one process for each connection, with keys of its own.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::scratch;

/// Where the PATH of ordinary users does not lead; it wants to be started by its whole path.
const SSHD: &str = "/usr/sbin/sshd";

/// An sshd that is root wants a folder in /run, which only this process shall see.
const WITH_A_RUN_OF_ITS_OWN: &str =
    r#"mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd && exec "$@""#;

pub struct Server {
    pub port: u16,
    dir: TempDir,
}

impl Server {
    /// Runs what those ask whose key was authorized.
    pub fn start() -> Self {
        let dir = scratch();
        new_key(dir.path(), "host_key");
        // Git alone, without this machine's configuration.
        let path = std::env::var_os("PATH").expect("PATH is set");
        let script = format!(
            "#!/bin/sh\nPATH='{}' GIT_CONFIG_GLOBAL=/dev/null\nexport PATH GIT_CONFIG_GLOBAL\neval \"exec $SSH_ORIGINAL_COMMAND\"\n",
            path.display()
        );
        let run = dir.path().join("run");
        fs::write(&run, script).expect("written");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).expect("ours");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let folder = dir.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let output = stream.try_clone().expect("a handle");
                let mut sshd = sshd(&folder);
                sshd.stdin(Stdio::from(OwnedFd::from(stream)))
                    .stdout(Stdio::from(OwnedFd::from(output)));
                let mut child = sshd.spawn().expect("sshd starts");
                drop(sshd);
                std::thread::spawn(move || child.wait());
            }
        });
        Self { port, dir }
    }

    pub fn url(&self, repository: &Path) -> String {
        let output = Command::new("id").arg("-un").output().expect("id runs");
        let user = String::from_utf8(output.stdout).expect("text");
        let path = repository.display();
        format!("ssh://{}@127.0.0.1:{}{path}", user.trim(), self.port)
    }

    /// Makes a key, lets it and no other in, and gives the file of its private half.
    pub fn authorize(&self, name: &str) -> PathBuf {
        let path = new_key(self.dir.path(), name);
        let public = fs::read_to_string(path.with_extension("pub")).expect("a key");
        let run = self.dir.path().join("run");
        let line = format!("restrict,command=\"{}\" {public}", run.display());
        fs::write(self.dir.path().join("authorized_keys"), line).expect("written");
        path
    }

    /// The line of its key for a `known_hosts` file.
    pub fn known_host(&self) -> String {
        let public = fs::read_to_string(self.dir.path().join("host_key.pub")).expect("a key");
        format!("[127.0.0.1]:{} {public}", self.port)
    }
}

fn new_key(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status();
    assert!(made.expect("ssh-keygen starts").success());
    path
}

fn sshd(dir: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", WITH_A_RUN_OF_ITS_OWN, "sh", SSHD]);
        command
    } else {
        Command::new(SSHD)
    };
    command.args(["-i", "-f", "/dev/null", "-E"]);
    command.arg(dir.join("log"));
    let (host_key, keys) = (dir.join("host_key"), dir.join("authorized_keys"));
    for option in [
        &format!("HostKey={}", host_key.display()),
        &format!("AuthorizedKeysFile={}", keys.display()),
        "PidFile=none",
        "UsePAM=no",
        "StrictModes=no",
        "PasswordAuthentication=no",
        "KbdInteractiveAuthentication=no",
        "PermitRootLogin=prohibit-password",
    ] {
        command.args(["-o", option]);
    }
    command
}
