//! What an overlay makes of the layers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::build::{Compression, LayerTar, TestImage, layer};
use crate::fake::{Answer, Fake};
use crate::harness::{Place, in_overlay, merged, pull};
use crate::registry::Registry;

#[tokio::test]
async fn a_layer_can_hide_all_below_it_and_one_can_occur_twice() {
    let hiding = LayerTar::new()
        .file(".wh..wh..opq", "")
        .file("new", "1")
        .end();
    let twice = layer("twice", "x");
    let without = LayerTar::new()
        .file(".wh.twice", "")
        .file("other", "y")
        .end();
    let (fake, place) = (Fake::usual().await, Place::new());
    fake.add(
        "hiding",
        &TestImage::of(&[layer("old", "x"), hiding, layer("top", "y")]),
    );
    fake.add(
        "twice",
        &TestImage::of(&[twice.clone(), without.clone(), twice.clone()]),
    );
    fake.add("once", &TestImage::of(&[twice, without]));
    let store = place.store();
    let mut listed = Vec::new();
    for tag in ["hiding", "twice", "once"] {
        let image = pull(&store, &fake.image(&format!("img:{tag}")))
            .await
            .unwrap();
        listed.push((image.layers.len(), merged(&image)));
    }
    let line = |name: &str| format!("{name} -rw-r--r-- 1\n");
    assert_eq!(
        listed,
        [
            (2, line("new") + &line("top")),
            (2, line("other") + &line("twice")),
            (2, line("other")),
        ]
    );
}

/// Some tools write `tmp/x` into an archive and not `tmp`.
#[tokio::test]
async fn directories_that_archives_leave_out_look_as_below() {
    let base = LayerTar::new()
        .directory("tmp/", 0o1777)
        .directory("var/", 0o711)
        .directory("var/mail/", 0o2775)
        .directory("usual/", 0o755)
        .directory("gone/", 0o700)
        .directory("hidden/", 0o711)
        .directory("hidden/deep/", 0o700)
        .end();
    let middle = LayerTar::new()
        .file("tmp/x", "1")
        .file("usual/x", "1")
        .file(".wh.gone", "")
        .directory("hidden/", 0o750)
        .file("hidden/.wh..wh..opq", "")
        .end();
    let top = LayerTar::new()
        .file("tmp/y", "1")
        .file("var/mail/.wh.y", "")
        .file("gone/y", "1")
        .file("hidden/deep/y", "1")
        .end();
    let (fake, place) = (Fake::usual().await, Place::new());
    fake.add(
        "1",
        &TestImage::of(&[base.clone(), middle.clone(), top.clone()]),
    );
    fake.add(
        "2",
        &TestImage::of(&[base, middle, top, layer("usual/z", "1")]),
    );
    let store = place.store();
    let first = pull(&store, &fake.image("img:1")).await.unwrap();
    insta::assert_snapshot!(merged(&first));
    assert_eq!(first.layers.len(), 4);
    let second = pull(&store, &fake.image("img:2")).await.unwrap();
    // All of it is shared, and nothing has to be done for `usual`.
    assert_eq!(
        (second.layers.len(), second.layers[0] == first.layers[0]),
        (5, true)
    );
    // Also after a restart.
    let layers = first.layers.clone();
    let digest = first.digest;
    drop((first, second, store));
    assert_eq!(place.store().stored(digest).unwrap().layers, layers);
}

/// A shell of this machine with what it needs.
fn small_root() -> Vec<u8> {
    let listed = Command::new("ldd").arg("/bin/sh").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    let files: BTreeSet<PathBuf> = libraries.chain(["/bin/sh"]).map(PathBuf::from).collect();
    let mut tar = LayerTar::new()
        .directory("proc/", 0o555)
        .directory("tmp/", 0o1777);
    for file in files {
        let name = file.strip_prefix("/").unwrap().to_str().unwrap();
        tar = tar.file_mode(name, 0o755, std::fs::read(&file).unwrap());
    }
    tar.end()
}

#[tokio::test]
async fn programs_of_an_image_run_in_it() {
    let (registry, place) = (Registry::start(), Place::new());
    let greeting = LayerTar::new().file_mode(
        "usr/bin/greet",
        0o755,
        "#!/bin/sh\necho hello from $0; echo /*\n",
    );
    let layers = [
        (small_root(), Compression::Zstd),
        (greeting.end(), Compression::Gzip),
    ];
    registry.push("small", "1", &TestImage::new(&layers)).await;
    let image = pull(&place.store(), &registry.image("small:1"))
        .await
        .unwrap();
    let said = in_overlay(&image, "chroot . /usr/bin/greet");
    let (first, rest) = said.split_once('\n').unwrap();
    assert_eq!(first, "hello from /usr/bin/greet");
    assert!(
        rest.contains("/bin") && rest.contains("/usr") && !rest.contains("/root"),
        "{rest}"
    );
}

#[tokio::test]
async fn many_layers_are_no_trouble() {
    let layers: Vec<_> = (0..127)
        .map(|number| layer(&format!("f{number}"), "x"))
        .collect();
    let (fake, place) = (
        Fake::with(&TestImage::of(&layers), |_| Answer::Usual).await,
        Place::new(),
    );
    let image = pull(&place.store(), &fake.image("img")).await.unwrap();
    assert_eq!(image.layers.len(), 127);
    assert!(image.layers[0].join("f126").exists() && image.layers[126].join("f0").exists());
}
