use super::*;

#[test]
fn own_groups_are_found_in_both_versions() {
    let mounts = "\
30 25 0:26 / /sys/fs/cgroup rw shared:4 - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 /docker/abc /sys/fs/cgroup/memory rw shared:6 master:7 - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd";
    let own = "4:memory:/docker/abc/worker\n3:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/";
    let v1 = |controller: &str, own: &str| Hierarchy::V1 {
        controllers: vec![controller.to_owned()],
        own: own.into(),
    };
    assert_eq!(
        hierarchies(mounts, own),
        [
            Hierarchy::V2 {
                own: "/sys/fs/cgroup/unified".into()
            },
            v1("cpu", "/sys/fs/cgroup/cpu,cpuacct/a:b"),
            v1("memory", "/sys/fs/cgroup/memory/worker"),
        ]
    );
}

/// Directories and files as the kernel shows them; nothing in them acts.
fn delegated(files: &[(&str, &str)]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (file, contents) in files {
        let path = tree.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    tree
}

#[test]
fn a_process_alone_in_a_delegated_group_goes_into_a_child() {
    let own = std::process::id().to_string();
    let tree = delegated(&[
        ("cgroup.procs", &format!("{own}\n")),
        ("cgroup.controllers", "cpuset cpu io memory pids\n"),
        ("cgroup.subtree_control", ""),
    ]);
    pass_on(tree.path(), &["memory", "pids"]).unwrap();
    let read = |file: &str| fs::read_to_string(tree.path().join(file)).unwrap();
    assert_eq!(read("outwork-worker/cgroup.procs"), own);
    assert_eq!(read("cgroup.subtree_control"), "+pids");
}

#[test]
fn a_group_with_processes_of_others_is_left_as_it_is() {
    let own = std::process::id();
    let tree = delegated(&[
        ("cgroup.procs", &format!("{own}\n1\n")),
        ("cgroup.controllers", "memory\n"),
        ("cgroup.subtree_control", ""),
    ]);
    assert_eq!(
        pass_on(tree.path(), &["memory"]).unwrap_err().kind(),
        io::ErrorKind::ResourceBusy
    );
    assert_eq!(words(&tree.path().join("cgroup.subtree_control")), [""; 0]);
    assert_eq!(unified(tree.path()), None);
}

#[test]
fn what_a_new_group_does_not_have_is_not_counted_on() {
    // In a plain directory a new one has no files at all.
    let tree = delegated(&[
        ("cgroup.procs", ""),
        ("cgroup.controllers", "memory pids\n"),
        ("cgroup.subtree_control", "memory pids\n"),
    ]);
    assert_eq!(unified(tree.path()), None);
    assert_eq!(
        fs::read_dir(tree.path()).unwrap().count(),
        3,
        "the trial is gone"
    );
}

#[test]
fn only_groups_of_processes_that_are_gone_are_stale() {
    let own = owner(std::process::id());
    assert!(!is_stale(&name(std::process::id())));
    let (before, started_at) = own.rsplit_once('-').unwrap();
    let earlier: u64 = started_at.parse::<u64>().unwrap() - 1;
    assert!(is_stale(&format!("{PREFIX}{before}-{earlier}")));
    assert!(!is_stale(&format!("{PREFIX}1-1-1")), "of another namespace");
    assert!(!is_stale("system.slice"));
    assert!(!is_stale(WORKER_GROUP));
}

#[test]
fn a_sweep_removes_them() {
    let tree = tempfile::tempdir().unwrap();
    let own = owner(std::process::id());
    let (before, _) = own.rsplit_once('-').unwrap();
    let stale = tree.path().join(format!("{PREFIX}{before}-1"));
    let (living, other) = (
        tree.path().join(name(std::process::id())),
        tree.path().join("other"),
    );
    for directory in [&stale, &living, &other] {
        fs::create_dir(directory).unwrap();
    }
    let cgroup = Cgroup::V2 {
        parent: tree.path().to_owned(),
        memory: true,
        processes: true,
        cpu: true,
    };
    assert_eq!(sweep(&cgroup), [stale]);
    assert!(living.exists() && other.exists());
}
