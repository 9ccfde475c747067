//! The real sshd, one process for each connection, with keys of its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub struct Server {
    pub port: u16,
    dir: tempfile::TempDir,
    host_key: Arc<Mutex<PathBuf>>,
}

/// Ordinary users' PATH does not lead there, and sshd wants to be started by its whole path.
const SSHD: &str = "/usr/sbin/sshd";

/// sshd that is root wants a folder in /run, which only this process shall see.
const WITH_A_RUN_OF_ITS_OWN: &str =
    r#"mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd && exec "$@""#;

impl Server {
    /// Lets in who has the private half of a key that [`Server::authorize`] names; runs what is asked, and notes what lies in `watched` then.
    pub async fn start(watched: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = std::env::var_os("PATH").expect("PATH is set");
        let path = path.to_str().expect("UTF-8");
        let script = dir.path().join("run");
        let text = format!(
            "#!/bin/sh\nls -lnA '{}' >> '{}'\nPATH='{path}' GIT_CONFIG_GLOBAL=/dev/null\nexport PATH GIT_CONFIG_GLOBAL\neval \"exec $SSH_ORIGINAL_COMMAND\"\n",
            watched.display(),
            dir.path().join("seen").display()
        );
        fs::write(&script, text).expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
        let host_key = Arc::new(Mutex::new(new_key(dir.path(), "host_key")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (folder, key) = (dir.path().to_owned(), Arc::clone(&host_key));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = stream.into_std().expect("a stream");
                stream.set_nonblocking(false).expect("set");
                let key = key.lock().expect("no panic").clone();
                let mut sshd = sshd(&folder, &key);
                let output = stream.try_clone().expect("a handle");
                sshd.stdin(Stdio::from(std::os::fd::OwnedFd::from(stream)))
                    .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)));
                let mut child = sshd.spawn().expect("sshd starts");
                drop(sshd);
                tokio::task::spawn_blocking(move || child.wait());
            }
        });
        Self {
            port,
            dir,
            host_key,
        }
    }

    pub fn url(&self, repository: &Path) -> String {
        let output = Command::new("id").arg("-un").output().expect("id starts");
        let user = String::from_utf8(output.stdout).expect("text");
        format!(
            "ssh://{}@127.0.0.1:{}{}",
            user.trim(),
            self.port,
            repository.display()
        )
    }

    /// Makes a key that is let in, and gives its private half.
    pub fn authorize(&self) -> String {
        let path = new_key(self.dir.path(), "user_key");
        let public = fs::read_to_string(path.with_extension("pub")).expect("a key");
        let script = self.dir.path().join("run");
        let line = format!("restrict,command=\"{}\" {public}", script.display());
        fs::write(self.dir.path().join("authorized_keys"), line).expect("written");
        fs::read_to_string(path).expect("a key")
    }

    /// A key that nobody knows.
    pub fn stranger(&self) -> String {
        fs::read_to_string(new_key(self.dir.path(), "stranger")).expect("a key")
    }

    /// From now on the server shows another key.
    pub fn change_host_key(&self) {
        let new = new_key(self.dir.path(), "other_host_key");
        *self.host_key.lock().expect("no panic") = new;
    }

    /// The line of its key for a `known_hosts` file.
    pub fn known_host(&self) -> String {
        let path = self.host_key.lock().expect("no panic").clone();
        let public = fs::read_to_string(path.with_extension("pub")).expect("a key");
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    /// What lay in the watched folder while commands ran, as `ls -ln` says it.
    pub fn seen(&self) -> String {
        fs::read_to_string(self.dir.path().join("seen")).expect("a command ran")
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

fn sshd(dir: &Path, host_key: &Path) -> Command {
    let process = fs::metadata("/proc/self").expect("/proc is there");
    let is_root = process.uid() == 0;
    let mut command = match is_root {
        true => {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", WITH_A_RUN_OF_ITS_OWN, "sh", SSHD]);
            command
        }
        false => Command::new(SSHD),
    };
    command.args(["-i", "-f", "/dev/null"]);
    command.arg("-E").arg(dir.join("log"));
    let keys = dir.join("authorized_keys");
    for option in [
        format!("HostKey={}", host_key.display()),
        format!("AuthorizedKeysFile={}", keys.display()),
        "PidFile=none".to_owned(),
        "UsePAM=no".to_owned(),
        "StrictModes=no".to_owned(),
        "PasswordAuthentication=no".to_owned(),
        "KbdInteractiveAuthentication=no".to_owned(),
        "PermitRootLogin=prohibit-password".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command
}
