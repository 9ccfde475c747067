//! Naming a sandbox's users in a system that has its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, OFlags};

use super::place::{self, Root};
use crate::plan::Owner;
use crate::spec::User;

/// More than any list of users. What is longer is not read, and replaced.
const MAX_BYTES: u64 = 4 << 20;

/// A line of `/etc/passwd` or `/etc/group` that is to be there.
struct Entry {
    name: String,
    id: u32,
    line: String,
}

/// Make sure that these are named; written only if one is missing. Nothing that is there gets lost but a user or group
/// of the same name with another id.
pub(super) fn write(root: &Root<'_>, users: &[User]) -> io::Result<()> {
    let people = users.iter().map(|user| Entry {
        name: user.name.clone(),
        id: user.uid,
        line: user.passwd_line(),
    });
    let groups = users.iter().map(|user| Entry {
        name: user.name.clone(),
        id: user.gid,
        line: user.group_line(),
    });
    write_list(root, Path::new("/etc/passwd"), people)?;
    write_list(root, Path::new("/etc/group"), groups)
}

fn write_list(
    root: &Root<'_>,
    path: &Path,
    entries: impl Iterator<Item = Entry>,
) -> io::Result<()> {
    let found = read(path);
    let mut list = found.clone();
    for entry in entries {
        list = with(&list, &entry);
    }
    if list == found {
        return Ok(());
    }
    root.file(path, &list, 0o644, Owner::Beside)
}

/// What is no list that can be read is none.
fn read(path: &Path) -> Vec<u8> {
    let Ok(found) = place::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) else {
        return Vec::new();
    };
    let is_list = rustix::fs::fstat(&found).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && u64::try_from(stat.st_size).is_ok_and(|size| size <= MAX_BYTES)
    });
    let mut list = Vec::new();
    if !is_list
        || File::from(found)
            .take(MAX_BYTES)
            .read_to_end(&mut list)
            .is_err()
    {
        return Vec::new();
    }
    list
}

/// Before whoever else has the id, so that it is this name that is shown for it; else at the end.
fn with(list: &[u8], entry: &Entry) -> Vec<u8> {
    let id = entry.id.to_string();
    let field = |line: &[u8], index: usize| {
        let field = line.split(|byte| *byte == b':').nth(index);
        field.unwrap_or_default().trim_ascii_end().to_vec()
    };
    let has_name = |line: &[u8]| field(line, 0) == entry.name.as_bytes();
    let has_id = |line: &[u8]| field(line, 2) == id.as_bytes();
    let mut lines: Vec<&[u8]> = list.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.iter().any(|line| has_name(line) && has_id(line)) {
        return list.to_vec();
    }
    lines.retain(|line| !has_name(line));
    let at = lines.iter().position(|line| has_id(line));
    let (before, after) = lines.split_at(at.unwrap_or(lines.len()));
    let mut result = before.concat();
    if result.last().is_some_and(|last| *last != b'\n') {
        result.push(b'\n');
    }
    result.extend_from_slice(entry.line.as_bytes());
    result.extend(after.concat());
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(list: &str) -> String {
        let entry = Entry {
            name: "agent".to_owned(),
            id: 1000,
            line: "agent:x:1000:1000:agent:/home/agent:/bin/sh\n".to_owned(),
        };
        String::from_utf8(with(list.as_bytes(), &entry)).unwrap()
    }

    #[test]
    fn a_user_is_added_and_the_others_stay() {
        insta::assert_snapshot!(named("root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin"), @"
        root:x:0:0:root:/root:/bin/bash
        _apt:x:42:65534::/nonexistent:/usr/sbin/nologin
        agent:x:1000:1000:agent:/home/agent:/bin/sh
        ");
        assert_eq!(named(""), "agent:x:1000:1000:agent:/home/agent:/bin/sh\n");
    }

    #[test]
    fn a_user_who_is_there_stays_as_it_is() {
        let list = "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:100:me:/home/me:/bin/zsh\n";
        assert_eq!(named(list), list);
    }

    #[test]
    fn the_name_is_the_first_with_its_id_and_the_only_one() {
        insta::assert_snapshot!(named("root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash\nagent:x:7:7::/:/bin/sh\n"), @"
        root:x:0:0:root:/root:/bin/bash
        agent:x:1000:1000:agent:/home/agent:/bin/sh
        node:x:1000:1000::/home/node:/bin/bash
        ");
    }
}
