//! Registries that break, lie, or have something else.

use std::time::Duration;

use serde_json::json;

use crate::build::{Document, LayerTar, OCI_INDEX, OCI_MANIFEST, TestImage, layer, noise};
use crate::fake::{Answer, Asked, Fake};
use crate::harness::{Place, failure, pull, read};

/// What is said of an image that is wrong.
async fn said_of(image: &TestImage) -> String {
    said_with(image, |_| Answer::Usual).await
}

/// The same where it is the registry that is wrong.
async fn said_with(
    image: &TestImage,
    decide: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> String {
    let (fake, place) = (Fake::with(image, decide).await, Place::new());
    let store = place.store();
    let said = failure(&store, &fake.image("img")).await;
    place.until_no_partial().await;
    assert_eq!(place.names("images"), [""; 0]);
    said.replace(&fake.address, "REGISTRY") + "\n"
}

fn is_layer(image: &TestImage) -> impl Fn(&Asked) -> bool + Send + Sync + 'static {
    let layer = image.layers[0].to_string();
    move |asked| asked.path.ends_with(&layer)
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_refused() {
    let made = TestImage::of(&[layer("a", "1")]);
    let blob = made.blobs[&made.layers[0]].clone();
    let with_layer = |bytes: Vec<u8>| {
        let is_layer = is_layer(&made);
        move |asked: &Asked| match is_layer(asked) {
            true => Answer::Bytes(bytes.clone()),
            false => Answer::Usual,
        }
    };
    let mut flipped = blob.clone();
    flipped[40] ^= 1;
    let mut said = said_with(&made, with_layer(flipped)).await;
    said += &said_with(&made, with_layer(blob[..blob.len() - 1].to_vec())).await;
    said += &said_with(&made, with_layer([&blob[..], b"x"].concat())).await;
    said += &said_with(&made, with_layer(b"<html>".to_vec())).await;
    let other = TestImage::of(&[layer("a", "other")]);
    let (manifest, config) = (other.top().bytes.clone(), other.config.clone());
    let given = move |path: &'static str, bytes: Vec<u8>| {
        move |asked: &Asked| match asked.path.contains(path) && asked.method == "GET" {
            true => Answer::Bytes(bytes.clone()),
            false => Answer::Usual,
        }
    };
    said += &said_with(&made, given("/manifests/", manifest)).await;
    said += &said_with(&made, given("/blobs/", config)).await;
    said += &said_with(&made, given("/manifests/", vec![b' '; 5 << 20])).await;
    let size = |by: i64| {
        made.clone().with_manifest(move |manifest| {
            let size = manifest["layers"][0]["size"].as_i64().unwrap();
            manifest["layers"][0]["size"] = json!(size + by);
        })
    };
    said += &said_of(&size(1)).await;
    said += &said_of(&size(-1)).await;
    let wrong_diff_id = made.clone().with_config(|config| {
        config["rootfs"]["diff_ids"][0] = json!(outwork_image::Digest::of(b"other"));
    });
    said += &said_of(&wrong_diff_id).await;
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn what_is_no_image_for_this_worker_is_refused() {
    let made = TestImage::of(&[layer("a", "1")]);
    let changed = |change: fn(&mut serde_json::Value)| said_of_manifest(&made, change);
    let mut said = changed(|manifest| manifest["layers"] = json!([])).await;
    said += &changed(|manifest| manifest["manifests"] = json!([])).await;
    said += &changed(|manifest| *manifest = json!({"schemaVersion": 1, "fsLayers": []})).await;
    said += &changed(|manifest| *manifest = json!({"schemaVersion": 2})).await;
    said += &changed(|manifest| *manifest = json!({"schemaVersion": 2, "manifests": []})).await;
    said += &changed(|manifest| *manifest = json!("hello")).await;
    said += &changed(|manifest| {
        manifest["config"]["mediaType"] = json!("application/vnd.chart\u{1b}[2J")
    })
    .await;
    said += &changed(|manifest| manifest["config"]["digest"] = json!("sha512:00")).await;
    said += &changed(|manifest| {
        manifest["layers"][0]["mediaType"] =
            json!("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
    })
    .await;
    said += &changed(|manifest| {
        manifest["layers"] = json!(vec![manifest["layers"][0].clone(); 128]);
    })
    .await;
    said += &changed(|manifest| {
        manifest["layers"] = json!(vec![manifest["layers"][0].clone(); 2]);
    })
    .await;
    said += &said_of(
        &made
            .clone()
            .with_config(|config| config["config"]["Env"] = json!(["A=\0"])),
    )
    .await;
    said += &said_of(
        &made
            .clone()
            .with_config(|config| config["os"] = json!("windows")),
    )
    .await;
    let hostile = LayerTar::new()
        .symlink("l", "/etc")
        .file("l/passwd", "x")
        .end();
    said += &said_of(&TestImage::of(&[layer("a", "1"), hostile])).await;
    let endless = (0..5).fold(made, |mut image, _| {
        let entry = image.top().descriptor();
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        image.documents.push(Document::new(OCI_INDEX, &index));
        image
    });
    said += &said_of(&endless).await;
    insta::assert_snapshot!(said);
}

async fn said_of_manifest(image: &TestImage, change: fn(&mut serde_json::Value)) -> String {
    said_of(&image.clone().with_manifest(change)).await
}

#[tokio::test]
async fn what_a_registry_answers_is_said() {
    let made = TestImage::of(&[layer("a", "1")]);
    let always = |status: u16, body: &'static str| {
        move |asked: &Asked| match asked.path.contains("/manifests/") {
            true => Answer::Status(status, vec![("retry-after", "0".to_owned())], body.into()),
            false => Answer::Usual,
        }
    };
    let mut said = said_with(&made, always(404, "")).await;
    said += &said_with(
        &made,
        always(
            403,
            r#"{"errors":[{"code":"DENIED","message":"not\u001byours"}]}"#,
        ),
    )
    .await;
    said += &said_with(&made, always(401, "")).await;
    said += &said_with(&made, always(429, "")).await;
    said += &said_with(&made, always(503, "<html>")).await;
    said += &said_with(&made, always(418, r#"{"errors":[{"code":"TEAPOT"}]}"#)).await;
    let is_layer = is_layer(&made);
    said += &said_with(&made, move |asked| match is_layer(asked) {
        true => Answer::Status(404, vec![], vec![]),
        false => Answer::Usual,
    })
    .await;
    let place = Place::new();
    let nobody = failure(&place.store(), "localhost:9/img").await;
    insta::assert_snapshot!(said + &nobody);
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let made = TestImage::of(&[layer("a", "1")]);
    let busy = |asked: &Asked| match asked.nth {
        0 => Answer::Status(503, vec![], vec![]),
        1 => Answer::Status(429, vec![("retry-after", "0".to_owned())], vec![]),
        2 => Answer::Cut(0),
        _ => Answer::Usual,
    };
    let (fake, place) = (Fake::with(&made, busy).await, Place::new());
    pull(&place.store(), &fake.image("img")).await.unwrap();
    // Nobody waits for an hour.
    let hour = |_: &Asked| Answer::Status(429, vec![("retry-after", "3600".to_owned())], vec![]);
    let fake = Fake::with(&made, hour).await;
    let said = failure(&place.store(), &fake.image("img")).await;
    assert!(
        said.starts_with("Transient: ") && said.contains("too many requests"),
        "{said}"
    );
    assert_eq!(fake.log().len(), 1);
}

fn large() -> TestImage {
    TestImage::of(&[LayerTar::new()
        .file("noise", noise(4 << 20))
        .file("end", "end")
        .end()])
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke() {
    let made = large();
    let is_layer = is_layer(&made);
    let breaking = move |asked: &Asked| match (is_layer(asked), asked.nth) {
        (true, 0) => Answer::Cut(1_000_000),
        // From the beginning, as registries do that know no ranges.
        (true, 2) => Answer::Whole,
        (true, 1) => Answer::Status(503, vec![], vec![]),
        _ => Answer::Usual,
    };
    let (fake, place) = (Fake::with(&made, breaking).await, Place::new());
    let image = pull(&place.store(), &fake.image("img")).await.unwrap();
    assert_eq!(read(&image, "end"), "end");
    let is_layer = self::is_layer(&made);
    let from: Vec<_> = fake
        .log()
        .into_iter()
        .filter(is_layer)
        .map(|asked| asked.from)
        .collect();
    assert_eq!(from.len(), 3);
    assert!(
        from[0] == 0 && from[1] > 0 && from[1] == from[2],
        "{from:?}"
    );
    let all = fake
        .log()
        .into_iter()
        .filter(|asked| asked.path.contains("/blobs/"))
        .count();
    assert_eq!(all, 4);
}

#[tokio::test]
async fn a_download_that_never_ends_is_given_up() {
    let made = large();
    let mut said = String::new();
    for stalls in [false, true] {
        let is_layer = is_layer(&made);
        let fake = Fake::with(&made, move |asked| match (is_layer(asked), stalls) {
            (true, true) => Answer::Stall(0),
            (true, false) => Answer::Cut(0),
            _ => Answer::Usual,
        })
        .await;
        let mut place = Place::new();
        if stalls {
            place.config.patience.answer = Duration::from_millis(200);
        }
        let store = place.store();
        said += &failure(&store, &fake.image("img"))
            .await
            .replace(&fake.address, "REGISTRY");
        said.push('\n');
        place.until_no_partial().await;
        assert_eq!(place.names("layers"), [""; 0]);
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_tag_can_be_asked_for_in_two_ways() {
    let made = TestImage::of(&[layer("a", "1")]);
    assert_eq!(made.top().media_type, OCI_MANIFEST);
    let fake = Fake::with(&made, |asked| match asked.method == "HEAD" {
        true => Answer::Status(405, vec![], vec![]),
        false => Answer::Usual,
    })
    .await;
    let place = Place::new();
    let image = pull(&place.store(), &fake.image("img")).await.unwrap();
    assert_eq!(image.digest, made.digest());
}
