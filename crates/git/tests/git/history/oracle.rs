//! What the files have to be after a part of a diff.

use crate::fixture::{Files, blobs};
use outwork_git::Part;
use std::path::Path;

/// A file that differs between two commits, as `git diff-tree --raw -z` tells it.
pub struct Record {
    pub old_path: Vec<u8>,
    pub path: Vec<u8>,
    status: u8,
    /// Mode and id before and after; zeros where there is none.
    sides: [(String, String); 2],
}

/// Reads `:old-mode new-mode old-id new-id status NUL path NUL [path NUL]`.
pub fn records(raw: &[u8]) -> Vec<Record> {
    let mut fields = raw
        .split(|&byte| byte == 0)
        .filter(|field| !field.is_empty());
    let mut records = Vec::new();
    while let Some(head) = fields.next() {
        let head = std::str::from_utf8(head).expect("ASCII");
        let words: Vec<&str> = head.split(' ').collect();
        let status = words[4].as_bytes()[0];
        let old_path = fields.next().expect("a path").to_vec();
        let path = match status {
            b'R' | b'C' => fields.next().expect("a second path").to_vec(),
            _ => old_path.clone(),
        };
        records.push(Record {
            old_path,
            path,
            status,
            sides: [(0, 2), (1, 3)].map(|(mode, id)| {
                let mode = words[mode].trim_start_matches(':').to_owned();
                (mode, words[id].to_owned())
            }),
        });
    }
    records
}

/// The files that differ, before and after.
pub fn sides(repository: &Path, records: &[Record]) -> [Files; 2] {
    [0, 1].map(|side| {
        let path = |record: &Record| [&record.old_path, &record.path][side].clone();
        let is_there = |record: &&Record| record.sides[side].0 != "000000";
        let there: Vec<&Record> = records.iter().filter(is_there).collect();
        let contents = blobs(
            repository,
            there.iter().map(|record| record.sides[side].1.as_str()),
        );
        let files = there.iter().zip(contents);
        files
            .map(|(record, content)| (path(record), (record.sides[side].0.clone(), content)))
            .collect()
    })
}

/// The files after what is taken of each change of each part.
pub fn after(
    before: &Files,
    whole: &Files,
    records: &[Record],
    parts: &[Part<'_>],
    taken: &[Vec<bool>],
) -> Files {
    let mut files = before.clone();
    // First all that goes: files may take each other's names.
    let mut made = Vec::new();
    for record in records {
        let of_file: Vec<(&Part<'_>, &Vec<bool>)> = parts
            .iter()
            .zip(taken)
            .filter(|(part, _)| part.path == record.path)
            .collect();
        assert!(
            !of_file.is_empty(),
            "{}: no part",
            String::from_utf8_lossy(&record.path)
        );
        if !of_file.iter().any(|(_, taken)| taken.contains(&true)) {
            continue;
        }
        if record.status != b'C' {
            files.remove(&record.old_path);
        }
        let is_whole = of_file.iter().all(|(_, taken)| !taken.contains(&false));
        if record.status == b'D' {
            continue;
        }
        let content = match is_whole {
            true => whole[&record.path].1.clone(),
            false => {
                let old = before
                    .get(&record.old_path)
                    .map_or(&b""[..], |(_, content)| content);
                partly(old, &of_file)
            }
        };
        made.push((record.path.clone(), (record.sides[1].0.clone(), content)));
    }
    files.extend(made);
    files
}

/// The file with some of the changes of its hunks.
fn partly(old: &[u8], parts: &[(&Part<'_>, &Vec<bool>)]) -> Vec<u8> {
    let lines: Vec<&[u8]> = old.split_inclusive(|&byte| byte == b'\n').collect();
    let mut at = 0;
    let mut new = Vec::new();
    for (part, taken) in parts {
        let hunk = part
            .hunk
            .expect("a file of which a part can be taken has hunks");
        let mut hunk = hunk.split_inclusive(|&byte| byte == b'\n');
        let begin = begin(hunk.next().expect("a first line"));
        new.extend(lines[at..begin].concat());
        at = begin;
        let mut change = 0;
        let mut was_change = false;
        let mut last_is_new = false;
        for line in hunk {
            let is_change = line[0] != b' ' && line[0] != b'\n';
            change += usize::from(was_change && !is_change);
            was_change = is_change;
            match line[0] {
                b'+' if taken[change] => new.extend_from_slice(&line[1..]),
                b'\\' if last_is_new && taken[change] => drop(new.pop()),
                b'+' | b'\\' => {}
                b'-' if taken[change] => at += 1,
                _ => {
                    new.extend_from_slice(lines[at]);
                    at += 1;
                }
            }
            last_is_new = line[0] == b'+';
        }
    }
    new.extend(lines[at..].concat());
    new
}

/// The first line of a hunk in the old file, from 0: of `@@ -4,2 +4,3 @@`.
fn begin(line: &[u8]) -> usize {
    let line = std::str::from_utf8(&line[..line.len().min(60)]).unwrap_or_else(|error| {
        std::str::from_utf8(&line[..error.valid_up_to()]).expect("valid up to there")
    });
    let old = line
        .strip_prefix("@@ -")
        .and_then(|rest| rest.split(' ').next())
        .expect("a range");
    let (start, count) = old.split_once(',').unwrap_or((old, "1"));
    let start: usize = start.parse().expect("a number");
    match count {
        "0" => start,
        _ => start - 1,
    }
}
