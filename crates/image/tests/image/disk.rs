//! What is removed to make room.

use std::process::Command;

use outwork_image::Image;

use crate::build::{Compression, LayerTar, TestImage, layer, noise};
use crate::fake::Fake;
use crate::harness::{Place, eventually, example, failure, pull, read};

const MIB: u64 = 1 << 20;

/// Images of a layer that all have and one of a mebibyte.
async fn images(fake: &Fake, names: &[&str]) -> Vec<TestImage> {
    let make = |name: &&str| {
        let own = LayerTar::new().file(name, noise(MIB as usize)).end();
        TestImage::of(&[layer("shared", "x"), own])
    };
    let images: Vec<_> = names.iter().map(make).collect();
    names
        .iter()
        .zip(&images)
        .for_each(|(name, image)| fake.add(name, image));
    images
}

#[tokio::test]
async fn images_used_least_recently_go_and_those_in_use_stay() {
    let (fake, mut place) = (Fake::usual().await, Place::new());
    let names = ["a", "b", "c", "d"];
    let made = images(&fake, &names).await;
    place.config.max_bytes = 3 * MIB;
    let store = place.store();
    let get = async |name: &str| {
        pull(&store, &fake.image(&format!("img:{name}")))
            .await
            .unwrap()
    };
    let stored = || -> Vec<&str> {
        let images = store.images().into_iter();
        let name = |digest| {
            names[made
                .iter()
                .position(|image| image.digest() == digest)
                .unwrap()]
        };
        images.map(|image| name(image.digest)).collect()
    };
    let held = get("a").await;
    get("b").await;
    // The third does not fit beside both; the first is older, but in use.
    get("c").await;
    assert_eq!(stored(), ["c", "a"]);
    get("d").await;
    assert_eq!(stored(), ["d", "a"]);
    place.until_no_partial().await;
    assert_eq!(
        (place.names("layers").len(), place.names("images").len()),
        (3, 2)
    );
    assert_eq!(read(&held, "shared"), "x");

    // All in use: nothing can go, and the pull works nevertheless.
    let others: Vec<Image> = vec![get("b").await, get("c").await];
    assert_eq!(stored(), ["c", "b", "a"]);
    assert!(store.size_bytes() > 3 * MIB);
    let clone = others[0].clone();
    drop((held, others));
    store.trim(0);
    assert_eq!(stored(), ["b"]);
    drop(clone);
    store.trim(0);
    assert_eq!(
        (
            store.size_bytes(),
            place.names("layers").len(),
            place.names("partial").len()
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn what_was_used_last_is_known_after_a_restart() {
    let (fake, place) = (Fake::usual().await, Place::new());
    let made = images(&fake, &["a", "b", "c"]).await;
    let store = place.store();
    for name in ["a", "b", "c"] {
        pull(&store, &fake.image(&format!("img:{name}")))
            .await
            .unwrap();
    }
    // The clock of a file system is coarse.
    let modified = |image: &TestImage| {
        let path = place.root().join("images").join(image.digest().hex());
        std::fs::metadata(path).unwrap().modified().unwrap()
    };
    eventually("a later time", || {
        store.stored(made[0].digest()).unwrap();
        match modified(&made[0]) > modified(&made[2]) {
            true => Ok(()),
            false => Err("the same".to_owned()),
        }
    })
    .await;
    drop(store);
    let store = place.store();
    let order: Vec<_> = store.images().iter().map(|image| image.digest).collect();
    assert_eq!(order[0], made[0].digest());
    assert!(
        store
            .images()
            .iter()
            .all(|image| !image.in_use && image.size_bytes > MIB)
    );
}

/// No file may grow beyond a limit: an error in the same place as that of a disk without space.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_said() {
    let (fake, place) = (Fake::usual().await, Place::new());
    images(&fake, &["a"]).await;
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 500; trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(example("pull"))
        .arg(place.root())
        .arg(fake.image("img:a"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("layer: 2, layers: 2, why: Write { path: \"a\""),
        "{said}"
    );
    assert!(said.contains("FileTooLarge"), "{said}");
    place.store();
    assert!(place.names("partial").is_empty() && place.names("images").is_empty());
}

#[tokio::test]
async fn an_image_may_not_be_larger_than_the_limit() {
    let (fake, mut place) = (Fake::usual().await, Place::new());
    images(&fake, &["a", "b"]).await;
    place.config.limits.unpacked_bytes = MIB / 2;
    let expected =
        "the image is too large: its layers may have 524288 bytes when they are unpacked";
    let said = failure(&place.store(), &fake.image("img:a")).await;
    // Whichever of the two comes to the limit.
    assert!(
        said.starts_with("Image: layer ") && said.ends_with(expected),
        "{said}"
    );
    // Layers that are there count as well.
    place.config.limits.unpacked_bytes = 2 * MIB;
    pull(&place.store_again().await, &fake.image("img:a"))
        .await
        .unwrap();
    place.config.limits.unpacked_bytes = 1000;
    let store = place.store();
    let only = TestImage::of(&[layer("shared", "x"), layer("small", "x")]);
    fake.add("small", &only);
    let said = failure(&store, &fake.image("img:small")).await;
    assert!(said.contains("the image is too large"), "{said}");
}

/// What holds nothing takes nothing of the budget, and yet would come for as long as a manifest says.
#[tokio::test]
async fn a_layer_may_not_come_for_longer_than_an_image_is_large() {
    let (fake, mut place) = (Fake::usual().await, Place::new());
    let padded = TestImage::new(&[(layer("small", "x"), Compression::PaddedZstd)]);
    fake.add("padded", &padded);
    place.config.limits.unpacked_bytes = MIB / 2;
    let said = failure(&place.store(), &fake.image("img:padded")).await;
    assert!(said.contains("the image is too large"), "{said}");
    place.config.limits.unpacked_bytes = 2 * MIB;
    pull(&place.store_again().await, &fake.image("img:padded"))
        .await
        .unwrap();
}
