//! A directory of the worker's that the command can write.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use outwork_sandbox::{Capabilities, Mount, Sandbox, Spec, plan, probe};

use crate::harness::{directory, finish, is_root, launcher, set_mode, shell, stdout, within};

const WORK: &str = "
    cat given && echo changed > given && mkdir -p deep/er && echo new > deep/er/file && ln -s /etc/passwd link &&
    mv given moved && stat -c %U:%G . moved deep/er/file && chmod 700 deep && touch --date=@1 deep/er/file";

fn workspace_spec(source: &Path, script: &str) -> Spec {
    let mut spec = shell(script);
    spec.mounts.push(Mount::Bind {
        source: source.to_owned(),
        target: "/workspace".into(),
    });
    spec.working_directory = "/workspace".into();
    spec
}

fn assert_is_the_workers(root: &Path) {
    let worker = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    for name in ["", "moved", "deep", "deep/er", "deep/er/file", "link"] {
        let meta = root.join(name).symlink_metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), worker, "{name}");
    }
    assert_eq!(
        std::fs::read_to_string(root.join("moved")).unwrap(),
        "changed\n"
    );
    assert_eq!(
        std::fs::read_to_string(root.join("deep/er/file")).unwrap(),
        "new\n"
    );
}

#[tokio::test]
async fn files_are_the_commands_inside_and_the_workers_outside() {
    let root = directory();
    assert_eq!(
        root.path().metadata().unwrap().permissions().mode() & 0o777,
        0o700,
        "closed to everybody else"
    );
    std::fs::write(root.path().join("given"), "given\n").unwrap();
    let seen = stdout(&workspace_spec(root.path(), WORK)).await;
    assert_eq!(seen, "given\nagent:agent\nagent:agent\nagent:agent\n");
    assert_is_the_workers(root.path());
}

/// As on a file system that cannot map ids.
#[tokio::test]
async fn without_mapped_mounts_the_owner_is_changed_and_changed_back() {
    let root = directory();
    std::fs::write(root.path().join("given"), "given\n").unwrap();
    let capabilities = Capabilities {
        idmapped_mounts: false,
        ..probe()
    };
    let plan = plan(&workspace_spec(root.path(), WORK), &capabilities).unwrap();
    let mut running = Sandbox::spawn(plan, launcher()).await.unwrap();
    let output = within("the end", finish(&mut running)).await;
    assert_eq!(
        output.stdout, "given\nagent:agent\nagent:agent\nagent:agent\n",
        "{output:?}"
    );
    assert_is_the_workers(root.path());
}

/// `ramfs` cannot; the launcher notices and changes owners.
#[tokio::test]
async fn a_file_system_without_mapping_is_noticed() {
    let root = directory();
    if is_root() {
        let mounted = rustix::mount::mount(
            "none",
            root.path(),
            "ramfs",
            rustix::mount::MountFlags::empty(),
            None,
        );
        mounted.expect("root can mount a ramfs");
    }
    std::fs::write(root.path().join("given"), "given\n").unwrap();
    let seen = stdout(&workspace_spec(root.path(), WORK)).await;
    assert_is_the_workers(root.path());
    if is_root() {
        rustix::mount::unmount(root.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
    assert_eq!(seen, "given\nagent:agent\nagent:agent\nagent:agent\n");
}

#[tokio::test]
async fn mounts_and_files_below_a_workspace_are_the_workers_too() {
    let root = directory();
    let hooks = directory();
    set_mode(hooks.path(), 0o755);
    let mut spec = workspace_spec(
        root.path(),
        "touch .git/x 2>/dev/null || stat -c %U .git notes.txt; cat notes.txt",
    );
    spec.mounts.extend([
        Mount::ReadOnlyBind {
            source: hooks.path().to_owned(),
            target: "/workspace/.git".into(),
        },
        Mount::File {
            target: "/workspace/notes.txt".into(),
            contents: "note\n".into(),
            mode: 0o644,
        },
    ]);
    let nobody = if is_root() { "nobody" } else { "agent" };
    assert_eq!(stdout(&spec).await, format!("{nobody}\nagent\nnote\n"));
    let worker = rustix::process::geteuid().as_raw();
    assert_eq!(
        root.path().join("notes.txt").metadata().unwrap().uid(),
        worker
    );
    assert_eq!(root.path().join(".git").metadata().unwrap().uid(), worker);
}

#[tokio::test]
async fn links_in_a_workspace_lead_nowhere_outside() {
    let (root, outside) = (directory(), directory());
    std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
    let mut spec = workspace_spec(root.path(), "echo x > out/file 2>/dev/null || echo refused");
    spec.working_directory = "/workspace".into();
    assert_eq!(stdout(&spec).await, "refused\n");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}
