//! What a command sees: who it is, which processes and files there are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use outwork_sandbox::{ExitStatus, Mount, Spec, SystemRoot, User};

use crate::harness::{directory, python, run, set_mode, shell, stdout};

#[tokio::test]
async fn identity_is_the_specs() {
    let mut spec = shell("hostname; id -un; id -u; id -g; id -G; pwd; cat /etc/hostname");
    spec.hostname = "box-1".to_owned();
    spec.user.uid = 1234;
    spec.user.gid = 4321;
    spec.working_directory = PathBuf::from("/tmp");
    let seen = stdout(&spec).await;
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[..4], ["box-1", "agent", "1234", "4321"]);
    assert_eq!(lines[5..], ["/tmp", "box-1"]);
    // An ordinary worker cannot give up its groups; root's must be gone.
    let groups: Vec<&str> = lines[4].split(' ').collect();
    assert_eq!(groups[0], "4321");
    assert!(
        groups.len() == 1 || !crate::harness::is_root(),
        "{groups:?}"
    );
}

#[tokio::test]
async fn only_own_processes_are_visible() {
    let seen = stdout(&shell(
        "echo $$; for p in /proc/[0-9]*; do echo ${p#/proc/}; done",
    ))
    .await;
    let pids: Vec<u32> = seen.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(
        pids,
        [2, 1, 2],
        "the command is the second process and there is no third"
    );
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_given() {
    let mut spec = Spec::new(["/usr/bin/env", "-0"]);
    spec.environment = BTreeMap::from(
        [
            ("A", "1"),
            ("EMPTY", ""),
            ("LINES", "two\nlines"),
            ("Ü", "ü"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    assert_eq!(stdout(&spec).await, "A=1\0EMPTY=\0LINES=two\nlines\0Ü=ü\0");
}

#[tokio::test]
async fn only_the_three_standard_descriptors_are_open() {
    // A descriptor that the worker forgot to mark.
    let (leak, _end) = std::os::unix::net::UnixStream::pair().unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let seen = stdout(&python(
        "import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd')))",
    ))
    .await;
    // The fourth is the listing itself.
    assert_eq!(seen.trim(), "[0, 1, 2, 3]");
    let fourth = stdout(&shell("readlink /proc/self/fd/3 || echo closed")).await;
    assert_eq!(fourth.trim(), "closed");
}

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let hidden = directory();
    std::fs::write(hidden.path().join("secret"), "x").unwrap();
    let script = format!(
        "for f in /root /home /srv /mnt /media /boot /etc/shadow /etc/ssh /etc/gitconfig /etc/ssl/private /var/lib /var/log \
         {} {}; do [ -e $f ] && echo $f; done; ls /run; ls -A /tmp",
        env!("CARGO_MANIFEST_DIR"),
        hidden.path().display()
    );
    assert_eq!(run(&shell(&script)).await.stdout, "");
}

/// Copies of what runtimes count processors and large pages by.
#[tokio::test]
async fn little_of_sys_is_there() {
    let script = "cd /sys; find . -type f | grep -v cpu/ | sort | tr '\\n' ' '; cat devices/system/cpu/online; nproc --all; \
        ls devices/system/cpu | grep -c '^cpu[0-9]'; find . -type f -perm /222; find . -type l; ls; \
        (: > devices/system/cpu/online) 2>&1 | sed 's/.*: //'";
    let pages = "kernel/mm/transparent_hugepage";
    let pages: Vec<String> = ["enabled", "hpage_pmd_size"]
        .map(|name| format!("{pages}/{name}"))
        .into_iter()
        .filter(|name| std::path::Path::new("/sys").join(name).exists())
        .map(|name| format!("./{name} "))
        .collect();
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let count = |command: &str| {
        let output = std::process::Command::new("sh")
            .args(["-c", command])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let expected = format!(
        "{}{online}{}{}devices\nkernel\nRead-only file system\n",
        pages.concat(),
        count("nproc --all"),
        count("ls /sys/devices/system/cpu | grep -c '^cpu[0-9]'")
    );
    assert_eq!(stdout(&shell(script)).await, expected);
}

#[tokio::test]
async fn the_system_is_there_and_read_only() {
    let script = "
        for f in /usr/x /etc/x /opt/x /x /dev/x /proc/sys/kernel/hostname /usr/bin/env /etc/passwd; do
            (: >> $f) 2>&1 | sed 's/.*: //'
        done";
    let seen = stdout(&shell(script)).await;
    let mut refusals = seen.lines();
    for file in [
        "/usr/x",
        "/etc/x",
        "/opt/x",
        "/x",
        "/dev/x",
        "/proc/sys",
        "/usr/bin/env",
        "/etc/passwd",
    ] {
        let refusal = refusals.next().unwrap_or("accepted");
        let ok = refusal == "Read-only file system" || refusal == "Permission denied";
        assert!(ok, "{file}: {refusal}\n{seen}");
    }
    assert!(seen.starts_with("Read-only file system\n"), "{seen}");
}

#[tokio::test]
async fn users_and_names_are_written_anew() {
    let mut spec = shell(
        "cut -d: -f1,3,6 /etc/passwd; cut -d: -f1,3 /etc/group; cat /etc/hosts; wc -c < /etc/resolv.conf; readlink /etc/mtab",
    );
    spec.further_users = vec![User {
        uid: 7,
        gid: 8,
        name: "other".to_owned(),
        home: "/".into(),
    }];
    assert_eq!(
        stdout(&spec).await,
        "root:0:/root\nagent:1000:/home/agent\nother:7:/\nnobody:65534:/nonexistent\nroot:0\nagent:1000\nother:8\nnogroup:65534\n127.0.0.1 localhost sandbox\n::1 localhost\n0\n\
         /proc/self/mounts\n"
    );
}

#[tokio::test]
async fn devices_work() {
    let script = "
        [ $(head -c 5 /dev/zero | wc -c) = 5 ] && [ $(head -c 5 /dev/urandom | wc -c) = 5 ] && echo x > /dev/null || exit 1
        echo out > /dev/stdout; echo err > /dev/stderr; echo y > /dev/shm/file && cat /dev/shm/file
        python3 -c 'import pty; pty.openpty(); print(\"pty\")'";
    let output = run(&shell(script)).await;
    assert_eq!(
        (output.status, &*output.stdout, &*output.stderr),
        (ExitStatus::Code(0), "out\ny\npty\n", "err\n")
    );
}

#[tokio::test]
async fn mounts_are_made_in_order() {
    let read_only = directory();
    std::fs::write(read_only.path().join("file"), "from the host").unwrap();
    let mut spec = shell(
        "cat /data/file; touch /data/x 2>/dev/null && echo writable; readlink /link; stat -c '%a %U' /home/agent/.config/tool.toml; \
         cat /home/agent/.config/tool.toml; touch /home/agent/.config/y && echo beside; stat -f -c %s /small >/dev/null; \
         head -c 100000 /dev/zero 2>/dev/null > /small/f; stat -c %s /small/f; stat -c %U:%a /top",
    );
    spec.mounts.extend([
        Mount::ReadOnlyBind {
            source: read_only.path().to_owned(),
            target: "/data".into(),
        },
        Mount::Symlink {
            points_to: "/data/file".into(),
            target: "/link".into(),
        },
        Mount::Tmpfs {
            target: "/home/agent".into(),
            size_bytes: 1 << 20,
            mode: 0o755,
        },
        Mount::File {
            target: "/home/agent/.config/tool.toml".into(),
            contents: "a = 1\n".into(),
            mode: 0o600,
        },
        Mount::Tmpfs {
            target: "/small".into(),
            size_bytes: 8192,
            mode: 0o700,
        },
        Mount::File {
            target: "/top".into(),
            contents: String::new(),
            mode: 0o444,
        },
    ]);
    // A directory that only the worker may enter is opened with the worker's rights, but its mode still counts inside.
    set_mode(read_only.path(), 0o755);
    let owner = if crate::harness::is_root() {
        "root"
    } else {
        "agent"
    };
    assert_eq!(
        stdout(&spec).await,
        format!("from the host/data/file\n600 agent\na = 1\nbeside\n8192\n{owner}:444\n")
    );
}

#[tokio::test]
async fn an_empty_root_holds_only_the_mounts() {
    let mut spec = Spec::new(["/usr/bin/find", "/", "-xdev"]);
    spec.system = SystemRoot::Empty;
    spec.mounts = ["/usr", "/lib", "/lib64"]
        .into_iter()
        .filter(|path| std::fs::exists(path).unwrap())
        .map(|path| Mount::ReadOnlyBind {
            source: path.into(),
            target: path.into(),
        })
        .collect();
    let seen = stdout(&spec).await;
    let names: Vec<&str> = seen
        .lines()
        .filter(|line| !line.starts_with("/lib"))
        .collect();
    assert_eq!(names, ["/", "/usr"]);
}
