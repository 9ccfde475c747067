//! Images without a registry.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use outwork_image::Digest;
use serde_json::{Value, json};

use crate::build::{Compression, LayerTar, TestImage, gzip, layer, noise};
use crate::harness::{Place, failure, merged, pull, pull_watched, read};

/// As `skopeo copy … oci:DIR:TAG` writes it.
fn write_layout(to: &Path, images: &[(&str, &TestImage)]) {
    fs::create_dir_all(to.join("blobs/sha256")).unwrap();
    fs::write(to.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let mut entries = Vec::new();
    for (tag, image) in images {
        for (digest, blob) in &image.blobs {
            fs::write(to.join("blobs/sha256").join(digest.hex()), blob).unwrap();
        }
        for document in &image.documents {
            fs::write(
                to.join("blobs/sha256").join(document.digest().hex()),
                &document.bytes,
            )
            .unwrap();
        }
        let mut entry = image.top().descriptor();
        if !tag.is_empty() {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        }
        entries.push(entry);
    }
    let index = json!({"schemaVersion": 2, "manifests": entries});
    fs::write(to.join("index.json"), index.to_string()).unwrap();
}

/// All of a directory.
fn write_archive(to: &Path, from: &Path) {
    let mut archive = tar::Builder::new(File::create(to).unwrap());
    archive.append_dir_all(".", from).unwrap();
    archive.finish().unwrap();
}

/// As `docker save` wrote it before it knew OCI.
fn write_docker_archive(to: &Path, images: &[&TestImage]) {
    let mut archive = tar::Builder::new(File::create(to).unwrap());
    let mut put = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    };
    let mut entries: Vec<Value> = Vec::new();
    let mut links = Vec::new();
    for image in images {
        let config = format!("{}.json", Digest::of(&image.config).hex());
        put(&config, &image.config);
        let mut layers = Vec::new();
        for (number, layer) in image.archives.iter().enumerate() {
            // The first is a link to where it is.
            let name = format!("{}-{number}/layer.tar", Digest::of(layer).hex());
            let place = format!("{}/layer.tar", Digest::of(layer).hex());
            match number {
                0 => {
                    put(&place, layer);
                    links.push((name.clone(), format!("../{place}")));
                }
                _ => put(&name, layer),
            }
            layers.push(name);
        }
        entries.push(json!({"Config": config, "RepoTags": ["img:v1"], "Layers": layers}));
    }
    put("manifest.json", json!(entries).to_string().as_bytes());
    for (name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, name, target).unwrap();
    }
    archive.finish().unwrap();
}

/// A directory of files that may be images.
fn allowed() -> (Place, PathBuf) {
    let mut place = Place::new();
    let images = place.dir.path().join("allowed");
    fs::create_dir(&images).unwrap();
    place.config.allow_local = vec![images.clone()];
    (place, images)
}

fn made() -> TestImage {
    let base = LayerTar::new()
        .directory("d/", 0o755)
        .file("d/a", noise(300_000))
        .file("d/b", "1");
    let top = LayerTar::new()
        .directory("d/", 0o755)
        .file("d/.wh.a", "")
        .file("d/c", "2");
    TestImage::new(&[
        (base.end(), Compression::Gzip),
        (top.end(), Compression::Zstd),
    ])
}

#[tokio::test]
async fn every_kind_of_file_holds_the_same_image() {
    let (place, images) = allowed();
    let made = made();
    write_layout(&images.join("layout"), &[("v1", &made)]);
    write_archive(&images.join("oci.tar"), &images.join("layout"));
    write_docker_archive(&images.join("docker.tar"), &[&made]);
    let dir = images.display();
    let store = place.store();
    let mut shared = None;
    for reference in [
        format!("oci:{dir}/layout"),
        format!("oci:{dir}/layout:v1"),
        format!("oci-archive:{dir}/oci.tar"),
        format!("oci-archive:{dir}/oci.tar:v1"),
        format!("docker-archive:{dir}/docker.tar"),
        format!("{dir}/layout"),
        format!("{dir}/oci.tar"),
        format!("{dir}/docker.tar"),
    ] {
        let image = pull(&store, &reference).await.unwrap();
        let expected = match reference.contains("docker.tar") {
            true => Digest::of(&made.config),
            false => made.digest(),
        };
        assert_eq!(image.digest, expected, "{reference}");
        assert_eq!(*shared.get_or_insert(image.layers.clone()), image.layers);
        assert_eq!(
            merged(&image),
            "d drwxr-xr-x\nd/b -rw-r--r-- 1\nd/c -rw-r--r-- 1\n"
        );
    }
    assert_eq!(
        (place.names("layers").len(), place.names("images").len()),
        (2, 2)
    );
}

#[tokio::test]
async fn nothing_comes_over_the_network() {
    let (place, images) = allowed();
    write_docker_archive(&images.join("x.tar"), &[&made()]);
    let (_, progress) = pull_watched(
        &place.store(),
        &format!("docker-archive:{}/x.tar", images.display()),
    )
    .await;
    assert_eq!(
        (
            progress.layers,
            progress.layers_done,
            progress.downloaded_bytes
        ),
        (2, 2, 0)
    );
}

