//! Layers: each sandbox writes its own, whatever the range of ids it has.

use std::os::unix::fs::MetadataExt;

use outwork_sandbox::{LayerIds, Lower, Mount, Spec};

use crate::harness::{is_root, set_mode};
use crate::store::{As, SLOTS, Store, picture, workers};

/// What the agent is to find in a checkout.
fn checkout(store: &Store) -> Vec<Lower> {
    for (name, contents) in [
        ("kept", "kept\n"),
        ("changed", "before\n"),
        ("deleted", "d\n"),
    ] {
        store.write(&format!("snapshot/workspace/{name}"), 1000, 0o644, contents);
    }
    store.write("snapshot/workspace/tree/inner/file", 1000, 0o644, "f\n");
    for name in ["", "/tree", "/tree/inner"] {
        give(store, &format!("snapshot/workspace{name}"), 1000);
    }
    vec![store.stored("snapshot"), store.skeleton()]
}

fn give(store: &Store, path: &str, id: u32) {
    let (uid, gid) = store.owner(id);
    std::os::unix::fs::lchown(store.path(path), Some(uid), Some(gid)).unwrap();
}

/// Says that it is there and waits for the other, in a directory that both see.
fn meet(spec: &mut Spec, store: &Store, own: &str, other: &str) {
    let meeting = store.path("meeting");
    let step = format!("touch /meeting/{own}; until [ -e /meeting/{other} ]; do sleep 0.01; done");
    spec.command[2] = spec.command[2].replace("MEET", &step);
    spec.mounts.push(Mount::Bind {
        source: meeting,
        target: "/meeting".into(),
    });
}

fn meeting(store: &Store) {
    let path = store.path("meeting");
    std::fs::create_dir(&path).unwrap();
    if store.worker == As::OrdinaryUser {
        give(store, "meeting", 0);
    }
}

