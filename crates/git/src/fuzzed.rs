//! What a fuzzer throws bytes at, and what must hold whatever they are. The tests below do the same with the seeds.

use crate::hints::Hints;
use crate::ignore::Rules;
use crate::import::tree_in;
use crate::index::{FileStat, parse_index, with_stats};
use crate::listing::Listing;
use crate::names::{CommitRef, RefName, is_deceptive};
use crate::patch::conflicts_in;
use crate::patch::parts::{ComposeError, Patch, Selection, compose};
use crate::repository::ways_out::{inside, sources, ways_out};
use crate::summary::parse_diff;
use crate::tree_dir::NAMES_LIMIT_BYTES;
use crate::url::RepoUrl;
use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::sync::Arc;

/// An index takes no more memory than it says, and says the same after how its files look was written into it.
pub fn index(bytes: &[u8]) {
    for sha256 in [false, true] {
        let Ok(entries) = parse_index(bytes, sha256) else {
            continue;
        };
        let names: usize = entries.iter().map(|entry| entry.path.len()).sum();
        assert!(names <= NAMES_LIMIT_BYTES.max(bytes.len()));
        let same = with_stats(bytes.to_vec(), sha256, |_| None).expect("it was read");
        assert_eq!(parse_index(&same, sha256).expect("it was written"), entries);
        let look = FileStat {
            mtime_s: 7,
            size_bytes: 9,
        };
        let seen = with_stats(bytes.to_vec(), sha256, |_| Some(look)).expect("it was read");
        let seen = parse_index(&seen, sha256).expect("it was written");
        assert!(seen.iter().all(|entry| entry.size_bytes == 9));
        assert!(
            seen.iter()
                .zip(&entries)
                .all(|(a, b)| a.is_same(b) && a.path == b.path)
        );
        let mut hints = Hints::default();
        let nothing = Listing::default();
        hints.add_index(&entries, &nothing, &nothing);
        for entry in &entries {
            assert!(hints.names(&entry.path));
            if let Some(slash) = entry.path.iter().rposition(|&byte| byte == b'/') {
                assert!(hints.has_below(&entry.path[..slash]));
            }
        }
    }
}

/// What git says of two trees: the patch is the end of it as it is, and every path stands in it.
pub fn diff_output(bytes: &[u8]) {
    let _ = tree_in(&String::from_utf8_lossy(bytes));
    let Ok((files, patch)) = parse_diff(bytes) else {
        return;
    };
    assert!(bytes.ends_with(&patch));
    let head = &bytes[..bytes.len() - patch.len()];
    let is_there = |path: &[u8]| {
        head.split(|&byte| byte == 0)
            .any(|field| field.ends_with(path))
    };
    for file in &files {
        assert!(is_there(&file.path));
        assert!(file.old_path.as_ref().is_none_or(|path| is_there(path)));
    }
}

/// A path of a patch that is taken for one of the repository's is one, however it is spelled.
pub fn patch(bytes: &[u8]) {
    let top = Path::new("/nonexistent/top");
    let from = sources(bytes, &[b"rename from ", b"rename old ", b"copy from "]);
    for path in from.iter().map(Vec::as_slice).chain([bytes]) {
        let as_path = crate::repository::path_from(path);
        let Ok(found) = inside(top, &as_path) else {
            continue;
        };
        let below = found.strip_prefix(top).expect("below the top");
        let mut parts = below.components();
        assert!(parts.clone().next().is_some());
        assert!(parts.all(|part| match part {
            Component::Normal(name) => !name.eq_ignore_ascii_case(".git"),
            _ => false,
        }));
    }
    // Of those without links, exactly the others lead out.
    let outside = from
        .iter()
        .filter(|path| inside(top, &crate::repository::path_from(path)).is_err());
    assert_eq!(ways_out(top, bytes, &[]).len(), outside.count());
    let mut quoted = b"rename from \"".to_vec();
    for byte in bytes {
        quoted.extend(format!("\\{byte:03o}").into_bytes());
    }
    quoted.push(b'"');
    assert_eq!(sources(&quoted, &[b"rename from "]), [bytes]);
    let said = String::from_utf8_lossy(bytes);
    assert!(conflicts_in(&said).len() <= said.lines().count());
    parts(bytes);
}

