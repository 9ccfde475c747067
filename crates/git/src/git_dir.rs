//! Git directories written by hand: a few small files cost less than one start of git, and nothing in them comes from a template.

use crate::names::{CommitId, ObjectId, RefName};
use crate::url::RepoUrl;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// In `info/attributes`, which overrules every `.gitattributes`: file content is what the bytes are. No filter, no line-end or encoding
/// conversion, no `$Id$`, no diff driver.
const NEUTRAL_ATTRIBUTES: &str = "* -text !eol !filter !ident !working-tree-encoding !diff !merge !whitespace !conflict-marker-size\n";

pub(crate) fn empty_tree(like: &ObjectId) -> &'static str {
    match like.is_sha256() {
        false => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        true => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
}

fn format_lines(like: &ObjectId) -> &'static str {
    match like.is_sha256() {
        false => "[core]\n\trepositoryformatversion = 0\n",
        true => "[extensions]\n\tobjectformat = sha256\n[core]\n\trepositoryformatversion = 1\n",
    }
}

/// The git directory that only the host sees. Objects that it does not have itself come from the mirror.
pub(crate) fn write_trusted(dir: &Path, mirror_objects: &Path, like: &ObjectId) -> io::Result<()> {
    let mut config = format_lines(like).to_owned();
    config.push_str("\tbare = true\n\tfilemode = true\n\tcheckStat = minimal\n\ttrustctime = false\n\tsymlinks = true\n\tautocrlf = false\n");
    for folder in FOLDERS {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::write(dir.join("objects/info/alternates"), line(mirror_objects))?;
    fs::write(dir.join("config"), config)?;
    fs::write(dir.join("HEAD"), "ref: refs/heads/none\n")?;
    fs::write(dir.join("info/attributes"), NEUTRAL_ATTRIBUTES)
}

/// What the agent's `.git` is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgentGitDir<'a> {
    /// Where the sandbox sees the mirror's objects.
    pub(crate) alternates_inside: &'a Path,
    pub(crate) commit: &'a CommitId,
    pub(crate) branch: Option<&'a RefName>,
    pub(crate) url: &'a RepoUrl,
    /// Lines of `<id> <full ref name>`: branches of the origin and tags.
    pub(crate) refs: &'a str,
}

/// Folders that git wants to see before it believes that a folder is a repository.
pub(crate) const FOLDERS: [&str; 5] = [
    "objects/info",
    "objects/pack",
    "refs/heads",
    "refs/tags",
    "info",
];

impl AgentGitDir<'_> {
    /// An ordinary repository for the agent, as files by their names in `.git`: `git status`, `log` and `commit` work, and nothing in it is
    /// believed afterwards. The index is not among them.
    pub(crate) fn files(&self) -> [(&'static str, Vec<u8>); 4] {
        let mut config = format_lines(self.commit.object()).to_owned();
        config.push_str("\tbare = false\n\tfilemode = true\n\tlogallrefupdates = true\n\tsymlinks = true\n\tautocrlf = false\n");
        // Inside, files have other owners, inodes and times of change than those that the index could tell.
        config.push_str("\tcheckStat = minimal\n\ttrustctime = false\n");
        config.push_str("[user]\n\tname = Outwork agent\n\temail = agent@outwork.invalid\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
        let url = quoted(&self.url.to_string());
        write!(config, "[remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n").expect("a String takes all");
        let mut refs = String::from("# pack-refs with: \n");
        refs.push_str(self.refs);
        let head = match self.branch {
            Some(branch) => {
                let name = quoted(branch.as_str());
                write!(
                    config,
                    "[branch \"{name}\"]\n\tremote = origin\n\tmerge = \"refs/heads/{name}\"\n"
                )
                .expect("a String takes all");
                writeln!(refs, "{} {}", self.commit, branch.full()).expect("a String takes all");
                format!("ref: {}\n", branch.full())
            }
            None => format!("{}\n", self.commit),
        };
        [
            ("config", config.into_bytes()),
            ("packed-refs", refs.into_bytes()),
            ("HEAD", head.into_bytes()),
            ("objects/info/alternates", line(self.alternates_inside)),
        ]
    }
}

fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

fn line(path: &Path) -> Vec<u8> {
    let mut line = path.as_os_str().as_bytes().to_vec();
    line.push(b'\n');
    line
}
