//! What the words of a line of code are, for colours.
//!
//! A scanner driven by a table of languages ([`language`]), not a grammar: a diff shows pieces of files, so that what a
//! parser needs is not there. It takes any bytes, looks at each once, and never fails. What reaches from one line into
//! the next (a comment, a long text) is a [`State`] of two bytes, so that a line can be looked at by itself.

mod language;

use std::ops::Range;

pub(crate) use self::language::Language;
use self::language::Quote;

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Text,
    Keyword,
    Type,
    Function,
    /// What has a value after it: in data, styles and attributes.
    Key,
    String,
    Number,
    Comment,
}

/// What a line begins in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Code,
    /// A comment with that many ends to come.
    Comment(u8),
    /// A text between quotes: which of the language's.
    String(u8),
}

/// A piece of a line, in bytes, and what it is. Pieces of plain text are left out.
pub(crate) type Piece = (Range<usize>, Token);

/// The pieces of a line of code, and what the next line begins in.
pub(crate) fn scan(language: &Language, code: &[u8], state: State) -> (Vec<Piece>, State) {
    let mut scanner = Scanner {
        language,
        code,
        at: 0,
        pieces: Vec::new(),
    };
    let state = scanner.run(state);
    (scanner.pieces, state)
}

struct Scanner<'a> {
    language: &'a Language,
    code: &'a [u8],
    at: usize,
    pieces: Vec<Piece>,
}

