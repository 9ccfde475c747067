//! Processes that die at any time, and what they leave.

use std::fs;
use std::process::{Command, Stdio};

use outwork_image::{LayerOwner, OpenError};

use crate::build::{LayerTar, TestImage, layer, noise};
use crate::fake::{Answer, Fake};
use crate::harness::{BASE, Place, eventually, example, is_root, pull, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_leaves_nothing_that_looks_whole() {
    let made = TestImage::of(&[
        layer("a", "1"),
        LayerTar::new().file("noise", noise(2 << 20)).end(),
    ]);
    let stalled = made.layers[1].to_string();
    let fake = Fake::with(&made, move |asked| {
        match asked.path.ends_with(&stalled) && asked.nth == 0 {
            true => Answer::Stall(1 << 20),
            false => Answer::Usual,
        }
    })
    .await;
    let place = Place::new();
    let mut child = Command::new(example("pull"))
        .arg(place.root())
        .arg(fake.image("img"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let half = || {
        let partial = fs::read_dir(place.root().join("partial")).ok()?;
        let trees = partial.map(|entry| entry.unwrap().path().join("tree/noise"));
        trees
            .filter_map(|noise| fs::metadata(noise).ok())
            .map(|noise| noise.len())
            .max()
    };
    eventually("half a layer", || {
        match (half(), place.root().join("layers").exists()) {
            (Some(length), true) if length > 500_000 && place.names("layers").len() == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(matches!(place.try_store(), Err(OpenError::InUse { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.names("partial").len(), 1);

    let store = place.store();
    assert_eq!(
        (place.names("partial").len(), place.names("images").len()),
        (0, 0)
    );
    assert!(store.stored(made.digest()).is_none());
    let image = pull(&store, &fake.image("img")).await.unwrap();
    assert_eq!(read(&image, "a"), "1");
    // The layer that was whole has survived.
    assert_eq!(fake.asked(&made.layers[0].to_string()), 1);
}

#[tokio::test]
async fn what_is_not_whole_is_removed_when_a_store_is_opened() {
    let (fake, place) = (Fake::usual().await, Place::new());
    let images =
        ["a", "b", "c"].map(|name| TestImage::of(&[layer("shared", "x"), layer(name, name)]));
    let store = place.store();
    for (name, image) in ["a", "b", "c"].iter().zip(&images) {
        fake.add(name, image);
        pull(&store, &fake.image(&format!("img:{name}")))
            .await
            .unwrap();
    }
    drop(store);
    let root = place.root();
    let archive =
        |image: &TestImage, at: usize| outwork_image::Digest::of(&image.archives[at]).hex();
    // A layer without its note, an image that was half written, leftovers, and what nobody knows.
    fs::remove_file(
        root.join("layers")
            .join(archive(&images[0], 1))
            .join("layer.json"),
    )
    .unwrap();
    fs::write(root.join("images").join(images[1].digest().hex()), "{").unwrap();
    fs::create_dir_all(root.join("partial/7/tree/deep")).unwrap();
    fs::write(root.join("images/unknown"), "x").unwrap();
    fs::create_dir_all(root.join("layers/unknown/tree")).unwrap();

    let store = place.store();
    assert!(place.names("partial").is_empty());
    assert_eq!(place.names("images"), [images[2].digest().hex()]);
    // That of the half-written image is whole, and stays until room is needed.
    assert_eq!(place.names("layers").len(), 3);
    for (name, image) in ["a", "b", "c"].iter().zip(&images) {
        let pulled = pull(&store, &fake.image(&format!("img:{name}")))
            .await
            .unwrap();
        assert_eq!(pulled.digest, image.digest());
        assert_eq!(&read(&pulled, name), name);
    }
}

#[tokio::test]
async fn layers_of_another_owner_are_of_no_use() {
    let (fake, mut place) = (Fake::usual().await, Place::new());
    let made = TestImage::of(&[layer("a", "1")]);
    fake.add("latest", &made);
    pull(&place.store(), &fake.image("img")).await.unwrap();
    if !is_root() {
        return;
    }
    for owner in [
        LayerOwner::Root {
            store_uid_base: BASE + 65_536,
        },
        LayerOwner::User,
    ] {
        place.config.owner = owner;
        let store = place.store();
        assert!(store.images().is_empty());
        assert_eq!(place.names("layers"), [""; 0]);
        pull(&store, &fake.image("img")).await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_said() {
    let mut place = Place::new();
    let file = place.dir.path().join("file");
    fs::write(&file, "").unwrap();
    place.config.root = file.join("below");
    assert!(matches!(place.try_store(), Err(OpenError::Io { .. })));
    // A file system without device nodes.
    place.config.root = "/proc/self/task".into();
    assert!(matches!(place.try_store(), Err(OpenError::Io { .. })));
}
