use super::*;

type Case = (&'static str, fn(&Place) -> Vec<u8>);

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Paths that would lead out of the layer, in every place where a path can stand.
const PATHS: &[Case] = &[
    ("..", |_| Tar::new().file("../outside/new", b"x").end()),
    (".. inside", |_| {
        Tar::new()
            .directory("a")
            .file("a/../../outside/new", b"x")
            .end()
    }),
    (".. as a directory", |_| Tar::new().directory("..").end()),
    ("absolute", |place| {
        Tar::new()
            .file(&text(&place.outside().join("new")), b"x")
            .end()
    }),
    ("absolute in a PAX header", |place| {
        let path = text(&place.outside().join("new"));
        Tar::new()
            .extended(&[pax("path", path.as_bytes())])
            .file("a", b"x")
            .end()
    }),
    (".. in a PAX header", |_| {
        Tar::new()
            .extended(&[pax("path", b"a/../../outside/new")])
            .file("a", b"x")
            .end()
    }),
    (".. in a long name", |_| {
        Tar::new()
            .raw(b'L', b"././@LongLink", b"", b"../outside/new\0", |_| {})
            .file("a", b"x")
            .end()
    }),
    (".. in a prefix", |_| {
        Tar::new()
            .raw(b'0', b"new", b"", b"x", |header| {
                header[345..355].copy_from_slice(b"../outside")
            })
            .end()
    }),
    (".. in the name of a sparse file", |_| {
        let records = [
            pax("GNU.sparse.name", b"../outside/new"),
            pax("GNU.sparse.size", b"1"),
            pax("GNU.sparse.map", b"0,1"),
        ];
        Tar::new().extended(&records).file("a", b"x").end()
    }),
    ("NUL", |_| {
        Tar::new()
            .extended(&[pax("path", b"a\0b")])
            .file("a", b"x")
            .end()
    }),
    ("nothing", |_| Tar::new().file("", b"x").end()),
    ("the root as a file", |_| Tar::new().file("./", b"x").end()),
    ("the root as a link", |place| {
        Tar::new()
            .symlink(".", &text(&place.outside()))
            .file("new", b"x")
            .end()
    }),
    ("a long part", |_| {
        Tar::new()
            .extended(&[pax("path", &[b'a'; 256])])
            .file("a", b"x")
            .end()
    }),
    ("a long path", |_| {
        Tar::new()
            .extended(&[pax("path", &b"a/".repeat(2048))])
            .file("a", b"x")
            .end()
    }),
    ("an extended header of a megabyte", |_| {
        Tar::new()
            .extended(&[pax("comment", &vec![b'a'; 1 << 20])])
            .file("a", b"x")
            .end()
    }),
];

/// Links as ways out.
const LINKS: &[Case] = &[
    ("a file through a link", |place| {
        Tar::new()
            .symlink("l", &text(&place.outside()))
            .file("l/new", b"x")
            .end()
    }),
    ("a file through a relative link", |_| {
        Tar::new()
            .symlink("l", "../outside")
            .file("l/new", b"x")
            .end()
    }),
    ("a directory through a link", |_| {
        Tar::new()
            .symlink("l", "../outside")
            .directory("l/new")
            .end()
    }),
    ("through a link further down", |_| {
        Tar::new()
            .directory("a/b")
            .symlink("a/b/l", "../../../outside")
            .file("a/b/l/dir/new", b"x")
            .end()
    }),
    ("through a link to a link", |_| {
        Tar::new()
            .symlink("m", "../outside")
            .symlink("l", "m")
            .file("l/new", b"x")
            .end()
    }),
    ("through a link inside", |_| {
        Tar::new()
            .directory("a")
            .symlink("l", "a")
            .file("l/new", b"x")
            .end()
    }),
    ("a file over a link to a file", |_| {
        Tar::new()
            .symlink("l", "../outside/file")
            .file("l", b"x")
            .end()
    }),
    ("a directory over a link to a directory", |_| {
        Tar::new()
            .symlink("l", "../outside")
            .mode(b'5', "l", 0o777)
            .file("l/new", b"x")
            .end()
    }),
    ("a link over a directory with files", |_| {
        Tar::new()
            .directory("d")
            .file("d/f", b"x")
            .symlink("d", "../outside")
            .file("d/new", b"x")
            .end()
    }),
    ("a whiteout through a link", |_| {
        Tar::new()
            .symlink("l", "../outside")
            .file("l/.wh.file", b"")
            .end()
    }),
    ("an opaque link", |_| {
        Tar::new()
            .symlink("l", "../outside")
            .file("l/.wh..wh..opq", b"")
            .end()
    }),
    ("a hard link to the outside", |_| {
        Tar::new().hard_link("h", "../outside/file").end()
    }),
    ("a hard link to an absolute path", |place| {
        Tar::new()
            .hard_link("h", &text(&place.outside().join("file")))
            .end()
    }),
    ("a hard link through a link", |_| {
        Tar::new()
            .symlink("l", "../outside")
            .hard_link("h", "l/file")
            .end()
    }),
    ("a hard link to a link, then written to", |_| {
        Tar::new()
            .symlink("l", "../outside/file")
            .hard_link("h", "l")
            .file("h", b"x")
            .end()
    }),
    ("a hard link in a PAX header", |_| {
        Tar::new()
            .extended(&[pax("linkpath", b"../outside/file")])
            .hard_link("h", "a")
            .end()
    }),
    ("a hard link to a directory", |_| {
        Tar::new().directory("d").hard_link("h", "d").end()
    }),
    ("a hard link to the root", |_| {
        Tar::new().hard_link("h", "./").end()
    }),
    ("a hard link to nothing", |_| {
        Tar::new().hard_link("h", "none").end()
    }),
    ("a hard link to a whiteout", |_| {
        Tar::new().file(".wh.w", b"").hard_link("h", "w").end()
    }),
    ("a hard link over its target's directory", |_| {
        Tar::new()
            .directory("d")
            .file("d/f", b"x")
            .hard_link("d", "d/f")
            .end()
    }),
    ("a hard link to itself", |_| {
        Tar::new().file("f", b"x").hard_link("f", "./f").end()
    }),
    ("a symbolic link to nothing", |_| {
        Tar::new().symlink("l", "").end()
    }),
    ("below a file", |_| {
        Tar::new().file("f", b"x").file("f/new", b"x").end()
    }),
    ("below a fifo", |_| {
        Tar::new().mode(b'6', "p", 0o666).file("p/new", b"x").end()
    }),
];

/// Entries that would be more than files.
const POWERS: &[Case] = &[
    ("set-user-id", |_| {
        let tar = Tar::new().mode(b'0', "u", 0o4755).mode(b'0', "g", 0o2755);
        tar.mode(b'6', "p", 0o6666)
            .mode(b'5', "d", 0o7777)
            .hard_link("h", "u")
            .end()
    }),
    ("devices", |_| {
        let major = |header: &mut [u8; 512]| header[329..337].copy_from_slice(b"0000001\0");
        let tar = Tar::new()
            .raw(b'3', b"mem", b"", b"", major)
            .raw(b'4', b"disk", b"", b"", major);
        // This one would hide what is below.
        tar.raw(b'3', b"hidden", b"", b"", |_| {}).end()
    }),
    ("extended attributes", |_| {
        let records = [
            pax(
                "SCHILY.xattr.security.capability",
                b"\x01\x00\x00\x02\x00\x04\x00\x00",
            ),
            pax("SCHILY.xattr.user.overlay.opaque", b"y"),
            pax("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            pax("LIBARCHIVE.xattr.user.overlay.metacopy", b""),
            pax("SCHILY.acl.access", b"user::rwx"),
        ];
        Tar::new()
            .extended(&records)
            .directory("d")
            .extended(&records)
            .file("f", b"x")
            .end()
    }),
    ("ids", |_| {
        let records = [pax("uid", b"65536"), pax("gid", b"4294967296")];
        let negative = |header: &mut [u8; 512]| {
            header[108..116].fill(0xff);
            header[116..124].fill(0xff);
        };
        let tar = Tar::new().extended(&records).file("large", b"x");
        tar.raw(b'0', b"negative", b"", b"x", negative).end()
    }),
    ("times", |_| {
        let records = |time: &[u8]| [pax("mtime", time)];
        let tar = Tar::new().extended(&records(b"-1.5")).file("before", b"x");
        tar.extended(&records(b"9223372036854775807"))
            .file("never", b"x")
            .end()
    }),
    ("a whiteout of ..", |_| {
        Tar::new().directory("d").file("d/.wh...", b"").end()
    }),
    ("a whiteout of .", |_| Tar::new().file(".wh..", b"").end()),
    ("a whiteout of nothing", |_| {
        Tar::new().file(".wh.", b"").end()
    }),
    ("below a whiteout", |_| {
        Tar::new().file(".wh.a/b", b"").end()
    }),
    ("a whiteout that is a link", |_| {
        Tar::new().symlink(".wh.a", "../outside/file").end()
    }),
    ("an entry over a whiteout", |_| {
        Tar::new()
            .file(".wh.f", b"")
            .file("f", b"x")
            .file(".wh.d", b"")
            .directory("d")
            .end()
    }),
    ("below what is hidden", |_| {
        Tar::new().file(".wh.d", b"").file("d/f", b"x").end()
    }),
    ("a directory over a file over a directory", |_| {
        let tar = Tar::new().directory("d").file("d/f", b"x").file("d", b"y");
        tar.directory("d").file("d/g", b"z").end()
    }),
    ("a directory without permissions", |_| {
        Tar::new()
            .mode(b'5', "d", 0)
            .file("d/f", b"x")
            .mode(b'5', "d/e", 0)
            .end()
    }),
];

/// Archives that are wrong.
const ARCHIVES: &[Case] = &[
    ("cut in a file", |_| {
        Tar::new().file("f", &[b'x'; 2000]).without_end()[..1024].to_vec()
    }),
    ("cut in a header", |_| {
        Tar::new().file("f", b"x").without_end()[..300].to_vec()
    }),
    ("cut after a PAX header", |_| {
        Tar::new().extended(&[pax("path", b"x")]).without_end()
    }),
    ("ended after a PAX header", |_| {
        Tar::new().extended(&[pax("path", b"x")]).end()
    }),
    ("a wrong checksum", |_| {
        let mut tar = Tar::new().file("f", b"x").end();
        tar[0] = b'g';
        tar
    }),
    ("no archive", |_| b"<html>Please log in</html>".repeat(100)),
    ("an entry after the end", |_| {
        let mut tar = Tar::new().file("f", b"x").without_end();
        tar.extend([0; 512]);
        tar.extend(Tar::new().file("g", b"x").end());
        tar
    }),
    ("an unknown entry", |_| {
        Tar::new().raw(b'M', b"f", b"", b"x", |_| {}).end()
    }),
    ("a size that is no number", |_| {
        Tar::new()
            .raw(b'0', b"f", b"", b"x", |header| {
                header[124..128].copy_from_slice(b"abcd")
            })
            .end()
    }),
    ("a negative size", |_| {
        Tar::new()
            .raw(b'0', b"f", b"", b"x", |header| header[124..136].fill(0xff))
            .end()
    }),
    ("a size beyond everything", |_| {
        Tar::new()
            .extended(&[pax("size", b"18446744073709551615")])
            .file("f", b"x")
            .end()
    }),
    ("a PAX header that is none", |_| {
        Tar::new()
            .raw(b'x', b"pax", b"", b"999 a=b\n", |_| {})
            .end()
    }),
    ("a sparse file of overlapping pieces", |_| {
        let records = [
            pax("GNU.sparse.size", b"9"),
            pax("GNU.sparse.map", b"0,2,1,2"),
        ];
        Tar::new().extended(&records).file("f", b"abcd").end()
    }),
    ("a sparse file without an end of its map", |_| {
        let records = [
            pax("GNU.sparse.major", b"1"),
            pax("GNU.sparse.minor", b"0"),
            pax("GNU.sparse.realsize", b"9"),
        ];
        Tar::new().extended(&records).file("f", &[b'1'; 512]).end()
    }),
    ("a sparse file of a terabyte", |_| {
        let records = [
            pax("GNU.sparse.size", b"1099511627776"),
            pax("GNU.sparse.map", b"0,1"),
        ];
        Tar::new().extended(&records).file("f", b"a").end()
    }),
    ("more than the image may have", |_| {
        Tar::new().file("f", &vec![0; 11 << 20]).end()
    }),
    ("a bomb", |_| {
        gzip(&Tar::new().file("f", &vec![0; 11 << 20]).end())
    }),
    ("a bomb after the end", |_| {
        gzip(&[Tar::new().end(), vec![0; 11 << 20]].concat())
    }),
    ("too many entries", |_| {
        let tar = (0..101).fold(Tar::new(), |tar, number| tar.file(&number.to_string(), b""));
        tar.end()
    }),
    ("directories that say little and take much", |_| {
        let deep = |top: &str| [top.as_bytes(), &b"/d".repeat(1000)].concat();
        let tar = ["a", "b", "c"].iter().fold(Tar::new(), |tar, top| {
            tar.extended(&[pax("path", &deep(top))]).directory("d")
        });
        gzip(&tar.end())
    }),
    ("xz", |_| b"\xfd7zXZ\0data".to_vec()),
];

/// What comes of each: an error, or the layer.
fn outcomes(owner: LayerOwner, cases: &[Case]) -> String {
    let mut outcomes = String::new();
    for (name, archive) in cases {
        let mut place = Place::new(owner);
        place.limits.entries_per_layer = 100;
        let result = place.unpack(&archive(&place));
        place.check_outside();
        let outside = text(place.outer.path());
        writeln!(outcomes, "# {name}").unwrap();
        match result {
            Ok(unpacked) => {
                let listing = place.listing();
                assert!(!unpacked.filled.hides_all);
                outcomes.push_str(&listing.replace(&outside[1..], "TMP"));
            }
            Err(error) => {
                let error = error.to_string().replace(&outside, "TMP");
                let end = error.floor_char_boundary(160);
                writeln!(outcomes, "! {}", &error[..end]).unwrap();
            }
        }
    }
    outcomes
}

fn check(name: &str, cases: &[Case]) {
    for owner in owners() {
        insta::assert_snapshot!(name, outcomes(owner, cases));
    }
}

#[test]
fn paths_do_not_lead_out() {
    check("paths", PATHS);
}

#[test]
fn links_do_not_lead_out() {
    check("links", LINKS);
}

#[test]
fn entries_are_files_and_nothing_more() {
    check("powers", POWERS);
}

#[test]
fn wrong_archives_are_refused() {
    check("archives", ARCHIVES);
}
