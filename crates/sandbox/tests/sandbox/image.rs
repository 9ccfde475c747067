//! A root that somebody else made: its users stay, and its links lead nowhere outside.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use outwork_sandbox::{LayerIds, Lower, Mount};

use crate::harness::{NAMESPACES, set_mode};
use crate::store::{As, SLOTS, Store, picture, workers};

const LOOK: &str = "for f in passwd group hosts hostname resolv.conf; do [ -f /etc/$f ] && [ ! -L /etc/$f ] && echo == $f && cat /etc/$f; done; id -un; id -gn";

const NAMES: &str =
    "== hosts\n127.0.0.1 localhost sandbox\n::1 localhost\n== hostname\nsandbox\n== resolv.conf\n";

#[tokio::test]
async fn an_image_keeps_its_users_and_gets_ours() {
    for store in workers() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\nnode:x:1000:1000::/home/node:/bin/bash\n";
        store.write("image/etc/passwd", 0, 0o644, passwd);
        store.write("image/etc/group", 0, 0o644, "root:x:0:\nnode:x:1000:\n");
        store.write("image/etc/hosts", 0, 0o644, "192.0.2.1 metadata\n");
        store.link("image/etc/resolv.conf", "../run/resolv.conf");
        let image = store.stored("image");
        let expected = format!(
            "== passwd\nroot:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n\
             agent:x:1000:1000:agent:/home/agent:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\n\
             == group\nroot:x:0:\nagent:x:1000:\nnode:x:1000:\n{NAMES}agent\nagent\n"
        );
        let before = picture(&store.path("image"));
        let first = store.spec("first", vec![image.clone()], LOOK);
        assert_eq!(store.stdout(&first).await, expected, "{:?}", store.worker);
        assert_eq!(picture(&store.path("image")), before);

        // Above what the first wrote there is nothing left to write.
        let upper = Lower {
            path: store.path("first/upper"),
            ids: LayerIds::Stored,
        };
        let mut second = store.spec("second", vec![upper, image], LOOK);
        second.uid_base = SLOTS[1];
        assert_eq!(store.stdout(&second).await, expected, "{:?}", store.worker);
        let written: Vec<_> = std::fs::read_dir(store.path("second/upper"))
            .unwrap()
            .collect();
        assert!(written.is_empty(), "{:?}: {written:?}", store.worker);
    }
}

#[tokio::test]
async fn setup_can_add_users() {
    let useradd = ["/usr/sbin/useradd", "/usr/sbin/groupadd"]
        .iter()
        .all(|path| Path::new(path).exists());
    for store in workers() {
        // An ordinary user cannot give the new files to the group `shadow`.
        if store.worker == As::OrdinaryUser || !useradd {
            continue;
        }
        store.write("image/etc/login.defs", 0, 0o644, "");
        let script = "useradd --system --shell /bin/false service && id -un service && tail -n 1 /etc/passwd | cut -d: -f1";
        let spec = store.setup("setup", vec![store.stored("image")], script);
        assert_eq!(store.stdout(&spec).await, "service\nservice\n");
    }
}

/// What must not change, and must not be seen inside.
struct Outside {
    directory: tempfile::TempDir,
}

impl Outside {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // As bad as can be: the worker and everybody else may write it.
        set_mode(directory.path(), 0o777);
        for name in ["passwd", "etc/passwd", "dir/file"] {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "outside:x:1000:1000:::\n").unwrap();
            set_mode(&path, 0o666);
            set_mode(path.parent().unwrap(), 0o777);
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

/// Run above `image`; whatever happens, nothing outside is touched.
async fn run(store: &Store, name: &str, outside: &Outside, script: &str) -> String {
    let before = picture(outside.directory.path());
    let mut spec = store.spec(&format!("above-{name}"), vec![store.stored(name)], script);
    spec.mounts.push(Mount::File {
        target: "/outwork/agents/file".into(),
        contents: "ours\n".into(),
        mode: 0o644,
    });
    let ended = store.run(&spec).await;
    assert_eq!(
        picture(outside.directory.path()),
        before,
        "{:?} {name}",
        store.worker
    );
    let seen = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        !seen.contains("outside"),
        "{:?} {name}: {seen}",
        store.worker
    );
    seen
}