#[tokio::test]
async fn two_at_once_on_one_snapshot_do_not_see_each_other_and_leave_it_as_it_was() {
    for store in workers() {
        let lowers = checkout(&store);
        meeting(&store);
        let before = picture(&store.path("snapshot"));
        let script = "cd /workspace; echo $0 > changed; echo $0 > new-$0; rm deleted; mv tree/inner/file moved
            MEET
            cat changed kept moved; ls; stat -c %u:%g . changed new-$0 moved kept";
        let mut specs = ["one", "two"].map(|name| {
            let mut spec = store.spec(name, lowers.clone(), script);
            spec.command.push(name.to_owned());
            spec
        });
        specs[1].uid_base = SLOTS[1];
        let [one, two] = &mut specs;
        meet(one, &store, "one", "two");
        meet(two, &store, "two", "one");

        let (one, two) = tokio::join!(store.stdout(one), store.stdout(two));

        let owners = "1000:1000\n".repeat(5);
        let expected = |name: &str| {
            format!("{name}\nkept\nf\nchanged\nkept\nmoved\nnew-{name}\ntree\n{owners}")
        };
        assert_eq!(
            (one, two),
            (expected("one"), expected("two")),
            "{:?}",
            store.worker
        );
        assert_eq!(
            picture(&store.path("snapshot")),
            before,
            "{:?}",
            store.worker
        );
        // On disk both have the same ids, whichever the sandbox had.
        for name in ["one", "two"] {
            let upper = store.path(name).join("upper/workspace");
            for file in ["changed", &format!("new-{name}"), "moved"] {
                let meta = upper.join(file).metadata().unwrap();
                assert_eq!((meta.uid(), meta.gid()), store.owner(1000), "{file}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_deleted_or_made_anew_stays_so_one_layer_further() {
    for store in workers() {
        let lowers = checkout(&store);
        let script = "cd /workspace; rm deleted kept; mkdir kept; echo x > kept/x; rm -r tree; mkdir -p tree/inner; echo y > tree/inner/y
            mkdir gone && rmdir gone; echo again > deleted; rm deleted; ln -s nowhere link; mv changed renamed; chmod 600 renamed";
        store
            .stdout(&store.spec("first", lowers.clone(), script))
            .await;
        let upper = Lower {
            path: store.path("first/upper"),
            ids: LayerIds::Stored,
        };
        let before = picture(&upper.path);
        let mut spec = store.spec(
            "second",
            [vec![upper.clone()], lowers].concat(),
            "cd /workspace; find . | sort; cat kept/x tree/inner/y renamed; stat -c '%a %u' renamed; readlink link",
        );
        spec.uid_base = SLOTS[1];
        assert_eq!(
            store.stdout(&spec).await,
            ".\n./kept\n./kept/x\n./link\n./renamed\n./tree\n./tree/inner\n./tree/inner/y\nx\ny\nbefore\n600 1000\nnowhere\n",
            "{:?}",
            store.worker
        );
        assert_eq!(picture(&upper.path), before);
    }
}

/// Older kernels refuse the names of an overlay's own attributes, newer ones keep them under another name.
#[tokio::test]
async fn attributes_that_a_command_sets_change_nothing_one_layer_further() {
    for store in workers() {
        let lowers = checkout(&store);
        let script = "
import os
os.chdir('/workspace')
open('tree/new', 'w').write('new')
open('changed', 'a').write('after')
for path in ('tree', 'changed', '.'):
    for name, value in (('opaque', b'y'), ('whiteout', b'y'), ('redirect', b'/etc'), ('metacopy', b''), ('origin', b'x')):
        for prefix in ('user.overlay.', 'trusted.overlay.'):
            try: os.setxattr(path, prefix + name, value)
            except OSError: pass";
        let mut first = store.spec("first", lowers.clone(), "");
        first.command = ["/usr/bin/python3", "-c", script].map(String::from).into();
        store.stdout(&first).await;
        let upper = Lower {
            path: store.path("first/upper"),
            ids: LayerIds::Stored,
        };
        let script = "cd /workspace; find . | sort; cat changed tree/new; ls -d /etc/passwd";
        let mut second = store.spec("second", [vec![upper], lowers].concat(), script);
        second.uid_base = SLOTS[1];
        assert_eq!(
            store.stdout(&second).await,
            ".\n./changed\n./deleted\n./kept\n./tree\n./tree/inner\n./tree/inner/file\n./tree/new\nbefore\nafternew/etc/passwd\n",
            "{:?}",
            store.worker
        );
    }
}

#[tokio::test]
async fn the_same_upper_directory_can_be_used_again() {
    for store in workers() {
        let lowers = checkout(&store);
        let first = store.spec("same", lowers, "cd /workspace; echo 1 >> changed");
        store.stdout(&first).await;
        let mut again = first.clone();
        again.command[2] = "cd /workspace; echo 2 >> changed; cat changed".to_owned();
        assert_eq!(
            store.stdout(&again).await,
            "before\n1\n2\n",
            "{:?}",
            store.worker
        );
    }
}

#[tokio::test]
async fn there_can_be_many_layers() {
    const MANY: [usize; 2] = [40, 500];
    for store in workers() {
        let skeleton = store.skeleton();
        for count in MANY {
            let mut lowers: Vec<Lower> = (1..count)
                .map(|n| {
                    // Long names: the kernel takes one page of options.
                    let layer = format!("{count}-layers-with-names-that-are-rather-long/{n}");
                    store.write(&format!("{layer}/workspace/{n}"), 1000, 0o644, "");
                    store.write(
                        &format!("{layer}/workspace/top"),
                        1000,
                        0o644,
                        &format!("{n}\n"),
                    );
                    store.stored(&layer)
                })
                .collect();
            lowers.push(skeleton.clone());
            let name = format!("above-{count}");
            let spec = store.spec(&name, lowers, "cat /workspace/top; ls /workspace | wc -l");
            let seen = store.stdout(&spec).await;
            assert_eq!(seen, format!("1\n{count}\n"), "{:?}", store.worker);
        }
    }
}

#[tokio::test]
async fn files_of_the_host_are_nobodys_in_a_layer() {
    for store in workers() {
        let host = tempfile::tempdir().unwrap();
        set_mode(host.path(), 0o755);
        for (name, mode) in [("open", 0o644), ("closed", 0o600), ("bin/tool", 0o755)] {
            let path = host.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("{name}\n")).unwrap();
            set_mode(&path, mode);
        }
        set_mode(&host.path().join("bin"), 0o755);
        let before = picture(host.path());
        // The directories in a stored layer above are those that setup can write.
        store.make("local/bin");
        let lowers = vec![
            store.stored("local"),
            Lower {
                path: host.path().to_owned(),
                ids: LayerIds::Host,
            },
        ];
        let script = "cd /usr/local; cat open closed bin/tool; stat -c '%u %n' . open bin bin/tool
            chmod 777 open; echo x > open; echo x > bin/new && rm bin/tool && ls bin";
        let mut spec = store.setup("root", vec![store.skeleton()], script);
        let overlay = store.overlay("usr-local", lowers);
        let target = "/usr/local".into();
        spec.mounts.push(Mount::Overlay { overlay, target });
        let ended = store.run(&spec).await;
        // A test that is run by an ordinary user has no files but its own.
        if is_root() {
            assert_eq!(
                ended.stdout, "open\nbin/tool\n0 .\n65534 open\n0 bin\n65534 bin/tool\nnew\n",
                "{:?}: {ended:?}",
                store.worker
            );
            assert_eq!(picture(host.path()), before);
        }
    }
}

#[tokio::test]
async fn what_an_overlay_needs_of_its_directories_is_said() {
    for store in workers() {
        let mut spec = store.spec("missing", vec![store.skeleton()], "true");
        std::fs::remove_dir(store.path("missing/work")).unwrap();
        let failure = store.failure(&spec).await;
        assert!(
            failure.contains("missing/work (it does not exist on the host)"),
            "{failure}"
        );

        store.make("missing/work");
        give(&store, "missing/work", 0);
        if store.worker == As::Root {
            std::os::unix::fs::chown(store.path("missing/work"), Some(0), Some(0)).unwrap();
            let failure = store.failure(&spec).await;
            assert!(failure.contains("must belong to root inside"), "{failure}");

            // A file system that cannot map ids.
            let place = store.path("ramfs");
            std::fs::create_dir(&place).unwrap();
            let flags = rustix::mount::MountFlags::empty();
            rustix::mount::mount("none", &place, "ramfs", flags, None).unwrap();
            spec = store.spec("ramfs", vec![store.stored("skeleton")], "true");
            let failure = store.failure(&spec).await;
            rustix::mount::unmount(&place, rustix::mount::UnmountFlags::DETACH).unwrap();
            assert!(
                failure.contains("cannot map ids: keep the worker's data on ext4"),
                "{failure}"
            );
        }
    }
}