/// What is made of parts of two diffs is a diff or is refused, with parts that were taken.
fn parts(bytes: &[u8]) {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    let patches: Vec<Patch<'_>> = [bytes, one, two]
        .into_iter()
        .filter_map(|diff| Patch::parse(diff).ok())
        .collect();
    let ids = |patch: &Patch<'_>| {
        let (mut whole, mut hunks) = (BTreeSet::new(), BTreeSet::new());
        for (number, file) in patch.files().into_iter().enumerate() {
            match number % 2 {
                0 => drop(whole.insert(file.id)),
                _ => hunks.extend(file.hunks.into_iter().step_by(2).map(|hunk| hunk.id)),
            }
        }
        (whole, hunks)
    };
    let chosen: Vec<_> = patches.iter().map(ids).collect();
    let selections: Vec<Selection<'_, '_>> = patches
        .iter()
        .zip(&chosen)
        .map(|(patch, (files, hunks))| Selection {
            patch,
            files,
            hunks,
        })
        .collect();
    match compose(&selections) {
        Ok(diff) => drop(Patch::parse(&diff).expect("a diff")),
        Err(ComposeError::Unknown { .. }) => panic!("all ids are the diffs' own"),
        Err(ComposeError::Contradictions(found)) => {
            let mut parts = found.iter().flat_map(|it| &it.parts);
            assert!(!found.is_empty() && parts.all(|part| part.selection < patches.len()));
        }
    }
}

/// Rules end for every path, and the last that fits decides.
pub fn ignore(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (path, rules) = (&bytes[..end], &bytes[end + 1..]);
    let below = |last: &[u8]| Rules::below(&Arc::default(), b"", &[rules, last].concat());
    for is_folder in [false, true] {
        if let Some(rules) = below(b"") {
            rules.ignore(path, is_folder);
        }
        let all = below(b"\n*\n").is_none_or(|rules| rules.ignore(path, is_folder));
        let none = below(b"\n!*\n").is_some_and(|rules| rules.ignore(path, is_folder));
        assert!(all && !none);
    }
}

/// What is taken is taken again from what it shows, holds nothing that could be an option or deceive, and no password.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(name) = RefName::parse(&text) {
        let name = name.as_str();
        assert!(!name.starts_with('-') && !name.chars().any(is_deceptive) && !name.contains(".."));
        assert_eq!(RefName::parse(name).expect("taken again").as_str(), name);
    }
    if let Ok(url) = RepoUrl::parse(&text) {
        let (address, shown) = (url.as_str(), url.to_string());
        assert!(!address.starts_with('-') && !address.chars().any(is_deceptive));
        let path = match address.split_once(':') {
            Some((before, path)) if !before.contains('/') => path,
            Some(_) | None => address,
        };
        assert!(!path.split('/').any(|part| part == ".."));
        // As git looks for the name of a helper program.
        let rest =
            address.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
        assert!(!rest.starts_with("::"));
        let again = RepoUrl::parse(address).expect("taken again");
        assert_eq!(again, url);
        // What is shown leaves out who asks.
        assert!(
            url.authority()
                .is_none_or(|authority| !authority.contains('@'))
        );
        assert!(!shown.chars().any(is_deceptive));
    }
    if let Ok(commit) = CommitRef::parse(&text) {
        assert!(commit.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

#[cfg(test)]
mod tests {
    use outwork_test_seeds::each;

    #[test]
    fn seeds() {
        each("git_index", super::index);
        each("git_diff_output", super::diff_output);
        each("git_patch", super::patch);
        each("git_ignore", super::ignore);
        each("git_names", super::names);
    }
}
