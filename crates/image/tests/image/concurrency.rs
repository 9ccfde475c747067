//! Many who want the same at the same time.

use std::sync::Arc;

use futures_util::future::join_all;
use outwork_image::{Image, ImageError, ImageStore};

use crate::build::{LayerTar, TestImage, layer, noise};
use crate::fake::{Answer, Fake};
use crate::harness::{Place, auth, eventually, parse, pull, read, within};

type Pulling = tokio::task::JoinHandle<Result<Image, Arc<ImageError>>>;

/// A pull that goes on by itself until it is given up.
fn start(store: &ImageStore, image: String) -> Pulling {
    let store = store.clone();
    tokio::spawn(async move { store.pull(&parse(&image), None, |_| {}).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pull_serves_all_who_wait() {
    let base = LayerTar::new().file("noise", noise(1 << 20)).end();
    let made = TestImage::of(&[base, layer("a", "1"), layer("b", "2")]);
    let (fake, place) = (Fake::with(&made, |_| Answer::Usual).await, Place::new());
    let store = place.store();
    let pulls = (0..16).map(|_| start(&store, fake.image("img")));
    let pulls = within("all pulls", join_all(pulls)).await;
    let images: Vec<_> = pulls
        .into_iter()
        .map(|pulled| pulled.unwrap().unwrap())
        .collect();
    assert!(images.iter().all(|image| image.layers == images[0].layers));
    for blob in made.blobs.keys() {
        assert_eq!(fake.asked(&blob.to_string()), 1, "{blob}");
    }
    assert_eq!(read(&images[0], "b"), "2");
    place.until_no_partial().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn different_images_fetch_a_shared_layer_once() {
    let base = LayerTar::new().file("noise", noise(1 << 20)).end();
    let (fake, place) = (Fake::usual().await, Place::new());
    let names: Vec<_> = (0..8).map(|number| number.to_string()).collect();
    let images: Vec<_> = names
        .iter()
        .map(|name| TestImage::of(&[base.clone(), layer(name, name)]))
        .collect();
    for (name, image) in names.iter().zip(&images) {
        fake.add(name, image);
    }
    let store = place.store();
    let pulls = names
        .iter()
        .map(|name| start(&store, fake.image(&format!("img:{name}"))));
    for (pulled, name) in within("all pulls", join_all(pulls))
        .await
        .into_iter()
        .zip(&names)
    {
        assert_eq!(&read(&pulled.unwrap().unwrap(), name), name);
    }
    assert_eq!(fake.asked(&images[0].layers[0].to_string()), 1);
    assert_eq!(place.names("layers").len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_leaves_the_others_alone() {
    let made = TestImage::of(&[LayerTar::new().file("noise", noise(1 << 20)).end()]);
    let (held, gate) = tokio::sync::watch::channel(false);
    let layer = made.layers[0].to_string();
    // The layer comes to a halt until the test lets it go on by breaking the connection.
    let fake = Fake::with(&made, move |asked| {
        match asked.path.ends_with(&layer) && !*gate.borrow() {
            true => Answer::Cut(1000),
            false => Answer::Usual,
        }
    })
    .await;
    let mut place = Place::new();
    place.config.patience.retry_after = vec![std::time::Duration::from_millis(20); 1000];
    let store = place.store();
    let pulls: Vec<_> = (0..3).map(|_| start(&store, fake.image("img"))).collect();
    eventually("the layer is asked for again and again", || {
        match fake.asked(&made.layers[0].to_string()) {
            0..3 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    // The first is the one that began.
    pulls[0].abort();
    pulls[1].abort();
    held.send(true).unwrap();
    let mut pulls = pulls;
    let image = within("the last", pulls.pop().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(image.digest, made.digest());
    for given_up in pulls {
        assert!(given_up.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_nobody_waits_for_ends_and_leaves_nothing() {
    let made = TestImage::of(&[
        layer("a", "1"),
        LayerTar::new().file("noise", noise(1 << 20)).end(),
    ]);
    let stalled = made.layers[1].to_string();
    let fake = Fake::with(&made, move |asked| {
        match asked.path.ends_with(&stalled) && asked.nth == 0 {
            true => Answer::Stall(1000),
            false => Answer::Usual,
        }
    })
    .await;
    let place = Place::new();
    let store = place.store();
    let pulling = start(&store, fake.image("img"));
    eventually("the other layer to be there", || {
        match place.names("layers").len() {
            1 => Ok(()),
            other => Err(format!("{other} layers")),
        }
    })
    .await;
    pulling.abort();
    place.until_no_partial().await;
    assert_eq!(place.names("images"), [""; 0]);

    // What was whole is used by the next.
    let image = pull(&store, &fake.image("img")).await.unwrap();
    assert_eq!(read(&image, "a"), "1");
    assert_eq!(fake.asked(&made.layers[0].to_string()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_to_all_who_wait_and_not_remembered() {
    let made = TestImage::of(&[layer("a", "1")]);
    let blob = made.layers[0].to_string();
    let fake = Fake::with(&made, move |asked| {
        match asked.path.ends_with(&blob) && asked.nth == 0 {
            true => Answer::Status(404, vec![], vec![]),
            false => Answer::Usual,
        }
    })
    .await;
    let place = Place::new();
    let store = place.store();
    let image = parse(&fake.image("img"));
    let pulls = (0..4).map(|_| store.pull(&image, None, |_| {}));
    let pulls = within("all pulls", join_all(pulls)).await;
    assert!(pulls.iter().any(Result::is_err));
    pull(&store, &image.to_string()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_have_an_image_does_not_get_it_from_one_who_may() {
    let made = TestImage::of(&[LayerTar::new().file("noise", noise(1 << 20)).end()]);
    let fake = Fake::with(&made, |asked| match asked.authorization {
        Some(_) => Answer::Usual,
        None => Answer::Status(
            401,
            vec![("www-authenticate", "Basic realm=x".to_owned())],
            vec![],
        ),
    })
    .await;
    let place = Place::new();
    let store = place.store();
    let pinned = parse(&fake.image("img")).with_digest(made.digest());
    let (user, _) = (auth("user", "secret"), ());
    let (allowed, refused) = tokio::join!(
        store.pull(&pinned, Some(&user), |_| {}),
        store.pull(&pinned, None, |_| {})
    );
    assert!(allowed.is_ok());
    assert!(refused.unwrap_err().to_string().contains("needs a login"));
}
