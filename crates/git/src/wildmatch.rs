//! Git's pattern matching (`wildmatch.c`), with a memory of failed attempts, so that no pattern takes exponential time.

use std::collections::HashSet;

/// Patterns with more stars than this match nothing: no person writes them.
const STARS_ALLOWED: usize = 64;

/// Whether the whole text matches; no when `steps_left` are used up. With `pathname`, `*`, `?` and sets do not match a slash, and `**` between slashes does.
pub(crate) fn wildmatch(
    pattern: &[u8],
    text: &[u8],
    pathname: bool,
    steps_left: &mut usize,
) -> bool {
    if pattern.iter().filter(|&&byte| byte == b'*').count() > STARS_ALLOWED {
        return false;
    }
    Matcher {
        pattern,
        text,
        pathname,
        failed: HashSet::new(),
        steps_left,
    }
    .matches(0, 0)
}

struct Matcher<'a> {
    pattern: &'a [u8],
    text: &'a [u8],
    pathname: bool,
    /// Positions in pattern and text from which there is no match.
    failed: HashSet<(usize, usize)>,
    /// Memory alone is not enough: thousands of patterns with long literal parts would keep one path busy for minutes.
    steps_left: &'a mut usize,
}

impl Matcher<'_> {
    fn pattern_at(&self, at: usize) -> Option<u8> {
        self.pattern.get(at).copied()
    }

    fn matches(&mut self, mut p: usize, mut t: usize) -> bool {
        while let Some(wanted) = self.pattern_at(p) {
            if !self.step() {
                return false;
            }
            if wanted == b'*' {
                match self.star(p, t) {
                    Star::Decided(answer) => return answer,
                    Star::Continue(after_p, after_t) => (p, t) = (after_p, after_t),
                }
                continue;
            }
            let Some(&byte) = self.text.get(t) else {
                return false;
            };
            let fits = match wanted {
                b'\\' => {
                    p += 1;
                    self.pattern_at(p) == Some(byte)
                }
                b'?' => !(self.pathname && byte == b'/'),
                b'[' => match self.set(p, byte) {
                    Some((end, fits)) => {
                        p = end;
                        fits
                    }
                    None => false,
                },
                literal => literal == byte,
            };
            if !fits {
                return false;
            }
            p += 1;
            t += 1;
        }
        t == self.text.len()
    }

    /// Whether there is a step left; takes it.
    fn step(&mut self) -> bool {
        let left = self.steps_left.checked_sub(1);
        *self.steps_left = left.unwrap_or(0);
        left.is_some()
    }

    fn star(&mut self, start: usize, t: usize) -> Star {
        let mut p = start + 1;
        while self.pattern_at(p) == Some(b'*') {
            p += 1;
        }
        let mut crosses_slash = !self.pathname;
        if self.pathname && p - start >= 2 {
            let opens = start == 0 || self.pattern[start - 1] == b'/';
            let rest = &self.pattern[p..];
            if opens && (rest.is_empty() || rest.starts_with(b"/") || rest.starts_with(b"\\/")) {
                // `**/` may stand for nothing at all
                if rest.starts_with(b"/") && self.attempt(p + 1, t) {
                    return Star::Decided(true);
                }
                crosses_slash = true;
            }
        }
        let next_slash = self.text[t..].iter().position(|&byte| byte == b'/');
        if p == self.pattern.len() {
            return Star::Decided(crosses_slash || next_slash.is_none());
        }
        if !crosses_slash && self.pattern[p] == b'/' {
            return match next_slash {
                Some(offset) => Star::Continue(p + 1, t + offset + 1),
                None => Star::Decided(false),
            };
        }
        for at in t..self.text.len() {
            if !self.step() {
                break;
            }
            if self.attempt(p, at) {
                return Star::Decided(true);
            }
            if !crosses_slash && self.text[at] == b'/' {
                break;
            }
        }
        Star::Decided(false)
    }

    fn attempt(&mut self, p: usize, t: usize) -> bool {
        if self.failed.contains(&(p, t)) {
            return false;
        }
        let matched = self.matches(p, t);
        if !matched {
            self.failed.insert((p, t));
        }
        matched
    }

    /// `[…]` that begins at `p`: where it ends, and whether it has the byte. None if it has no end or a class that does not exist.
    fn set(&self, p: usize, byte: u8) -> Option<(usize, bool)> {
        let mut p = p + 1;
        let negated = matches!(self.pattern_at(p), Some(b'!' | b'^'));
        if negated {
            p += 1;
        }
        let mut found = false;
        let mut previous = None;
        let mut first = true;
        loop {
            let member = self.pattern_at(p)?;
            if member == b']' && !first {
                break;
            }
            first = false;
            let range_end = self.pattern_at(p + 1).filter(|&end| end != b']');
            if member == b'\\' {
                p += 1;
                let literal = self.pattern_at(p)?;
                found |= literal == byte;
                previous = Some(literal);
            } else if let (b'-', Some(low), Some(mut high)) = (member, previous, range_end) {
                p += 1;
                if high == b'\\' {
                    p += 1;
                    high = self.pattern_at(p)?;
                }
                found |= (low..=high).contains(&byte);
                previous = None;
            } else if member == b'[' && self.pattern_at(p + 1) == Some(b':') {
                let from = p + 2;
                let end = from + self.pattern.get(from..)?.iter().position(|&b| b == b']')?;
                if end > from && self.pattern[end - 1] == b':' {
                    found |= class_has(&self.pattern[from..end - 1], byte)?;
                    p = end;
                    previous = None;
                } else {
                    found |= byte == b'[';
                    previous = Some(b'[');
                }
            } else {
                found |= member == byte;
                previous = Some(member);
            }
            p += 1;
        }
        let fits = found != negated && !(self.pathname && byte == b'/');
        Some((p, fits))
    }
}

enum Star {
    Decided(bool),
    Continue(usize, usize),
}

fn class_has(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => byte == b' ' || byte == b'\t',
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
