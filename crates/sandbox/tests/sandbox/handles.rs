//! Directories that the worker looks into when everything inside is dead.

use outwork_sandbox::Mount;

use crate::store::workers;

#[tokio::test]
async fn the_merged_tree_stays_readable_after_the_end() {
    for store in workers() {
        for (name, contents) in [
            ("below", "only below\n"),
            ("changed", "1\n"),
            ("deleted", ""),
        ] {
            store.write(&format!("layer/workspace/{name}"), 1000, 0o644, contents);
        }
        store.write("layer/workspace/tree/file", 1000, 0o644, "f\n");
        for path in ["layer/workspace", "layer/workspace/tree"] {
            let (uid, gid) = store.owner(1000);
            std::os::unix::fs::chown(store.path(path), Some(uid), Some(gid)).unwrap();
        }
        let script = "cd /workspace; echo 2 >> changed; rm deleted; rm -r tree; mkdir -p tree/new; echo n > tree/new/file; ln -s /etc/passwd link
            echo t > /tmp/t; (setsid sleep 1000 &) ";
        let lowers = vec![store.stored("layer"), store.skeleton()];
        let mut spec = store.spec("attempt", lowers, script);
        spec.handles = ["/workspace", "/opt", "/tmp", "/"].map(Into::into).into();
        let overlay = store.overlay("attempt-opt", vec![store.stored("opt")]);
        store.write("opt/tool", 0, 0o644, "tool\n");
        let target = "/opt".into();
        spec.mounts.push(Mount::Overlay { overlay, target });

        let ended = store.run(&spec).await;

        let (of_the_root, others) = ended.handles.split_last().unwrap();
        let below: Vec<&str> = of_the_root
            .iter()
            .filter_map(|line| line.strip_prefix("workspace/"))
            .filter(|line| !line.is_empty())
            .collect();
        let workspace = [
            "below: only below\n",
            "changed: 1\n2\n",
            "link -> /etc/passwd",
            "tree/",
            "tree/new/",
            "tree/new/file: n\n",
        ];
        assert_eq!(
            others,
            [workspace.to_vec(), vec!["tool: tool\n"], vec!["t: t\n"]],
            "{:?}",
            store.worker
        );
        assert_eq!(below, workspace);
        // What was mounted on top went with the sandbox.
        assert!(
            of_the_root.contains(&"tmp/".to_owned())
                && !of_the_root.contains(&"tmp/t: t\n".to_owned())
        );
    }
}

#[tokio::test]
async fn a_handle_is_what_it_is_called() {
    for store in workers() {
        store.link("layer/workspace", "/etc");
        store.link("layer/home/agent", "../etc");
        let lowers = vec![store.stored("layer"), store.skeleton()];
        for path in ["/workspace", "/home/agent/x", "/nowhere", "/etc/passwd"] {
            let name = path.trim_start_matches('/').replace('/', "-");
            let mut spec = store.spec(&name, lowers.clone(), "true");
            spec.handles = vec![path.into()];
            let failure = store.failure(&spec).await;
            assert!(
                failure.contains(&format!("cannot open for the worker: {path}")),
                "{:?}: {failure}",
                store.worker
            );
        }
    }
}
