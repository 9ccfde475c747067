//! Images made by the tests themselves.

use std::collections::BTreeMap;
use std::io::Write;

use outwork_image::{Digest, Platform};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A layer as a tar archive, made of few words.
pub struct LayerTar(tar::Builder<Vec<u8>>);

impl LayerTar {
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size as u64);
        header.set_mtime(1_700_000_000);
        header
    }

    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file_mode(path, 0o644, content)
    }

    pub fn file_mode(mut self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut header = Self::header(tar::EntryType::Regular, mode, content.len());
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    pub fn directory(mut self, path: &str, mode: u32) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, mode, 0);
        self.0.append_data(&mut header, path, &b""[..]).unwrap();
        self
    }

    pub fn symlink(mut self, path: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    pub fn end(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A layer of one file.
pub fn layer(path: &str, content: &str) -> Vec<u8> {
    LayerTar::new().file(path, content).end()
}

/// Bytes that no compression makes small.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(byte).collect()
}

#[derive(Clone, Copy)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    /// With a mebibyte of frames that hold nothing.
    PaddedZstd,
}

impl Compression {
    fn apply(self, content: &[u8]) -> (Vec<u8>, &'static str) {
        match self {
            Self::None => (content.to_vec(), ""),
            Self::Gzip => (gzip(content), "+gzip"),
            Self::Zstd => (compress_to_vec(content, CompressionLevel::Fastest), "+zstd"),
            Self::PaddedZstd => {
                let length: u32 = 1 << 20;
                let skipped = [0x184d_2a50, length].map(u32::to_le_bytes).concat();
                let padding = vec![0; length as usize];
                let content = compress_to_vec(content, CompressionLevel::Fastest);
                ([skipped, padding, content].concat(), "+zstd")
            }
        }
    }
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A manifest or an index with its media type.
#[derive(Clone)]
pub struct Document {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

impl Document {
    pub fn new(media_type: &'static str, value: &Value) -> Self {
        Self {
            media_type,
            bytes: serde_json::to_vec(value).unwrap(),
        }
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    pub fn descriptor(&self) -> Value {
        descriptor(self.media_type, &self.bytes)
    }
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// A whole image: what a registry or a layout would hold.
#[derive(Clone, Default)]
pub struct TestImage {
    /// By their digests.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Manifests first, an index last.
    pub documents: Vec<Document>,
    /// The layers' archives and the configuration, for `docker save`.
    pub archives: Vec<Vec<u8>>,
    pub config: Vec<u8>,
    /// The layers' blobs, the lowest first.
    pub layers: Vec<Digest>,
}

impl TestImage {
    /// The OCI image of these layers, the lowest first.
    pub fn new(layers: &[(Vec<u8>, Compression)]) -> Self {
        Self::for_platform(layers, &Platform::of_this_machine())
    }

    pub fn of(layers: &[Vec<u8>]) -> Self {
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| (layer.clone(), Compression::Gzip))
            .collect();
        Self::new(&layers)
    }

    pub fn for_platform(layers: &[(Vec<u8>, Compression)], platform: &Platform) -> Self {
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|(archive, _)| Digest::of(archive))
            .collect();
        let config = json!({
            "os": platform.os,
            "architecture": platform.architecture,
            "config": {
                "Env": ["PATH=/usr/bin:/bin", "EMPTY=", "ODD=a=b", "nothing"],
                "WorkingDir": "/srv",
                "User": "www:33",
                "Entrypoint": ["/bin/sh", "-c"],
                "Cmd": ["true"],
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let mut image = Self {
            config: serde_json::to_vec(&config).unwrap(),
            ..Self::default()
        };
        let mut listed = Vec::new();
        for (archive, compression) in layers {
            let (blob, suffix) = compression.apply(archive);
            listed.push(descriptor(&format!("{OCI_LAYER}{suffix}"), &blob));
            image.layers.push(Digest::of(&blob));
            image.blobs.insert(Digest::of(&blob), blob);
            image.archives.push(archive.clone());
        }
        image
            .blobs
            .insert(Digest::of(&image.config), image.config.clone());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, &image.config),
            "layers": listed,
        });
        image.documents.push(Document::new(OCI_MANIFEST, &manifest));
        image
    }

    /// The manifest, changed.
    pub fn with_manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let document = self.documents.pop().unwrap();
        let mut manifest = serde_json::from_slice(&document.bytes).unwrap();
        change(&mut manifest);
        self.documents
            .push(Document::new(document.media_type, &manifest));
        self
    }

    /// The configuration, changed; the manifest names it.
    pub fn with_config(mut self, change: impl FnOnce(&mut Value)) -> Self {
        self.blobs.remove(&Digest::of(&self.config));
        let mut config = serde_json::from_slice(&self.config).unwrap();
        change(&mut config);
        self.config = serde_json::to_vec(&config).unwrap();
        self.blobs
            .insert(Digest::of(&self.config), self.config.clone());
        let named = descriptor(OCI_CONFIG, &self.config);
        self.with_manifest(|manifest| manifest["config"] = named)
    }

    /// In the formats of docker.
    pub fn for_docker(mut self) -> Self {
        self = self.with_manifest(|manifest| {
            manifest["mediaType"] = json!(DOCKER_MANIFEST);
            manifest["config"]["mediaType"] = json!(DOCKER_CONFIG);
            for layer in manifest["layers"].as_array_mut().unwrap() {
                layer["mediaType"] = json!(DOCKER_LAYER);
            }
        });
        self.documents.last_mut().unwrap().media_type = DOCKER_MANIFEST;
        self
    }

    /// One index of several images, each for its platform.
    pub fn index(media_type: &'static str, images: Vec<(Self, &str)>) -> Self {
        let mut all = Self::default();
        let mut listed = Vec::new();
        for (image, architecture) in images {
            let mut entry = image.top().descriptor();
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            listed.push(entry);
            all.blobs.extend(image.blobs);
            all.documents.extend(image.documents);
        }
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": listed});
        all.documents.push(Document::new(media_type, &index));
        all
    }

    /// What a tag names.
    pub fn top(&self) -> &Document {
        self.documents.last().unwrap()
    }

    pub fn digest(&self) -> Digest {
        self.top().digest()
    }
}