#[tokio::test]
async fn an_empty_image_gets_what_is_needed() {
    for store in workers() {
        store.make("empty");
        let seen = run(&store, "empty", &Outside::new(), "ls -A / | tr '\\n' ' '; cat /outwork/agents/file; id -un; echo x > /tmp/x; [ -e /dev/fd ] && echo fd; ls -d /proc/self").await;
        let links = if Path::new("/bin").is_symlink() {
            "bin dev etc lib lib64 outwork proc sbin sys tmp usr"
        } else {
            ""
        };
        if !links.is_empty() && Path::new("/lib64").exists() {
            assert_eq!(
                seen,
                format!("{links} ours\nagent\nfd\n/proc/self\n"),
                "{:?}",
                store.worker
            );
        }
    }
}

#[tokio::test]
async fn links_to_files_of_the_host_are_replaced() {
    for store in workers() {
        let outside = Outside::new();
        for (name, points_to) in [
            ("passwd", outside.path("passwd")),
            (
                "group",
                format!("../../../../../../../../{}", outside.path("passwd")),
            ),
            ("hosts", "/proc/self/fd/3".to_owned()),
            ("hostname", "/proc/1/root/etc/hostname".to_owned()),
            ("resolv.conf", outside.path("etc/passwd")),
        ] {
            store.link(&format!("links/etc/{name}"), &points_to);
        }
        let seen = run(&store, "links", &outside, LOOK).await;
        let expected = format!(
            "== passwd\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n== group\nagent:x:1000:\n{NAMES}agent\nagent\n"
        );
        assert_eq!(seen, expected, "{:?}", store.worker);
    }
}

#[tokio::test]
async fn links_in_place_of_directories_lead_nowhere_outside() {
    for store in workers() {
        let outside = Outside::new();
        for (name, links) in [
            ("etc-is-the-root", vec![("etc", "/".to_owned())]),
            ("etc-is-outside", vec![("etc", outside.path("etc"))]),
            ("etc-is-itself", vec![("etc", "etc".to_owned())]),
            ("proc-is-outside", vec![("proc", outside.path("dir"))]),
            (
                "proc-is-etc",
                vec![("proc", "etc".to_owned()), ("dev", "/usr".to_owned())],
            ),
            (
                "what-is-open",
                vec![
                    ("tmp", "/proc/self/fd/7".to_owned()),
                    ("dev", "/proc/1/cwd".to_owned()),
                ],
            ),
            (
                "up",
                vec![
                    ("outwork", "../../../../../../tmp".to_owned()),
                    ("home", "..".to_owned()),
                ],
            ),
        ] {
            store.make(name);
            for (link, points_to) in links {
                store.link(&format!("{name}/{link}"), &points_to);
            }
            let seen = run(
                &store,
                name,
                &outside,
                "cat /outwork/agents/file; [ -d /proc/self/task ] && [ -c /dev/null ] && [ ! -L /proc ] && [ ! -L /dev ] && [ ! -L /tmp ] && echo mounted
                 id -un; touch /tmp/x && echo tmp",
            )
            .await;
            assert_eq!(
                seen, "ours\nmounted\nagent\ntmp\n",
                "{:?} {name}",
                store.worker
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_file_is_replaced_or_said() {
    for store in workers() {
        store.make("odd/etc");
        let pipe = store.path("odd/etc/passwd");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        store.own(&pipe, 0);
        assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
        let seen = run(&store, "odd", &Outside::new(), "cat /etc/passwd").await;
        assert_eq!(seen, "agent:x:1000:1000:agent:/home/agent:/bin/sh\n");

        store.make("directory/etc/hosts/inner");
        let spec = store.spec("above", vec![store.stored("directory")], "true");
        let failure = store.failure(&spec).await;
        assert!(
            failure.contains("cannot build the root: /etc/hosts"),
            "{failure}"
        );

        store.write("file/proc", 0, 0o644, "no directory");
        let spec = store.spec("above-file", vec![store.stored("file")], "true");
        let failure = store.failure(&spec).await;
        assert!(
            failure.contains("cannot build the root: /proc"),
            "{failure}"
        );

        if store.backend != NAMESPACES {
            continue; // A container's `/proc` comes later; what is made in its place is covered.
        }
        // Where nothing can be made: what the first process has open.
        store.link("open/outwork", "/proc/self/fd");
        let mut spec = store.spec("above-open", vec![store.stored("open")], "true");
        spec.mounts.push(Mount::File {
            target: "/outwork/7/file".into(),
            contents: String::new(),
            mode: 0o644,
        });
        let failure = store.failure(&spec).await;
        assert!(
            failure.contains("cannot build the root: /outwork/7/file"),
            "{failure}"
        );
    }
}
