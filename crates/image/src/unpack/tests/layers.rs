use super::*;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// As programs write it that everybody uses.
fn usual() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind, size, mode| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_uid(33);
        header.set_gid(34);
        header.set_mtime(1_700_000_000);
        header
    };
    let long = format!("var/{}/{}", "d".repeat(120), "f".repeat(120));
    let mut append = |path: &str, kind, mode, data: &[u8]| {
        let mut header = header(kind, data.len() as u64, mode);
        builder.append_data(&mut header, path, data).unwrap();
    };
    append("./", tar::EntryType::Directory, 0o755, b"");
    append("./tmp/", tar::EntryType::Directory, 0o1777, b"");
    append("./var/", tar::EntryType::Directory, 0o2775, b"");
    append(&long, tar::EntryType::Regular, 0o640, b"long");
    append("./var/.wh.gone", tar::EntryType::Regular, 0o600, b"");
    append(
        "./var/new/.wh..wh..opq",
        tar::EntryType::Regular,
        0o600,
        b"",
    );
    let mut link = |path: &str, kind, target: &str| {
        builder
            .append_link(&mut header(kind, 0, 0o777), path, target)
            .unwrap();
    };
    link("./var/hard", tar::EntryType::Link, &long);
    link("./etc", tar::EntryType::Symlink, "../../etc");
    builder.into_inner().unwrap()
}

#[test]
fn a_usual_layer_is_as_it_was_meant() {
    for owner in owners() {
        let plain = usual();
        let zstd = compress_to_vec(&plain[..], CompressionLevel::Fastest);
        let listings = [&plain, &zstd].map(|blob| {
            let place = Place::new(owner);
            let unpacked = place.unpack(blob).unwrap();
            assert_eq!(unpacked.unpacked_bytes, plain.len() as u64);
            place.listing()
        });
        assert_eq!(listings[0], listings[1]);
        let (d, f) = ("d".repeat(120), "f".repeat(120));
        let listing = listings[0]
            .replace(&d, "DDD")
            .replace(&f[..f.len() - 45], "FFF");
        insta::assert_snapshot!("usual", listing);
    }
}

/// Ids are those of the archive, moved up; an ordinary user has only its own.
#[test]
fn files_belong_to_their_owners() {
    for owner in owners() {
        let place = Place::new(owner);
        place.unpack(&usual()).unwrap();
        let ids = |path: &str| {
            let metadata = fs::symlink_metadata(place.layer().join(path)).unwrap();
            (metadata.uid(), metadata.gid())
        };
        let own = ids("../outside");
        let expected = match owner {
            LayerOwner::Root { .. } => [(BASE + 33, BASE + 34), (BASE, BASE)],
            LayerOwner::User => [own, own],
        };
        for (path, expected) in [
            (".", expected[0]),
            ("tmp", expected[0]),
            ("etc", expected[0]),
            ("var/hard", expected[0]),
            ("var/gone", expected[1]),
            ("var/new", expected[1]),
        ] {
            assert_eq!(ids(path), expected, "{path}");
        }
    }
}

#[test]
fn a_layer_can_hide_everything_below_it() {
    for owner in owners() {
        let place = Place::new(owner);
        let unpacked = place.unpack(&Tar::new().file(".wh..wh..opq", b"").file("f", b"x").end());
        assert!(unpacked.unwrap().filled.hides_all);
    }
}

#[test]
fn old_forms_are_understood() {
    let place = Place::new(LayerOwner::User);
    let v7 = |header: &mut [u8; 512]| {
        header[257..265].fill(0);
        header[156] = 0;
    };
    let gnu_sparse = |header: &mut [u8; 512]| {
        header[257..265].copy_from_slice(b"ustar  \0");
        header[386..398].copy_from_slice(b"00000001750\0");
        header[398..410].copy_from_slice(b"00000000003\0");
        header[482] = 1;
        header[483..495].copy_from_slice(b"00000004000\0");
        header[124..135].copy_from_slice(b"00000000005");
    };
    let mut more = [0; 512];
    more[..12].copy_from_slice(b"00000003776\0");
    more[12..24].copy_from_slice(b"00000000002\0");
    let before_data = [
        pax("GNU.sparse.major", b"1"),
        pax("GNU.sparse.minor", b"0"),
        pax("GNU.sparse.realsize", b"1000"),
        pax("GNU.sparse.name", b"pax-sparse"),
    ];
    let mut map = b"2\n0\n1\n999\n1\n".to_vec();
    map.resize(512, 0);
    map.extend(b"AZ");
    let tar = Tar::new()
        .raw(0, b"dir/", b"", b"", v7)
        .raw(0, b"dir/file", b"", b"old", v7)
        .raw(b'7', b"contiguous", b"", b"x", |_| {})
        .raw(
            b'g',
            b"global",
            b"",
            &pax("comment", b"of no interest"),
            |_| {},
        )
        .raw(b'S', b"gnu-sparse", b"", b"", gnu_sparse)
        .data(&more)
        .data(b"abcYZ")
        .extended(&before_data)
        .file("GNUSparseFile.0/pax-sparse", &map)
        .file("last", b"x");
    place.unpack(&tar.without_end()).unwrap();
    insta::assert_snapshot!("old_forms", place.listing());
    let sparse = fs::read(place.layer().join("gnu-sparse")).unwrap();
    assert_eq!(
        (&sparse[1000..1003], &sparse[2046..]),
        (&b"abc"[..], &b"YZ"[..])
    );
    let sparse = fs::read(place.layer().join("pax-sparse")).unwrap();
    assert_eq!((sparse[0], sparse[1], sparse[999]), (b'A', 0, b'Z'));
}

#[test]
fn what_a_layer_is_not_is_said() {
    let place = Place::new(LayerOwner::User);
    let tar = Tar::new().file("f", b"x").end();
    let right = Expected {
        blob: Some((Digest::of(&tar), tar.len() as u64)),
        diff_id: Digest::of(&tar),
    };
    let other = Digest::of(b"other");
    let mut damaged = tar.clone();
    damaged[0] = b'g';
    let mut said = String::new();
    for (blob, expected) in [
        (
            &tar,
            Expected {
                diff_id: other,
                ..right
            },
        ),
        (
            &tar,
            Expected {
                blob: Some((other, tar.len() as u64)),
                ..right
            },
        ),
        (
            &tar,
            Expected {
                blob: Some((right.diff_id, 7)),
                ..right
            },
        ),
        // Not that a header has a wrong checksum.
        (&damaged, right),
        (&tar[..700].to_vec(), right),
    ] {
        writeln!(said, "{}", place.unpack_as(blob, expected).unwrap_err()).unwrap();
    }
    insta::assert_snapshot!("not", said);
}

#[test]
fn a_source_that_fails_is_not_a_damaged_layer() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let place = Place::new(LayerOwner::User);
    let blob = gzip_start();
    let expected = Expected {
        blob: Some((Digest::of(b"x"), 100)),
        diff_id: Digest::of(b"x"),
    };
    let budget = Budget::new(1000);
    let from = (&blob[..]).chain(Broken);
    let result = unpack(
        from,
        expected,
        &place.layer(),
        LayerOwner::User,
        &place.limits,
        &budget,
    );
    assert!(
        matches!(result, Err(UnpackError::Source(error)) if error.kind() == io::ErrorKind::ConnectionReset)
    );
}

fn gzip_start() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&usual()).unwrap();
    encoder.finish().unwrap()[..200].to_vec()
}
