//! The languages: what their comments, texts and words look like.

/// How a text begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    pub open: &'static str,
    pub close: &'static str,
    /// Whether a backslash takes the next character's meaning.
    pub escapes: bool,
    /// Whether it goes on in the next line.
    pub is_long: bool,
    /// Whether there is but one character in it, so that another one of these is none.
    pub is_character: bool,
}

const fn quote(sign: &'static str) -> Quote {
    Quote {
        open: sign,
        close: sign,
        escapes: true,
        is_long: false,
        is_character: false,
    }
}

const fn long(open: &'static str, close: &'static str) -> Quote {
    Quote {
        open,
        close,
        escapes: false,
        is_long: true,
        is_character: false,
    }
}

const DOUBLE: Quote = quote("\"");
const SINGLE: Quote = quote("'");
const CHARACTER: Quote = Quote {
    is_character: true,
    ..quote("'")
};
const TEMPLATE: Quote = Quote {
    escapes: true,
    ..long("`", "`")
};
const LONG_DOUBLE: Quote = Quote {
    escapes: true,
    ..long("\"\"\"", "\"\"\"")
};
const LONG_SINGLE: Quote = Quote {
    escapes: true,
    ..long("'''", "'''")
};

/// A language.
#[derive(Debug)]
pub(crate) struct Language {
    /// File names and what comes after the last dot in them, in small letters, between spaces.
    files: &'static str,
    /// Between spaces.
    keywords: &'static str,
    ignores_case: bool,
    pub(super) line_comments: &'static [&'static str],
    pub(super) block_comment: Option<(&'static str, &'static str)>,
    /// Whether a comment in a comment has its own end.
    pub(super) nests: bool,
    /// The longer ones first.
    pub(super) quotes: &'static [Quote],
    /// What is part of a word, but not its first character.
    pub(super) word_signs: &'static [u8],
    /// What stands between a key and its value.
    pub(super) after_key: Option<u8>,
    /// Whether words with a capital are types.
    pub(super) has_types: bool,
    pub(super) has_calls: bool,
    pub(super) has_headings: bool,
    pub(super) is_markup: bool,
}

impl Language {
    /// The language of a file, by its name.
    pub fn of_path(path: &str) -> Option<&'static Self> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let stem = name.split('.').next().unwrap_or_default();
        let is_it = |language: &&Self| {
            let files = || language.files.split(' ');
            files().any(|file| Some(file) == extension || file == name)
        };
        let by_name = || {
            LANGUAGES
                .iter()
                .find(|it| it.files.split(' ').any(|file| file == stem))
        };
        LANGUAGES.iter().find(is_it).or_else(|| match stem {
            // `Dockerfile.dev`, `Makefile.am`
            "dockerfile" | "containerfile" | "makefile" => by_name(),
            _ => None,
        })
    }

    /// Whether long comments have a star on each line, as in C.
    pub(super) fn is_starred(&self) -> bool {
        self.block_comment == C_COMMENT && self.after_key.is_none()
    }

    pub(super) fn is_keyword(&self, word: &[u8]) -> bool {
        const LONGEST: usize = 20;
        let is_it = |keyword: &str| match self.ignores_case {
            true => keyword.as_bytes().eq_ignore_ascii_case(word),
            false => keyword.as_bytes() == word,
        };
        word.len() <= LONGEST && self.keywords.split(' ').any(is_it)
    }
}

const C_COMMENT: Option<(&str, &str)> = Some(("/*", "*/"));

/// Most of those that look like C.
const C_LIKE: Language = Language {
    files: "",
    keywords: "",
    ignores_case: false,
    line_comments: &["//"],
    block_comment: C_COMMENT,
    nests: false,
    quotes: &[DOUBLE, CHARACTER],
    word_signs: b"",
    after_key: None,
    has_types: true,
    has_calls: true,
    has_headings: false,
    is_markup: false,
};

/// Most of those whose comments begin with `#`.
const SCRIPT: Language = Language {
    line_comments: &["#"],
    block_comment: None,
    quotes: &[DOUBLE, SINGLE],
    ..C_LIKE
};

/// Keys and values.
const DATA: Language = Language {
    keywords: "true false null yes no on off",
    word_signs: b"-._/",
    after_key: Some(b':'),
    has_types: false,
    has_calls: false,
    ..SCRIPT
};

