//! What works when nothing goes wrong, with a real registry.

use outwork_image::{ImageConfig, Platform};

use crate::build::{Compression, DOCKER_LIST, LayerTar, OCI_INDEX, TestImage, layer, noise};
use crate::fake::{Answer, Fake};
use crate::harness::{Place, failure, merged, parse, pull, pull_watched, read};
use crate::registry::Registry;

fn three_layers() -> TestImage {
    let base = LayerTar::new()
        .directory("etc/", 0o755)
        .file("etc/release", "one")
        .file("etc/old", "one")
        .directory("data/", 0o755)
        .file("data/a", "one")
        .file("data/b", "one")
        .directory("tmp/", 0o1777)
        .file_mode("bin/tool", 0o755, "one");
    let middle = LayerTar::new()
        .directory("etc/", 0o755)
        .file("etc/release", "two")
        .file("etc/.wh.old", "")
        .directory("data/", 0o700)
        .file("data/.wh..wh..opq", "")
        .file("data/c", "two");
    let top = LayerTar::new()
        .symlink("sbin", "bin")
        .directory("bin/", 0o755)
        .file("bin/.wh.nothing", "")
        .directory("data/", 0o700)
        .file("data/.wh.c", "");
    TestImage::new(&[
        (base.end(), Compression::Gzip),
        (middle.end(), Compression::Zstd),
        (top.end(), Compression::None),
    ])
}

#[tokio::test]
async fn an_image_is_pulled_from_a_registry_and_can_be_mounted() {
    let (registry, place) = (Registry::start(), Place::new());
    let made = three_layers();
    registry.push("team/img", "v1", &made).await;
    let store = place.store();

    let (image, progress) = pull_watched(&store, &registry.image("team/img:v1")).await;

    assert_eq!(image.digest, made.digest());
    assert_eq!(image.layers.len(), 3);
    assert_eq!((progress.layers, progress.layers_done), (3, 3));
    let bytes: usize = made
        .layers
        .iter()
        .map(|layer| made.blobs[layer].len())
        .sum();
    assert_eq!(progress.download_bytes, bytes as u64);
    assert_eq!(progress.downloaded_bytes, bytes as u64);
    insta::assert_snapshot!(merged(&image));
    assert_eq!(read(&image, "etc/release"), "two");
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        image.config,
        ImageConfig {
            env: vec![
                variable("PATH", "/usr/bin:/bin"),
                variable("EMPTY", ""),
                variable("ODD", "a=b")
            ],
            working_dir: Some("/srv".to_owned()),
            user: Some("www:33".to_owned()),
            entrypoint: vec!["/bin/sh".to_owned(), "-c".to_owned()],
            cmd: vec!["true".to_owned()],
        }
    );
    place.until_no_partial().await;
    let layers = place.names("layers");
    drop((image, store));
    // As after a restart.
    let store = place.store();
    drop(registry);
    let again = store.stored(made.digest()).unwrap();
    assert_eq!(place.names("layers"), layers);
    assert_eq!(read(&again, "etc/release"), "two");
}

#[tokio::test]
async fn a_tag_is_asked_for_and_a_digest_is_not() {
    let (first, second) = (
        TestImage::of(&[layer("a", "1")]),
        TestImage::of(&[layer("a", "2")]),
    );
    let (fake, place) = (Fake::usual().await, Place::new());
    let store = place.store();
    fake.add("v1", &first);
    let tagged = fake.image("img:v1");
    assert_eq!(
        store.resolve(&parse(&tagged), None).await.unwrap(),
        first.digest()
    );
    assert_eq!(
        (fake.log().len(), fake.log()[0].method.as_str()),
        (1, "HEAD")
    );
    let image = pull(&store, &tagged).await.unwrap();
    assert_eq!(fake.asked("blobs/"), 2);

    // Another image by the same name.
    fake.add("v1", &second);
    let changed = pull(&store, &tagged).await.unwrap();
    assert_eq!((&*read(&image, "a"), &*read(&changed, "a")), ("1", "2"));
    assert_eq!(fake.asked("blobs/"), 4);

    // What is there is not fetched again.
    let asked = fake.log().len();
    pull(&store, &tagged).await.unwrap();
    assert_eq!(fake.log().len(), asked + 1);
    let pinned = parse(&tagged).with_digest(first.digest());
    assert_eq!(store.resolve(&pinned, None).await.unwrap(), first.digest());
    let pinned = pull(&store, &pinned.to_string()).await.unwrap();
    assert_eq!(pinned.digest, first.digest());
    assert_eq!(fake.log().len(), asked + 1);
}

