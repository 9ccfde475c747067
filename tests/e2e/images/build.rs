//! Images made of programs of this machine, as directories in the OCI layout and in a registry.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::open_scratch;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What scripts of these tests need.
const PROGRAMS: [&str; 9] = [
    "bash", "cat", "chmod", "id", "ls", "mkdir", "rm", "sleep", "touch",
];

/// An image of one layer: a directory in the OCI layout.
pub struct Layout {
    dir: TempDir,
    manifest: Vec<u8>,
}

impl Layout {
    /// With a shell and a few programs, `/etc/release`, and a variable.
    pub fn new(release: &str) -> Self {
        let tree = tempfile::tempdir().expect("a directory");
        for program in PROGRAMS {
            copy_program(program, tree.path());
        }
        write(&tree.path().join("etc/release"), release.as_bytes());
        Self::of(tree.path())
    }

    /// With this file and no more.
    pub fn of_one_file(path: &str) -> Self {
        let tree = tempfile::tempdir().expect("a directory");
        write(&tree.path().join(path), b"nothing");
        Self::of(tree.path())
    }

    fn of(tree: &Path) -> Self {
        let mut tar = Command::new("tar");
        tar.args([
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--create",
            "--directory",
        ]);
        let tar = tar.arg(tree).arg(".").output().expect("tar runs");
        assert!(
            tar.status.success(),
            "{}",
            String::from_utf8_lossy(&tar.stderr)
        );
        let layout = open_scratch();
        let blobs = layout.path().join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("a directory");
        let blob = |media_type: &str, bytes: &[u8]| {
            let digest = sha256(bytes);
            fs::write(blobs.join(&digest), bytes).expect("written");
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
        };
        let layer = blob(LAYER, &tar.stdout);
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "os": "linux",
            "architecture": architecture,
            "config": {"Env": ["PATH=/usr/bin", "OF_IMAGE=yes"], "User": "33", "Entrypoint": ["/no/such"]},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        });
        let config = blob(CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
        });
        let manifest = manifest.to_string().into_bytes();
        let index = json!({"schemaVersion": 2, "manifests": [blob(MANIFEST, &manifest)]});
        write(
            &layout.path().join("index.json"),
            index.to_string().as_bytes(),
        );
        write(
            &layout.path().join("oci-layout"),
            br#"{"imageLayoutVersion": "1.0.0"}"#,
        );
        Self {
            dir: layout,
            manifest,
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// As an environment names it.
    pub fn reference(&self) -> String {
        format!("oci:{}", self.path().display())
    }
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("below")).expect("a directory");
    fs::write(path, content).expect("written");
}

/// With the libraries that it wants, each where it is here.
fn copy_program(program: &str, tree: &Path) {
    let path = ["/usr/bin", "/bin"].map(|bin| PathBuf::from(bin).join(program));
    let path = path
        .iter()
        .find(|path| path.exists())
        .expect("everybody has it");
    let listed = Command::new("ldd").arg(path).output().expect("ldd runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let words = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    let libraries: BTreeSet<&Path> = words.map(Path::new).collect();
    let inside = Path::new("/usr/bin").join(program);
    for (from, to) in libraries
        .into_iter()
        .map(|path| (path, path))
        .chain([(path.as_path(), inside.as_path())])
    {
        let to = tree.join(to.strip_prefix("/").expect("absolute"));
        if !to.exists() {
            write(&to, &fs::read(from).expect("readable"));
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).expect("ours");
        }
    }
    // Programs are started as /bin/bash.
    let bin = tree.join("bin");
    if !bin.exists() {
        std::os::unix::fs::symlink("usr/bin", bin).expect("made");
    }
}

fn sha256(bytes: &[u8]) -> String {
    let said = pipe(Command::new("sha256sum"), bytes);
    said.split(' ').next().expect("a digest").to_owned()
}

fn pipe(mut command: Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input).expect("it reads"));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The `docker-registry` of Debian, on a port of its own.
pub struct Registry {
    process: Child,
    /// `127.0.0.1:port`.
    pub address: String,
    _data: TempDir,
}

impl Registry {
    pub fn start() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let config = "version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: data}}\n\
                      http: {addr: '127.0.0.1:0', secret: x}\n";
        fs::write(data.path().join("config.yml"), config).expect("written");
        let mut process = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(data.path())
            .env_remove("OTEL_TRACES_EXPORTER")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed: see scripts/bootstrap");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split('"').next()?.to_owned())
        });
        // Otherwise it would stop when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            address: address.expect("the registry says where it listens"),
            _data: data,
        }
    }

    /// As an environment names it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// As `docker push` does it.
    pub fn push(&self, name: &str, tag: &str, image: &Layout) {
        let manifest: Value = serde_json::from_slice(&image.manifest).expect("JSON");
        let layers = manifest["layers"].as_array().expect("a list").iter();
        for blob in layers.chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().expect("a digest");
            let file = image.path().join("blobs").join(digest.replace(':', "/"));
            let begin = format!("http://{}/v2/{name}/blobs/uploads/", self.address);
            let begun = curl(&["--request", "POST", "--dump-header", "-", &begin], b"");
            let place = begun
                .lines()
                .find_map(|line| line.strip_prefix("Location: "));
            let place = format!("{}&digest={digest}", place.expect("a place").trim());
            let content = fs::read(file).expect("readable");
            send(&place, "application/octet-stream", &content);
        }
        let place = format!("http://{}/v2/{name}/manifests/{tag}", self.address);
        send(&place, MANIFEST, &image.manifest);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().expect("ours");
        self.process.wait().expect("ended");
    }
}

fn send(place: &str, media_type: &str, content: &[u8]) {
    let media_type = format!("Content-Type: {media_type}");
    let put = [
        "--request",
        "PUT",
        "--header",
        &media_type,
        "--data-binary",
        "@-",
        place,
    ];
    curl(&put, content);
}

fn curl(arguments: &[&str], input: &[u8]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
    curl.args(arguments);
    pipe(curl, input)
}
