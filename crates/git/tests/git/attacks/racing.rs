//! An agent that changes the tree while the diff is taken (a checkpoint): the diff may show either state, but never what lies outside.

use super::{SECRET, paths, scene, upstream};
use crate::fixture::put;
use outwork_git::DiffLimits;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Does something over and over until it is dropped, which gives how often.
struct Racer {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Racer {
    fn start(mut round: impl FnMut(u64) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            while !stopped.load(Ordering::Relaxed) {
                rounds += 1;
                round(rounds);
            }
            rounds
        });
        Self { stop, thread }
    }

    fn rounds(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// Whatever a file is when it is looked at, it may be something else when it is opened, and longer when it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_grow_and_files_swapped_for_pipes() {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    let scene = scene(&world, checkout.directory());
    put(&scene.tree, "evil.txt", "added\n");
    let (grows, swapped) = (scene.tree.join("grows"), scene.tree.join("src/other.txt"));
    let pipe = scene.outside.join("pipe");
    super::list::fifo(&pipe);
    let racer = Racer::start(move |round| {
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(&grows)
            .expect("opens");
        let length = match round % 3 {
            0 => 1 << 40,
            1 => 10,
            _ => 100_000,
        };
        file.set_len(length).expect("set");
        let _ = fs::rename(&swapped, scene.tree.join("away"));
        let _ = fs::hard_link(&pipe, &swapped);
        let _ = fs::remove_file(&swapped);
        let _ = fs::rename(scene.tree.join("away"), &swapped);
    });
    let limits = DiffLimits {
        max_file_bytes: 1 << 20,
        ..DiffLimits::default()
    };
    for _ in 0..40 {
        let diff = tokio::time::timeout(Duration::from_secs(30), checkout.diff(&limits)).await;
        let diff = diff.expect("HANG").expect("a diff");
        assert!(paths(&diff).contains(&"evil.txt".to_owned()), "HIDE");
    }
    assert!(racer.rounds() > 100, "the race was not run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_folders_swapped_for_symlinks() {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    let scene = scene(&world, checkout.directory());
    let (tree, outside) = (scene.tree.clone(), scene.outside.clone());
    let racer = Racer::start(move |round| {
        let file = tree.join("src/other.txt");
        let _ = fs::remove_file(&file);
        let _ = symlink(outside.join("secret"), &file);
        let _ = fs::remove_file(&file);
        let _ = fs::write(&file, format!("round {round}\n"));
        let _ = fs::rename(tree.join("src"), tree.join("src.away"));
        let _ = symlink(&outside, tree.join("src"));
        let _ = fs::remove_file(tree.join("src"));
        let _ = fs::rename(tree.join("src.away"), tree.join("src"));
    });
    put(&scene.tree, "evil.txt", "added\n");
    for _ in 0..40 {
        let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
        assert!(
            !String::from_utf8_lossy(&diff.patch).contains(SECRET),
            "LEAK"
        );
        assert!(paths(&diff).contains(&"evil.txt".to_owned()), "HIDE");
    }
    assert!(racer.rounds() > 100, "the race was not run");
}