static LANGUAGES: [Language; 30] = [
    Language {
        files: "rs",
        keywords: "as async await box break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type union unsafe use where while bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize",
        nests: true,
        quotes: &[
            long("r##\"", "\"##"),
            long("r#\"", "\"#"),
            long("r\"", "\""),
            DOUBLE,
            CHARACTER,
        ],
        ..C_LIKE
    },
    Language {
        files: "py pyi pyx bzl bazel sconstruct",
        keywords: "and as assert async await break case class continue def del elif else except False finally for from global if import in is lambda match None nonlocal not or pass raise return self True try while with yield",
        quotes: &[LONG_DOUBLE, LONG_SINGLE, DOUBLE, SINGLE],
        ..SCRIPT
    },
    Language {
        files: "js jsx mjs cjs ts tsx mts cts",
        keywords: "abstract any as async await boolean break case catch class const constructor continue debugger declare default delete do else enum export extends false finally for from function get if implements import in instanceof interface let namespace never new null number of private protected public readonly return satisfies set static string super switch symbol this throw true try type typeof undefined unknown var void while with yield",
        quotes: &[TEMPLATE, DOUBLE, SINGLE],
        word_signs: b"$",
        ..C_LIKE
    },
    Language {
        files: "go",
        keywords: "any bool break byte case chan const continue default defer else error fallthrough false float32 float64 for func go goto if import int int8 int16 int32 int64 interface iota map nil package range return rune select string struct switch true type uint uint8 uint16 uint32 uint64 uintptr var",
        quotes: &[long("`", "`"), DOUBLE, CHARACTER],
        ..C_LIKE
    },
    Language {
        files: "c h cc cpp cxx hh hpp hxx ino cu m mm",
        keywords: "alignas alignof auto bool break case catch char class concept const consteval constexpr constinit continue co_await co_return co_yield decltype default define delete do double elif else endif enum error explicit export extern false final float for friend goto if ifdef ifndef include inline int long mutable namespace new noexcept nullptr operator override pragma private protected public register requires restrict return short signed sizeof static struct switch template this throw true try typedef typename undef union unsigned using virtual void volatile wchar_t while",
        ..C_LIKE
    },
    Language {
        files: "java groovy gradle",
        keywords: "abstract assert boolean break byte case catch char class const continue def default do double else enum extends false final finally float for if implements import instanceof int interface long native new null package permits private protected public record return sealed short static super switch synchronized this throw throws transient true try var void volatile while yield",
        quotes: &[LONG_DOUBLE, DOUBLE, CHARACTER],
        ..C_LIKE
    },
    Language {
        files: "kt kts",
        keywords: "abstract actual annotation as break by class companion const constructor continue crossinline data do else enum expect external false final finally for fun get if import in infix init inline inner interface internal is lateinit null object open operator out override package private protected public return sealed set super suspend this throw true try typealias val var vararg when where while",
        nests: true,
        quotes: &[LONG_DOUBLE, DOUBLE, CHARACTER],
        ..C_LIKE
    },
    Language {
        files: "swift",
        keywords: "actor any as associatedtype async await break case catch class continue default defer deinit do else enum extension fallthrough false fileprivate final for func get guard if import in init inout internal is lazy let mutating nil open operator override private protocol public repeat rethrows return self Self set some static struct subscript super switch throw throws true try typealias var weak where while",
        nests: true,
        quotes: &[LONG_DOUBLE, DOUBLE],
        ..C_LIKE
    },
    Language {
        files: "cs csx",
        keywords: "abstract as async await base bool break byte case catch char checked class const continue decimal default delegate do double else enum event explicit extern false finally fixed float for foreach get global if implicit in init int interface internal is lock long namespace new null object operator out override params partial private protected public readonly record ref return sbyte sealed set short sizeof stackalloc static string struct switch this throw true try typeof uint ulong unchecked unsafe ushort using var virtual void volatile when where while yield",
        quotes: &[LONG_DOUBLE, DOUBLE, CHARACTER],
        ..C_LIKE
    },
    Language {
        files: "scala sc sbt",
        keywords: "abstract case catch class def do else enum export extends extension false final finally for given if implicit import inline lazy match new null object opaque override package private protected return sealed super then this throw trait true try type using val var while with yield",
        nests: true,
        quotes: &[LONG_DOUBLE, DOUBLE, CHARACTER],
        ..C_LIKE
    },
    Language {
        files: "dart",
        keywords: "abstract as assert async await base bool break case catch class const continue covariant default do double dynamic else enum export extends extension external factory false final finally for get if implements import in int interface is late library mixin new null on operator part required rethrow return sealed set static super switch this throw true try typedef var void when while with yield",
        quotes: &[LONG_DOUBLE, LONG_SINGLE, DOUBLE, SINGLE],
        ..C_LIKE
    },
    Language {
        files: "zig",
        keywords: "align allowzero and anytype asm async await bool break callconv catch comptime const continue defer else enum errdefer error export extern false fn for if inline noalias null opaque or orelse packed pub resume return struct suspend switch test threadlocal true try type undefined union unreachable usingnamespace usize var void volatile while",
        block_comment: None,
        ..C_LIKE
    },
    Language {
        files: "php phtml",
        keywords: "abstract and array as break callable case catch class clone const continue declare default do echo else elseif enum extends false final finally fn for foreach function global goto if implements include include_once instanceof insteadof interface match namespace new null or print private protected public readonly require require_once return self static switch this throw trait true try use var while xor yield",
        line_comments: &["//", "#"],
        quotes: &[DOUBLE, SINGLE],
        ..C_LIKE
    },
    Language {
        files: "rb rake gemspec gemfile rakefile podfile ru",
        keywords: "alias and begin break case class def defined do else elsif end ensure extend false for if in include module next nil not or private protected public raise redo require require_relative rescue retry return self super then true undef unless until when while yield",
        ..SCRIPT
    },
    Language {
        files: "ex exs",
        keywords: "after alias and case catch cond def defdelegate defguard defimpl defmacro defmodule defp defprotocol defstruct do else end false fn for if import in nil not or quote raise receive require rescue super true try unless unquote use when with",
        quotes: &[LONG_DOUBLE, DOUBLE, SINGLE],
        ..SCRIPT
    },
    Language {
        files: "sh bash zsh ksh fish bashrc zshrc profile envrc",
        keywords: "alias break case cd continue declare do done echo elif else esac eval exec exit export fi for function if in local printf read readonly return select set shift source test then time trap unset until while",
        word_signs: b"-",
        has_types: false,
        ..SCRIPT
    },
    Language {
        files: "pl pm r",
        keywords: "break else elsif false for foreach function if in last local my next no our package print repeat return sub true undef unless until use while FALSE NULL TRUE",
        has_types: false,
        ..SCRIPT
    },
    Language {
        files: "dockerfile containerfile",
        keywords: "ADD ARG AS CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR",
        has_types: false,
        ..SCRIPT
    },
    Language {
        files: "makefile mk mak cmake",
        keywords: "define else endef endif export ifdef ifeq ifndef ifneq include override unexport if endforeach endfunction foreach function set",
        word_signs: b"-.",
        after_key: Some(b':'),
        has_types: false,
        has_calls: false,
        ..SCRIPT
    },
    Language {
        files: "tf hcl nix",
        keywords: "assert data else false for if in inherit let locals module null output provider rec resource terraform then true variable with",
        block_comment: C_COMMENT,
        word_signs: b"-",
        after_key: Some(b'='),
        has_types: false,
        quotes: &[long("''", "''"), DOUBLE],
        ..SCRIPT
    },
    Language {
        files: "sql psql ddl",
        keywords: "add all alter and as asc begin between bigint blob boolean by case check collate column commit constraint create cross default delete desc distinct drop else end except exists explain false foreign from full group having if in index inner insert int integer intersect into is join key left like limit not null numeric offset on or order outer partition primary references returning right rollback select set table text then timestamp transaction true union unique update using values varchar view when where with",
        ignores_case: true,
        line_comments: &["--"],
        has_types: false,
        quotes: &[SINGLE, DOUBLE],
        ..C_LIKE
    },
    Language {
        files: "lua",
        keywords: "and break do else elseif end false for function goto if in local nil not or repeat return then true until while",
        line_comments: &["--"],
        block_comment: Some(("--[[", "]]")),
        quotes: &[long("[[", "]]"), DOUBLE, SINGLE],
        has_types: false,
        ..C_LIKE
    },
    Language {
        files: "hs elm purs",
        keywords: "as case class data deriving do else exposing forall foreign hiding if import in infix infixl infixr instance let module newtype of port qualified then type where",
        line_comments: &["--"],
        block_comment: Some(("{-", "-}")),
        nests: true,
        word_signs: b"'",
        has_calls: false,
        ..C_LIKE
    },
    Language {
        files: "proto graphql gql thrift",
        keywords: "bool bytes enum extend extends false import input int32 int64 interface map message mutation oneof option optional package query repeated required reserved returns rpc schema service string struct syntax true type uint32 uint64 union",
        line_comments: &["//", "#"],
        quotes: &[LONG_DOUBLE, DOUBLE, SINGLE],
        ..C_LIKE
    },
    Language {
        files: "json jsonc json5 webmanifest ipynb",
        line_comments: &["//"],
        quotes: &[DOUBLE],
        ..DATA
    },
    Language {
        files: "yaml yml clang-format",
        ..DATA
    },
    Language {
        files: "toml ini cfg conf properties lock editorconfig gitconfig env",
        line_comments: &["#", ";"],
        after_key: Some(b'='),
        quotes: &[LONG_DOUBLE, LONG_SINGLE, DOUBLE, SINGLE],
        ..DATA
    },
    Language {
        files: "css scss sass less",
        keywords: "auto important inherit initial none unset",
        line_comments: &["//"],
        block_comment: C_COMMENT,
        word_signs: b"-",
        has_calls: true,
        ..DATA
    },
    Language {
        files: "html htm xml svg vue svelte xhtml xsd xsl plist csproj",
        keywords: "",
        line_comments: &[],
        block_comment: Some(("<!--", "-->")),
        quotes: &[DOUBLE],
        word_signs: b"-:",
        after_key: Some(b'='),
        is_markup: true,
        ..DATA
    },
    // Prose: headings, and code in it.
    Language {
        files: "md markdown mdx rst",
        line_comments: &[],
        block_comment: Some(("<!--", "-->")),
        quotes: &[long("```", "```"), quote("`")],
        has_types: false,
        has_calls: false,
        has_headings: true,
        ..SCRIPT
    },
];

/// A file name of each language.
#[cfg(test)]
pub(super) fn files() -> impl Iterator<Item = String> {
    let first = |language: &Language| language.files.split(' ').next().map(str::to_owned);
    LANGUAGES.iter().filter_map(first)
}
