//! An agent that changes the tree while the diff is taken (a checkpoint): the diff may show either state, but never what lies outside.

use super::{SECRET, paths, scene, upstream};
use crate::fixture::put;
use outwork_git::DiffLimits;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_folders_swapped_for_symlinks() {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    let scene = scene(&world, checkout.directory());
    let stop = Arc::new(AtomicBool::new(false));
    let racer = {
        let (stop, tree, outside) = (Arc::clone(&stop), scene.tree.clone(), scene.outside.clone());
        std::thread::spawn(move || {
            let mut rounds = 0u64;
            while !stop.load(Ordering::Relaxed) {
                rounds += 1;
                let file = tree.join("src/other.txt");
                let _ = fs::remove_file(&file);
                let _ = symlink(outside.join("secret"), &file);
                let _ = fs::remove_file(&file);
                let _ = fs::write(&file, format!("round {rounds}\n"));
                let _ = fs::rename(tree.join("src"), tree.join("src.away"));
                let _ = symlink(&outside, tree.join("src"));
                let _ = fs::remove_file(tree.join("src"));
                let _ = fs::rename(tree.join("src.away"), tree.join("src"));
            }
            rounds
        })
    };
    put(&scene.tree, "evil.txt", "added\n");
    for _ in 0..40 {
        let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
        assert!(
            !String::from_utf8_lossy(&diff.patch).contains(SECRET),
            "LEAK"
        );
        assert!(paths(&diff).contains(&"evil.txt".to_owned()), "HIDE");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(
        racer.join().expect("no panic") > 100,
        "the race was not run"
    );
}
