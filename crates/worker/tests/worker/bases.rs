//! Images, and pinned runtimes.

use std::path::{Path, PathBuf};
use std::process::Command;

use outwork_api::event::EventBody;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::scene::{Scene, attempt};

/// Programs that an image of tests has, with their libraries.
const PROGRAMS: [&str; 9] = [
    "bash", "cat", "chmod", "id", "ls", "mkdir", "rm", "sleep", "touch",
];

/// A directory in the OCI layout with one image of one layer.
fn image(directory: &Path, variables: &[&str]) -> PathBuf {
    let layout = directory.join("image");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let archive = directory.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg("/").arg("-chf").arg(&archive);
    tar.args(["--owner=0", "--group=0"]).args(files());
    assert!(tar.status().unwrap().success());
    let blob = |content: Vec<u8>| {
        let digest = Sha256::digest(&content);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(blobs.join(&hex), &content).unwrap();
        (format!("sha256:{hex}"), content.len())
    };
    let (layer, layer_size) = blob(std::fs::read(&archive).unwrap());
    let json = |value: Value| serde_json::to_vec(&value).unwrap();
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let (config, config_size) = blob(json(json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": variables},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    })));
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let (manifest, manifest_size) = blob(json(json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_size},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": layer_size}],
    })));
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{"mediaType": kind, "digest": manifest, "size": manifest_size}],
    });
    std::fs::write(layout.join("index.json"), json(index)).unwrap();
    std::fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    layout
}

/// The programs and all that the loader names for them, without the leading slash.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for program in PROGRAMS {
        let path = format!("/bin/{program}");
        let listed = Command::new("ldd").arg(&path).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let libraries = listed
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        files.extend(libraries.map(str::to_owned));
        files.push(path);
    }
    files.sort();
    files.dedup();
    let relative = files
        .iter()
        .map(|file| file.trim_start_matches('/').to_owned());
    relative.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_the_whole_system_and_setup_may_write_anywhere() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scene = Scene::new();
    let layout = image(
        scene.directory.path(),
        &["PATH=/opt/tools:/usr/bin:/bin", "FROM_IMAGE=yes"],
    );
    let mut config = scene.config("worker");
    config.images.local_directories = vec![scene.directory.path().to_owned()];
    let worker = scene.start_with(config).await;
    let command = "tool; echo $FROM_IMAGE $HOME $(id -u); ls /usr/share 2>&1 || echo nothing of the host; \
                   cat /etc/hosts; touch /bin/x 2>&1 || echo not mine; echo agent > made; pwd";
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, command);
        assignment.base_image = Some(format!("oci:{}", layout.display()));
        assignment.setup_script = Some(
            "mkdir -p /opt/tools; echo 'echo from the image' > /opt/tools/tool; chmod 755 /opt/tools/tool; echo > /bin/of-setup"
                .to_owned(),
        );
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let output = record.output();
        assert!(
            output.starts_with("from the image\nyes /home/agent 1000\n")
                && output.contains("nothing of the host")
                && output.contains("127.0.0.1 localhost")
                && output.ends_with("/workspace/project\n"),
            "{output}"
        );
        assert_eq!(scene.applied(&record, "made").as_deref(), Some("agent\n"));
        let steps: Vec<&str> = record
            .events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::StepStarted { step } => Some(step.as_str()),
                _ => None,
            })
            .collect();
        match number {
            1 => assert_eq!(steps, ["checkout", "image", "setup", "agent", "diff"]),
            _ => assert_eq!(steps, ["checkout", "image", "agent", "diff"]),
        }
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_is_told() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scene = Scene::new();
    for (number, image, part) in [
        (1, "https://registry.invalid/x", "https://"),
        (2, "oci:/nonexistent", "oci:/nonexistent"),
        (3, "debian:12", "registry"),
    ] {
        let mut assignment = scene.assignment(number, "true");
        assignment.environment = "web".to_owned();
        assignment.base_image = Some(image.to_owned());
        let record = scene.run(assignment).await;
        let failure = record.failure();
        assert_eq!(failure.code, "base_image_unavailable", "{failure:?}");
        assert!(
            failure.message.contains(part) || failure.message.contains("/nonexistent"),
            "{failure:?}"
        );
        assert!(
            failure
                .hint
                .unwrap()
                .contains("outwork env edit web --image")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_runtime_comes_first_and_a_missing_one_is_told() {
    let scene = Scene::new();
    // Versions that no machine has itself.
    let offers = scene.directory.path().join("runtimes");
    for version in ["7.9.3", "7.10.0", "8.0.0"] {
        let bin = offers.join("go").join(version).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let program = bin.join("go");
        std::fs::write(
            &program,
            format!("#!/bin/bash\necho go {version} $GOROOT\n"),
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
    }
    let mut config = scene.config("worker");
    config.runtimes_dir = Some(offers);
    let worker = scene.start_with(config).await;
    let mut assignment = scene.assignment(1, "go; echo $PATH");
    assignment.setup_script = Some("go".to_owned());
    assignment.runtimes.insert("go".to_owned(), "7".to_owned());
    scene.api.offer(assignment);
    let record = scene.finished(&attempt(1)).await;
    let root = "/outwork/runtimes/go/7.10.0";
    assert_eq!(
        record.output(),
        format!(
            "go 7.10.0 {root}\ngo 7.10.0 {root}\n\
             /usr/local/sbin:{root}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        ),
        "{record:#?}"
    );

    let mut assignment = scene.assignment(2, "true");
    assignment.environment = "web".to_owned();
    assignment.runtimes.insert("go".to_owned(), "9".to_owned());
    scene.api.offer(assignment);
    let failure = scene.finished(&attempt(2)).await.failure();
    assert_eq!(failure.code, "runtime_unavailable");
    assert!(
        failure
            .message
            .starts_with("go 9 is not on the worker's own system: there is ")
            && failure.message.contains("7.9.3, 7.10.0, 8.0.0"),
        "{failure:?}"
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_of_the_worker_is_found_by_its_version() {
    let scene = Scene::new();
    let asked = Command::new("/usr/bin/python3")
        .args(["-c", "import platform; print(platform.python_version())"])
        .output();
    let Ok(asked) = asked else {
        return;
    };
    let version = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
    let pin = version.rsplit_once('.').unwrap().0.to_owned();
    let command = "python -c 'import platform, sys, json; print(platform.python_version())'; \
                   python3 -c 'print(3)'; command -v python";
    let mut assignment = scene.assignment(1, command);
    assignment.runtimes.insert("python".to_owned(), pin);
    let record = scene.run(assignment).await;
    assert_eq!(
        record.output(),
        format!("{version}\n3\n/outwork/runtimes/python/bin/python\n"),
        "{record:#?}"
    );
}
