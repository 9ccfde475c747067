//! `.gitignore` rules, as git reads them. `against_git` compares the answers with those of `git check-ignore`.
//!
//! Why not ask git: it would have to walk a hostile tree, or a copy of its ignore files, and a hostile pattern could keep it busy for ever.

#[cfg(test)]
mod against_git;

use crate::wildmatch::wildmatch;
use std::sync::Arc;

/// The rules of one folder, and through `parent` of all above. The folder nearest to a file decides, and there the last rule that matches.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    parent: Option<Arc<Rules>>,
    /// Length of the folder's path with its slash: rules see paths relative to their folder.
    prefix: usize,
    patterns: Vec<Pattern>,
    /// Of all files that count here, this and those above.
    text_bytes: usize,
}

/// Rules that count for one folder; people write some kilobytes. All of a chain are in memory at once and are compared with every path.
const TEXT_LIMIT_BYTES: usize = 1 << 20;
/// Comparisons of bytes for one path, at least ten times what it takes with rules that people write.
const STEPS_FOR_ONE_PATH: usize = 1_000_000;

#[derive(Debug)]
struct Pattern {
    text: Vec<u8>,
    /// Bytes at the beginning that are no wildcard and are compared as they are.
    literal: usize,
    negated: bool,
    folders_only: bool,
    /// Without a slash inside: compared with the last part of a path.
    name_only: bool,
}

impl Rules {
    /// The rules for a folder that has a `.gitignore`; none if these are too many. `folder` is relative to the root, without a slash at its
    /// end.
    pub(crate) fn below(parent: &Arc<Rules>, folder: &[u8], content: &[u8]) -> Option<Arc<Rules>> {
        let text_bytes = parent.text_bytes + content.len();
        if text_bytes > TEXT_LIMIT_BYTES {
            return None;
        }
        let prefix = if folder.is_empty() {
            0
        } else {
            folder.len() + 1
        };
        Some(Arc::new(Self {
            parent: Some(Arc::clone(parent)),
            prefix,
            patterns: parse(content),
            text_bytes,
        }))
    }

    /// Whether the rules name this path itself. That of a folder which is ignored covers all in it, which is for the caller to know.
    pub(crate) fn ignore(&self, path: &[u8], is_folder: bool) -> bool {
        let mut rules = Some(self);
        let mut steps_left = STEPS_FOR_ONE_PATH;
        while let Some(here) = rules {
            let relative = &path[here.prefix.min(path.len())..];
            if let Some(pattern) = here
                .patterns
                .iter()
                .rev()
                .find(|pattern| pattern.matches(relative, is_folder, &mut steps_left))
            {
                return !pattern.negated;
            }
            rules = here.parent.as_deref();
        }
        false
    }
}

impl Pattern {
    /// Nothing matches when no steps are left.
    fn matches(&self, relative: &[u8], is_folder: bool, steps_left: &mut usize) -> bool {
        if self.folders_only && !is_folder {
            return false;
        }
        if self.name_only {
            let name = relative
                .rsplit(|&byte| byte == b'/')
                .next()
                .unwrap_or(relative);
            return self.matches_text(name, false, steps_left);
        }
        self.matches_text(relative, true, steps_left)
    }

    fn matches_text(&self, text: &[u8], pathname: bool, steps_left: &mut usize) -> bool {
        if self.literal == self.text.len() {
            return text == self.text;
        }
        let (start, rest) = self.text.split_at(self.literal);
        if !pathname {
            return wildmatch(&self.text, text, false, steps_left);
        }
        // Like git: after the literal beginning the rest is a pattern of its own, so `a**/b` has its stars at the beginning.
        text.strip_prefix(start)
            .is_some_and(|tail| wildmatch(rest, tail, true, steps_left))
    }
}

fn parse(content: &[u8]) -> Vec<Pattern> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let line = |line: &'_ [u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    content
        .split(|&byte| byte == b'\n')
        .map(line)
        .filter_map(|line| parse_line(&line))
        .collect()
}

fn parse_line(line: &[u8]) -> Option<Pattern> {
    if line.is_empty() || line[0] == b'#' {
        return None;
    }
    let mut text = without_trailing_spaces(line);
    let negated = text.first() == Some(&b'!');
    if negated {
        text = &text[1..];
    }
    let folders_only = text.last() == Some(&b'/');
    if folders_only {
        text = &text[..text.len() - 1];
    }
    let name_only = !text.contains(&b'/');
    let text = text.strip_prefix(b"/").unwrap_or(text);
    let literal = text
        .iter()
        .position(|byte| b"*?[\\".contains(byte))
        .unwrap_or(text.len());
    Some(Pattern {
        text: text.to_vec(),
        literal,
        negated,
        folders_only,
        name_only,
    })
}

/// Spaces at the end go, unless a backslash stands before them.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' => at += 1,
            b'\\' => {
                at = line.len().min(at + 2);
                end = at;
            }
            _ => {
                at += 1;
                end = at;
            }
        }
    }
    &line[..end]
}
