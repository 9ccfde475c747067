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
            let listing = place.listing();
            let things = listing.lines().count() as u64;
            assert_eq!(unpacked.unpacked_bytes, plain.len() as u64 + 4096 * things);
            listing
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
    let blob = gzip(&usual())[..200].to_vec();
    let expected = Expected {
        blob: Some((Digest::of(b"x"), 100)),
        diff_id: Digest::of(b"x"),
    };
    let budget = Budget::new(1 << 20);
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

/// Wherever an archive is damaged, reading it ends, and it ends soon.
#[test]
fn no_damage_is_beyond_an_error() {
    let records = [
        pax("path", b"a/b"),
        pax("size", b"5"),
        pax("mtime", b"1.5"),
        pax("GNU.sparse.major", b"1"),
        pax("GNU.sparse.minor", b"0"),
        pax("GNU.sparse.realsize", b"9"),
    ];
    let mut map = b"1\n0\n5\n".to_vec();
    map.resize(512, 0);
    let tar = Tar::new()
        .extended(&records[..3])
        .file("f", b"12345")
        .extended(&records[3..])
        .file("s", &[&map[..], b"abcde"].concat())
        .raw(b'L', b"@", b"", b"long", |_| {})
        .symlink("l", "f")
        .end();
    let archives = [
        tar.clone(),
        compress_to_vec(&tar[..], CompressionLevel::Fastest),
        gzip(&tar),
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let mut readable = 0;
    for round in 0..6_000 {
        let mut archive = archives[round % archives.len()].clone();
        for _ in 0..=next(3) {
            let at = next(archive.len());
            archive[at] = b"\0\x01\x7f\x80\xff 0179=\n"[next(12)];
        }
        if next(4) == 0 {
            archive.truncate(next(archive.len()));
        }
        // What checksums would find, and only they.
        for block in archive.as_chunks_mut::<512>().0 {
            let sum = |block: &[u8; 512]| -> u32 {
                let rest = block[..148].iter().chain(&block[156..]);
                rest.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32
            };
            if block.starts_with(b"pax") || block[257..262] == *b"ustar" {
                let sum = format!("{:06o}\0 ", sum(block));
                block[148..156].copy_from_slice(sum.as_bytes());
            }
        }
        readable += usize::from(read_all(&archive).is_ok());
    }
    assert!(readable > 30, "{readable}");
}

fn read_all(blob: &[u8]) -> Result<u64, UnpackError> {
    let budget = Budget::new(1 << 20);
    let archive = Bounded {
        archive: compression::decompress(blob)?,
        budget: &budget,
    };
    let mut entries = Entries::new(archive, 100);
    let mut bytes = 0;
    let mut buffer = [0; 100];
    while let Some(entry) = entries.next()? {
        let path = LayerPath::parse(&entry.path).and_then(LayerPath::purpose);
        loop {
            match entries.read_data(&mut buffer)? {
                0 => break,
                length => bytes += length as u64,
            }
        }
        drop(path);
    }
    Ok(bytes)
}