#[tokio::test]
async fn of_several_images_one_is_chosen() {
    let (place, images) = allowed();
    let (a, b) = (
        TestImage::of(&[layer("x", "a")]),
        TestImage::of(&[layer("x", "b")]),
    );
    write_layout(&images.join("two"), &[("a", &a), ("b", &b)]);
    write_docker_archive(&images.join("two.tar"), &[&a, &b]);
    let dir = images.display().to_string();
    let store = place.store();
    let image = pull(&store, &format!("oci:{dir}/two:b")).await.unwrap();
    assert_eq!(read(&image, "x"), "b");
    let mut said = String::new();
    for reference in ["oci:DIR/two", "oci:DIR/two:c", "docker-archive:DIR/two.tar"] {
        said += &failure(&store, &reference.replace("DIR", &dir))
            .await
            .replace(&dir, "DIR");
        said.push('\n');
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn files_that_are_no_images_are_refused() {
    let (place, images) = allowed();
    let made = made();
    let dir = images.display().to_string();
    write_layout(&images.join("damaged"), &[("", &made)]);
    fs::write(
        images
            .join("damaged/blobs/sha256")
            .join(made.layers[1].hex()),
        "other",
    )
    .unwrap();
    write_layout(&images.join("lacking"), &[("", &made)]);
    fs::remove_file(
        images
            .join("lacking/blobs/sha256")
            .join(made.layers[1].hex()),
    )
    .unwrap();
    write_layout(&images.join("other-config"), &[("", &made)]);
    fs::write(
        images
            .join("other-config/blobs/sha256")
            .join(Digest::of(&made.config).hex()),
        "{}",
    )
    .unwrap();
    write_layout(&images.join("led-out"), &[("", &made)]);
    fs::remove_file(images.join("led-out/index.json")).unwrap();
    fs::write(place.dir.path().join("outside.json"), "secret").unwrap();
    symlink("../../outside.json", images.join("led-out/index.json")).unwrap();
    write_layout(&images.join("waiting"), &[("", &made)]);
    fs::remove_file(images.join("waiting/index.json")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        images.join("waiting/index.json"),
        0o600.into(),
    )
    .unwrap();
    fs::create_dir(images.join("empty")).unwrap();
    write_archive(&images.join("empty.tar"), &images.join("empty"));
    fs::write(images.join("text.tar"), "this is no archive".repeat(100)).unwrap();
    write_docker_archive(&images.join("good.tar"), &[&made]);
    let good = fs::read(images.join("good.tar")).unwrap();
    fs::write(images.join("cut.tar"), &good[..good.len() / 2]).unwrap();
    fs::write(images.join("good.tar.gz"), gzip(&good)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, images.join("fifo"), 0o600.into()).unwrap();
    let store = place.store();
    let mut said = String::new();
    for reference in [
        "oci:DIR/damaged",
        "oci:DIR/lacking",
        "oci:DIR/other-config",
        "oci:DIR/led-out",
        "oci:DIR/waiting",
        "oci:DIR/empty",
        "oci:DIR/good.tar",
        "oci:DIR/none",
        "oci-archive:DIR/empty",
        "oci-archive:DIR/empty.tar",
        "oci-archive:DIR/good.tar",
        "docker-archive:DIR/empty.tar",
        "docker-archive:DIR/text.tar",
        "docker-archive:DIR/cut.tar",
        "docker-archive:DIR/good.tar.gz",
        "DIR/fifo",
    ] {
        let failure = failure(&store, &reference.replace("DIR", &dir)).await;
        said += &format!("{reference}\n  {}\n", failure.replace(&dir, "DIR"));
    }
    insta::assert_snapshot!(said);
    place.until_no_partial().await;
}

#[tokio::test]
async fn only_what_the_operator_allows_is_looked_at() {
    let (place, images) = allowed();
    let made = made();
    let outside = place.dir.path().join("outside");
    write_layout(&outside, &[("", &made)]);
    symlink(&outside, images.join("link")).unwrap();
    fs::create_dir(images.join("in")).unwrap();
    let store = place.store();
    let dir = place.dir.path().display();
    let long = format!("{}-more", images.display());
    write_layout(Path::new(&long), &[("", &made)]);
    for path in [
        format!("{dir}/outside"),
        format!("{dir}/allowed/link"),
        format!("{dir}/allowed/../outside"),
        format!("{dir}/none"),
        "/etc/passwd".to_owned(),
        "/proc/self/mem".to_owned(),
        long,
    ] {
        assert_eq!(
            failure(&store, &format!("oci:{path}")).await,
            format!(
                "Reference: there is no image `{path}` that may be used: images can be files only in the directories that the worker's operator allows (`--allow-local-image`)"
            )
        );
    }
    // By a link of the operator's own.
    let linked = place.dir.path().join("linked");
    symlink(&images, &linked).unwrap();
    let mut other = Place::new();
    other.config.allow_local = vec![linked.clone()];
    write_layout(&images.join("layout"), &[("", &made)]);
    pull(&other.store(), &format!("oci:{}/layout", linked.display()))
        .await
        .unwrap();
}