impl Scanner<'_> {
    fn run(&mut self, state: State) -> State {
        let state = match state {
            State::Code => self.beginning(),
            State::Comment(depth) => self.comment(0, depth),
            State::String(quote) => self.string(0, quote),
        };
        if state != State::Code {
            return state;
        }
        while self.at < self.code.len() {
            let state = self.step();
            if state != State::Code {
                return state;
            }
        }
        State::Code
    }

    /// What only the first words of a line can be.
    fn beginning(&mut self) -> State {
        let space = self
            .code
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace());
        let (start, language) = (space.count(), self.language);
        let rest = &self.code[start..];
        if language.has_headings && rest.starts_with(b"#") {
            self.push(start, self.code.len(), Token::Keyword);
            return State::Code;
        }
        // The middle of a comment whose beginning the diff does not show.
        let continues = matches!(rest, [b'*'] | [b'*', b' ' | b'/', ..]);
        if !(continues && language.is_starred()) {
            return State::Code;
        }
        self.comment(start, 1);
        // Whether it goes on, the next line says by itself.
        State::Code
    }

    /// One word, text, comment or sign.
    fn step(&mut self) -> State {
        let (language, at) = (self.language, self.at);
        let rest = &self.code[at..];
        if let Some((open, _)) = language.block_comment
            && rest.starts_with(open.as_bytes())
        {
            self.at += open.len();
            return self.comment(at, 1);
        }
        if language
            .line_comments
            .iter()
            .any(|sign| self.comments(sign))
        {
            self.push(at, self.code.len(), Token::Comment);
            return State::Code;
        }
        let quotes = language.quotes.iter();
        let opened = quotes
            .zip(0..)
            .find(|(quote, _)| rest.starts_with(quote.open.as_bytes()));
        if let Some((quote, number)) = opened {
            self.at += quote.open.len();
            let is_text = match (quote.is_character, quote.open) {
                // Else a lifetime.
                (true, _) => self.is_character(),
                // Else an apostrophe.
                (false, "'") => self.is_apart(at),
                (false, _) => true,
            };
            return match is_text {
                true => self.string(at, number),
                false => State::Code,
            };
        }
        match rest[0] {
            byte if byte.is_ascii_digit() => self.number(),
            byte if is_word(byte) => self.word(),
            _ => self.at += 1,
        }
        State::Code
    }

    /// Whether a comment to the end of the line begins here. `#` within a word begins none.
    fn comments(&self, sign: &str) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.code[at]);
        let is_apart = before.is_none_or(|byte| byte.is_ascii_whitespace());
        self.code[self.at..].starts_with(sign.as_bytes()) && (is_apart || sign != "#")
    }

    fn comment(&mut self, start: usize, mut depth: u8) -> State {
        let Some((open, close)) = self.language.block_comment else {
            return State::Code;
        };
        while self.at < self.code.len() {
            let rest = &self.code[self.at..];
            if rest.starts_with(close.as_bytes()) {
                self.at += close.len();
                depth -= 1;
                if depth == 0 {
                    self.push(start, self.at, Token::Comment);
                    return State::Code;
                }
            } else if self.language.nests && rest.starts_with(open.as_bytes()) {
                self.at += open.len();
                depth = depth.saturating_add(1);
            } else {
                self.at += 1;
            }
        }
        self.push(start, self.code.len(), Token::Comment);
        State::Comment(depth)
    }

    fn string(&mut self, start: usize, number: u8) -> State {
        let Some(quote) = self.language.quotes.get(usize::from(number)) else {
            return State::Code;
        };
        let Quote {
            close,
            escapes,
            is_long,
            ..
        } = *quote;
        while self.at < self.code.len() {
            let rest = &self.code[self.at..];
            if rest.starts_with(close.as_bytes()) {
                self.at += close.len();
                let token = self.or_key(Token::String);
                self.push(start, self.at, token);
                return State::Code;
            }
            self.at += 1 + usize::from(escapes && rest[0] == b'\\');
        }
        self.at = self.code.len();
        self.push(start, self.at, Token::String);
        match is_long {
            true => State::String(number),
            false => State::Code,
        }
    }

    /// Whether no word stands before, but perhaps the letters that a text may have there.
    fn is_apart(&self, at: usize) -> bool {
        let before = self.code[..at].iter().rev();
        let mut letters = before.take(3).take_while(|byte| is_word(**byte));
        letters.all(|letter| b"bBfFrRuU".contains(letter))
    }

    /// Whether what follows the quote is one character and another quote.
    fn is_character(&self) -> bool {
        const LONGEST: usize = 12;
        let rest = &self.code[self.at..];
        let rest = &rest[..rest.len().min(LONGEST)];
        match rest {
            [b'\\', _, rest @ ..] => rest.contains(&b'\''),
            [first, rest @ ..] => {
                let more = rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
                *first != b'\'' && rest.get(more) == Some(&b'\'')
            }
            [] => false,
        }
    }

    fn number(&mut self) {
        let start = self.at;
        self.skip(|byte| is_word(byte) || byte == b'.');
        self.push(start, self.at, Token::Number);
    }

    fn word(&mut self) {
        let (language, start) = (self.language, self.at);
        self.skip(|byte| is_word(byte) || language.word_signs.contains(&byte));
        let before = start.checked_sub(1).map(|at| self.code[at]);
        let word = &self.code[start..self.at];
        let token = match before {
            Some(b'<' | b'/') if language.is_markup => Token::Keyword,
            _ if language.is_keyword(word) => Token::Keyword,
            _ if language.has_types && is_type(word) => Token::Type,
            _ if language.has_calls && self.code.get(self.at) == Some(&b'(') => Token::Function,
            _ => Token::Text,
        };
        let token = self.or_key(token);
        self.push(start, self.at, token);
    }

    /// A key, if its value follows.
    fn or_key(&self, token: Token) -> Token {
        let mut rest = self.code[self.at..].iter();
        let next = rest.find(|byte| **byte != b' ');
        match next == self.language.after_key.as_ref() && next.is_some() {
            true => Token::Key,
            false => token,
        }
    }

    fn skip(&mut self, is_meant: impl Fn(u8) -> bool) {
        let rest = self.code[self.at..].iter();
        self.at += rest.take_while(|byte| is_meant(**byte)).count();
    }

    fn push(&mut self, start: usize, end: usize, token: Token) {
        self.at = end;
        if token != Token::Text && start < end {
            self.pieces.push((start..end, token));
        }
    }
}

/// Bytes beyond ASCII are taken for letters: so no character is ever cut.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `Type`, but not `CONSTANT` nor `T1_X`.
fn is_type(word: &[u8]) -> bool {
    word[0].is_ascii_uppercase() && (word.len() == 1 || word.iter().any(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests;