#[tokio::test]
async fn of_several_platforms_this_machine_s_is_taken() {
    let (registry, place) = (Registry::start(), Place::new());
    let here = Platform::of_this_machine();
    let other = Platform {
        architecture: "mips".to_owned(),
        ..here.clone()
    };
    let layers = |text: &str| vec![(layer("arch", text), Compression::Gzip)];
    let mine = TestImage::for_platform(&layers("mine"), &here);
    let theirs = TestImage::for_platform(&layers("theirs"), &other);
    let both = vec![
        (theirs.clone(), "mips"),
        (mine.clone(), &*here.architecture),
    ];
    let index = TestImage::index(OCI_INDEX, both);
    registry.push("img", "both", &index).await;
    let docker = vec![
        (theirs.clone().for_docker(), "mips"),
        (mine.for_docker(), &*here.architecture),
    ];
    registry
        .push("img", "docker", &TestImage::index(DOCKER_LIST, docker))
        .await;
    registry.push("img", "other", &theirs).await;
    registry
        .push(
            "img",
            "others",
            &TestImage::index(OCI_INDEX, vec![(theirs, "mips")]),
        )
        .await;
    let store = place.store();

    for tag in ["both", "docker"] {
        let image = pull(&store, &registry.image(&format!("img:{tag}")))
            .await
            .unwrap();
        assert_eq!(read(&image, "arch"), "mine", "{tag}");
    }
    for tag in ["other", "others"] {
        let said = failure(&store, &registry.image(&format!("img:{tag}"))).await;
        let expected =
            format!("Reference: this image is for linux/mips only, and this machine is {here}");
        assert_eq!(said, expected, "{tag}");
    }
}

#[tokio::test]
async fn images_share_their_layers() {
    let (fake, place) = (Fake::usual().await, Place::new());
    let base = LayerTar::new().file("base", noise(3 << 20)).end();
    let images = ["a", "b"].map(|name| TestImage::of(&[base.clone(), layer(name, name)]));
    for (name, image) in ["a", "b"].iter().zip(&images) {
        fake.add(name, image);
    }
    let store = place.store();
    let (a, first) = pull_watched(&store, &fake.image("img:a")).await;
    let alone = store.size_bytes();
    let (b, second) = pull_watched(&store, &fake.image("img:b")).await;

    assert_eq!(a.layers[1], b.layers[1]);
    assert_eq!(place.names("layers").len(), 3);
    assert!(
        first.downloaded_bytes > 3 << 20 && second.downloaded_bytes < 10_000,
        "{second:?}"
    );
    assert!(alone > 3 << 20 && store.size_bytes() < alone + 20_000);
    assert_eq!(fake.asked(&images[0].layers[0].to_string()), 1);
    assert_eq!((&*read(&a, "a"), &*read(&b, "b")), ("a", "b"));
    let sizes: Vec<_> = store
        .images()
        .iter()
        .map(|image| (image.digest, image.in_use))
        .collect();
    assert_eq!(
        sizes,
        [(images[1].digest(), true), (images[0].digest(), true)]
    );
}

#[tokio::test]
async fn operators_say_where_images_without_a_host_are() {
    let fake = Fake::usual().await;
    let made = TestImage::of(&[layer("a", "1")]);
    fake.add("12", &made);
    let mut place = Place::new();
    let refused = failure(&place.store(), "debian:12").await;
    assert_eq!(
        refused,
        "Reference: `debian` has no registry; write its host, as in `registry.example/debian`, or start the worker with `--default-registry`"
    );
    place.config.default_registry = Some(fake.address.clone());
    place.config.mirrors = [("far.example".to_owned(), format!("{}/far", fake.address))].into();
    let store = place.store();
    pull(&store, "debian:12").await.unwrap();
    pull(&store, "far.example/img:12").await.unwrap();
    let manifests: Vec<_> = fake
        .log()
        .into_iter()
        .map(|asked| asked.path)
        .filter(|path| path.ends_with("/12"))
        .collect();
    assert_eq!(
        manifests,
        [
            "/v2/library/debian/manifests/12",
            "/v2/far/img/manifests/12"
        ]
    );
}

#[tokio::test]
async fn proxies_are_those_of_the_operator() {
    let made = TestImage::of(&[layer("a", "1")]);
    let (proxy, mut place) = (Fake::with(&made, |_| Answer::Usual).await, Place::new());
    let http = &mut place.config.http;
    http.http_proxy = Some(format!("http://user:canary@{}", proxy.address));
    http.https_proxy = http.http_proxy.clone();
    http.no_proxy = Some("127.0.0.1".to_owned());
    assert!(!format!("{:?}", place.config).contains("canary"));
    place.config.allow_plain_http = vec!["registry.example:5000".to_owned()];
    let store = place.store();
    pull(&store, "registry.example:5000/img").await.unwrap();
    assert_eq!(proxy.asked("/v2/img/blobs/"), 2);

    let direct = Fake::with(&TestImage::of(&[layer("b", "1")]), |_| Answer::Usual).await;
    pull(&store, &direct.image("img")).await.unwrap();
    assert_eq!((direct.asked("/blobs/"), proxy.asked("/blobs/")), (2, 2));
    drop(store);
    place.config.http.https_proxy = Some("http://".to_owned());
    assert_eq!(
        place.try_store().unwrap_err().to_string(),
        "the proxy for HTTPS cannot be used; give a URL like http://proxy:3128"
    );
}
