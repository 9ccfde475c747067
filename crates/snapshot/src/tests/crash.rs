//! The process ends at each step of a commit: what it leaves is photographed there and opened by another.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::scene::{OnDisk, Scene, builder, finish, on_disk, ready, recipe, why};
use crate::failure_point::FailurePoint;
use crate::{Cache, CacheConfig, Key};

/// Copies a directory of the cache as it is at this moment; what is being removed meanwhile may be there or not.
fn photograph(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        let copied = if kind.is_dir() {
            photograph(&entry.path(), &target)
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)
        } else {
            fs::copy(entry.path(), target).map(drop)
        };
        match copied {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// The cache as it would be found after a crash at each step of a commit.
async fn photographs(scene: &Scene) -> Vec<(FailurePoint, PathBuf)> {
    let cache = scene.open().await;
    let building = builder(&cache, &recipe("env_1")).await;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (root, photos, taken_inside) = (
        scene.config.root.clone(),
        scene.outside("photos"),
        Arc::clone(&taken),
    );
    let store = Arc::clone(cache.store());
    store.failure_points.set(Box::new(move |point| {
        let photo = photos.join(format!("{point:?}"));
        photograph(&root, &photo).unwrap();
        taken_inside.lock().unwrap().push((point, photo));
    }));
    drop(finish(building, 16).await);
    taken.lock().unwrap().clone()
}

async fn open_at(scene: &Scene, root: &Path, boot_id: &str) -> Cache<String> {
    let config = CacheConfig {
        root: root.to_owned(),
        boot_id: boot_id.to_owned(),
        ..scene.config.clone()
    };
    Cache::open(config).await.unwrap()
}

#[tokio::test]
async fn a_commit_has_happened_or_not_wherever_the_process_ends() {
    let scene = Scene::new();
    let photographs = photographs(&scene).await;
    let points: Vec<_> = photographs.iter().map(|(point, _)| *point).collect();
    assert_eq!(
        points,
        [
            FailurePoint::Begun,
            FailurePoint::Measured,
            FailurePoint::MetaWritten,
            FailurePoint::Moved,
            FailurePoint::Adopted,
        ]
    );
    for (point, photo) in photographs {
        let cache = open_at(&scene, &photo, "first boot").await;
        let has_happened = point >= FailurePoint::Moved;
        if has_happened {
            let lease = ready(&cache, &recipe("env_1")).await;
            let file = fs::read(lease.dir().join("root/home/file")).unwrap();
            assert_eq!(file, vec![1; 16 * 1024], "{point:?}");
        } else {
            assert_eq!(
                why(&cache, &recipe("env_1")).await,
                "first time",
                "{point:?}"
            );
            drop(finish(builder(&cache, &recipe("env_1")).await, 1).await);
        }
        cache.settled().await;
        let one = OnDisk {
            named: 1,
            unnamed: 0,
            unfinished: 0,
        };
        assert_eq!(on_disk(&photo), one, "{point:?}");
    }
}

#[tokio::test]
async fn when_the_machine_stops_too_nothing_unsynced_is_used() {
    let scene = Scene::new();
    for (point, photo) in photographs(&scene).await {
        let cache = open_at(&scene, &photo, "second boot").await;
        assert_eq!(cache.list(), [], "{point:?}");
        drop(finish(builder(&cache, &recipe("env_1")).await, 1).await);
        cache.settled().await;
        assert_eq!(on_disk(&photo).named, 1, "{point:?}");
    }
}

#[tokio::test]
async fn of_two_with_one_key_the_newer_is_used() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let old = finish(builder(&cache, &recipe("env_1")).await, 1).await;
    let kept = scene.outside("kept");
    photograph(old.dir().parent().unwrap(), &kept).unwrap();
    let name = old.dir().parent().unwrap().file_name().unwrap().to_owned();
    drop(old);
    cache.reset(None).await;
    scene.pass(1000);
    let new = finish(builder(&cache, &recipe("env_1")).await, 2).await;
    let dir = new.dir().to_owned();
    drop(new);
    cache.settled().await;
    drop(cache);
    // The disk forgot that the old one was reset.
    fs::rename(kept, scene.path("snapshots").join(name)).unwrap();
    let cache = scene.open().await;
    assert_eq!(ready(&cache, &recipe("env_1")).await.dir(), dir);
    cache.settled().await;
    assert_eq!(scene.on_disk().named, 1);
}

#[tokio::test]
async fn what_is_not_ours_is_swept_and_does_no_harm() {
    let scene = Scene::new();
    drop(scene.open().await);
    let key = Key::parse(&"a".repeat(64)).unwrap();
    fs::write(scene.path("snapshots").join("file"), "x").unwrap();
    symlink("/etc", scene.path("snapshots").join(format!("{key}.link"))).unwrap();
    symlink("/etc", scene.path("building").join("link")).unwrap();
    fs::create_dir_all(scene.path("trash").join("a/b/c")).unwrap();
    let cache = scene.open().await;
    cache.settled().await;
    let nothing = OnDisk {
        named: 0,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), nothing);
    assert!(Path::new("/etc/passwd").exists());
}
