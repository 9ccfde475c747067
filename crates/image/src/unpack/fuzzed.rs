//! What a fuzzer throws archives at.

use std::fs;
use std::path::Path;

use super::extended::Extended;
use super::{
    Budget, Digest, Entries, Expected, Kind, LayerOwner, LayerPath, Limits, compression, unpack,
};

const LIMITS: Limits = Limits {
    document_bytes: 1 << 20,
    layers: 10,
    entries_per_layer: 200,
    unpacked_bytes: 4 << 20,
};

/// Entries of an archive have no more data than it has, and what is taken for a path in a layer is one.
pub fn archive(bytes: &[u8]) {
    let mut entries = Entries::new(bytes, LIMITS.entries_per_layer);
    let (mut seen, mut data_bytes) = (0, 0);
    let mut buffer = [0; 4096];
    while let Ok(Some(entry)) = entries.next() {
        seen += 1;
        if let Ok(path) = LayerPath::parse(&entry.path) {
            let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
            assert!(path.parts().all(plain) && !path.bytes().starts_with(b"/"));
        }
        if let Kind::File {
            size,
            pieces: Some(pieces),
        } = &entry.kind
        {
            let mut end = 0;
            for piece in pieces {
                assert!(piece.offset >= end);
                end = piece.offset + piece.length;
            }
            assert!(end <= *size);
        }
        while let Ok(length @ 1..) = entries.read_data(&mut buffer) {
            data_bytes += length;
        }
    }
    assert!(seen <= LIMITS.entries_per_layer && data_bytes <= bytes.len());
}

/// What an extended header says of holes fits together.
pub fn extended(bytes: &[u8]) {
    let mut extended = Extended::default();
    if extended.take_records(bytes).is_ok() {
        assert!(
            extended
                .path
                .as_ref()
                .is_none_or(|path| path.len() <= bytes.len())
        );
        let _ = extended.sparse();
    }
}

/// Unpacking writes below the layer only, and no more than may be. `place` is an empty directory, and is one again.
pub fn layer(bytes: &[u8], place: &Path) {
    let outside = place.join("outside");
    let layer = place.join("layer");
    for directory in [&outside, &layer] {
        fs::create_dir_all(directory).expect("a directory");
    }
    fs::write(outside.join("file"), "untouched").expect("a file");
    let mut archive = Vec::new();
    // What a manifest would say: or else every archive would be damaged.
    let content = compression::decompress(bytes)
        .map(|from| std::io::Read::take(from, LIMITS.unpacked_bytes))
        .and_then(|mut from| {
            std::io::Read::read_to_end(&mut from, &mut archive).map_err(super::UnpackError::reading)
        });
    let expected = Expected {
        blob: None,
        diff_id: Digest::of(content.map_or(&b""[..], |_| &archive)),
    };
    let budget = Budget::new(LIMITS.unpacked_bytes);
    let unpacked = unpack(bytes, expected, &layer, LayerOwner::User, &LIMITS, &budget);
    if let Ok(unpacked) = unpacked {
        assert!(unpacked.unpacked_bytes <= LIMITS.unpacked_bytes);
    }
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(place), ["layer", "outside"]);
    assert_eq!(names(&outside), ["file"]);
    assert_eq!(
        fs::read(outside.join("file")).expect("a file"),
        b"untouched"
    );
    outwork_remove::remove_tree(&layer).expect("removed");
    assert!(!layer.exists());
}
