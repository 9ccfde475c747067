use super::*;

/// The code with each piece between brackets, after a letter for what it is.
fn marked(path: &str, code: &str) -> String {
    let language = Language::of_path(path).expect("a language");
    let mut state = State::default();
    let lines = code.lines().map(|line| {
        let (pieces, next) = scan(language, line.as_bytes(), state);
        state = next;
        let mut marked = line.to_owned();
        for (range, token) in pieces.into_iter().rev() {
            let letter = match token {
                Token::Text => 't',
                Token::Keyword => 'k',
                Token::Type => 'T',
                Token::Function => 'f',
                Token::Key => 'K',
                Token::String => 's',
                Token::Number => 'n',
                Token::Comment => 'c',
            };
            let text = &line[range.clone()];
            marked.replace_range(range, &format!("{letter}[{text}]"));
        }
        marked
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn words_are_told_apart_in_many_languages() {
    for (path, code, expected) in [
        (
            "src/main.rs",
            r#"fn a<'a>(x: &'a str) -> Vec<u8> { b("q\"q", 'x', '\n', 0x1F_u8) } // é"#,
            r#"k[fn] a<'a>(x: &'a k[str]) -> T[Vec]<k[u8]> { f[b](s["q\"q"], s['x'], s['\n'], n[0x1F_u8]) } c[// é]"#,
        ),
        (
            "a.rs",
            "/* a /* b\n*/ still\n*/ let x = r#\"a\"b\nc\"#;",
            "c[/* a /* b]\nc[*/ still]\nc[*/] k[let] x = s[r#\"a\"b]\ns[c\"#];",
        ),
        (
            "x/tool.py",
            "def f(a):\n    \"\"\"It's\n    here\"\"\"\n    return rb'x' + $x # no",
            "k[def] f[f](a):\n    s[\"\"\"It's]\ns[    here\"\"\"]\n    k[return] rbs['x'] + $x c[# no]",
        ),
        (
            "run.sh",
            "if [ $# -gt 0 ]; then echo it's '#' # it's",
            "k[if] [ $# -gt n[0] ]; k[then] k[echo] it's s['#'] c[# it's]",
        ),
        (
            "a.ts",
            "const a = `x ${b}\ny`; await Go('x')",
            "k[const] a = s[`x ${b}]\ns[y`]; k[await] T[Go](s['x'])",
        ),
        // A piece of a comment that began before what the diff shows.
        (
            "A.java",
            " * if so\n */\nint b;",
            " c[* if so]\n c[*/]\nk[int] b;",
        ),
        ("a.css", "* { a-b: 1px; }", "* { K[a-b]: n[1px]; }"),
        (
            ".ci/x.YAML",
            "- a-b: don't # x\n  \"c\": true",
            "- K[a-b]: don't c[# x]\n  K[\"c\"]: k[true]",
        ),
        ("Cargo.lock", "name = \"a\"", "K[name] = s[\"a\"]"),
        (
            "package.json",
            "{\"a\" : [1.5, null]}",
            "{K[\"a\"] : [n[1.5], k[null]]}",
        ),
        (
            "q.sql",
            "SELECT X from y -- z",
            "k[SELECT] X k[from] y c[-- z]",
        ),
        (
            "i.html",
            "<a href=\"x\">if</a> <!-- b\n-->",
            "<k[a] K[href]=s[\"x\"]>if</k[a]> c[<!-- b]\nc[-->]",
        ),
        (
            "README.md",
            "# It's\nuse `if` there",
            "k[# It's]\nuse s[`if`] there",
        ),
        ("Dockerfile.dev", "FROM a AS b", "k[FROM] a k[AS] b"),
    ] {
        assert_eq!(marked(path, code), expected, "{path}");
    }
    assert!(Language::of_path("src/LICENSE").is_none());
}

#[test]
fn no_bytes_trip_it_and_no_character_is_cut() {
    let hostile = "/*'\"`#\\é🙂\0<!--'''\"\"\"r#\"*/-->)]}0x1.e+5 * */ if A\u{301}b(";
    for file in language::files() {
        let language = Language::of_path(&format!("a.{file}")).expect("a language");
        for start in 0..hostile.len() {
            // In bytes, so that there are also halves of characters.
            for end in start..=hostile.len() {
                let code = &hostile.as_bytes()[start..end];
                let (_, state) = scan(language, code, State::Code);
                let (pieces, _) = scan(language, code, state);
                let mut last = 0;
                for (range, _) in pieces {
                    assert!(last <= range.start && range.end <= code.len(), "{file}");
                    last = range.end;
                }
            }
            let Some(text) = hostile.get(start..) else {
                continue;
            };
            let (pieces, _) = scan(language, text.as_bytes(), State::Code);
            let is_whole = |(range, _): &Piece| text.get(range.clone()).is_some();
            assert!(pieces.iter().all(is_whole), "{file}: {text:?}");
        }
    }
}
