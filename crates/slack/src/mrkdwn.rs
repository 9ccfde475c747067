//! An agent's Markdown in Slack's mrkdwn. It is a stranger's text: it calls nobody (`<!channel>` and `<@U…>` are only what Slack reads, not what
//! is written here), and an address stands beside its name, so that none hides behind another.

/// A text in which Slack finds nothing to act on.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '\n' | '\t' => out.push(c),
        c if c.is_control() || is_bidi(c) => out.push('\u{fffd}'),
        c => out.push(c),
    }
}

/// Characters that turn the direction of what follows, by which a text looks like another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A fence of code.
pub(crate) const FENCE: &str = "```";

/// Markdown in mrkdwn.
pub fn from_markdown(markdown: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        let trimmed = line.trim_start();
        let marks = trimmed.chars().take_while(|&c| c == '`').count();
        let tildes = trimmed.chars().take_while(|&c| c == '~').count();
        let mark = match (marks >= 3, tildes >= 3) {
            (true, _) => Some("`".repeat(marks)),
            (_, true) => Some("~".repeat(tildes)),
            _ => None,
        };
        match (&fence, mark) {
            (None, Some(mark)) => {
                fence = Some(mark);
                out.push(FENCE.to_owned());
            }
            (Some(open), Some(mark))
                if mark.starts_with(open.as_str()) && trimmed.trim_end() == mark =>
            {
                fence = None;
                out.push(FENCE.to_owned());
            }
            // A fence within one would end it for Slack.
            (Some(_), _) => out.push(escaped(line).replace(FENCE, "`\u{200b}`\u{200b}`")),
            (None, None) => out.extend(line_of(line)),
        }
    }
    if fence.is_some() {
        out.push(FENCE.to_owned());
    }
    let text = out.join("\n");
    text.trim_matches('\n').to_owned()
}

fn line_of(line: &str) -> Option<String> {
    let indent = line.len() - line.trim_start().len();
    let (space, rest) = line.split_at(indent);
    let space = space.replace('\t', "    ");
    let hashes = rest.chars().take_while(|&c| c == '#').count();
    if (1..=6).contains(&hashes)
        && let Some(heading) = rest[hashes..].strip_prefix(' ')
    {
        let heading = heading.trim().trim_end_matches('#').trim_end();
        let plain = inline(heading).replace('*', "");
        return Some(match plain.is_empty() {
            true => String::new(),
            false => format!("*{plain}*"),
        });
    }
    let is_rule = rest.len() >= 3
        && (rest.chars().all(|c| c == '-' || c == ' ')
            || rest.chars().all(|c| c == '*' || c == ' ')
            || rest.chars().all(|c| c == '_'));
    if is_rule {
        return None;
    }
    for bullet in ["- [ ] ", "* [ ] "] {
        if let Some(item) = rest.strip_prefix(bullet) {
            return Some(format!("{space}☐ {}", inline(item)));
        }
    }
    for bullet in ["- [x] ", "- [X] ", "* [x] "] {
        if let Some(item) = rest.strip_prefix(bullet) {
            return Some(format!("{space}☑ {}", inline(item)));
        }
    }
    for bullet in ["- ", "* ", "+ "] {
        if let Some(item) = rest.strip_prefix(bullet) {
            return Some(format!("{space}• {}", inline(item)));
        }
    }
    if let Some(quoted) = rest.strip_prefix('>') {
        let quoted = quoted.strip_prefix(' ').unwrap_or(quoted);
        return Some(format!("> {}", inline(quoted)));
    }
    Some(format!("{space}{}", inline(rest)))
}

/// Emphasis, code and links within a line.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        let step = piece(rest, before);
        match step {
            Some((shown, length)) => {
                out += &shown;
                before = rest[..length].chars().next_back();
                rest = &rest[length..];
            }
            None => {
                push_escaped(&mut out, c);
                before = Some(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// What begins here, as Slack writes it, and how long it is in the source.
fn piece(rest: &str, before: Option<char>) -> Option<(String, usize)> {
    if rest.starts_with('`') {
        return code(rest);
    }
    if let Some(after) = rest.strip_prefix('\\') {
        let next = after.chars().next().filter(char::is_ascii_punctuation)?;
        return Some((escaped(&next.to_string()), 2));
    }
    if let Some((shown, length)) = rest.strip_prefix('!').and_then(link) {
        return Some((shown, length + 1));
    }
    if rest.starts_with('[') {
        return link(rest);
    }
    if let Some(after) = rest.strip_prefix('<')
        && let Some((inside, _)) = after.split_once('>')
        && (inside.starts_with("https://") || inside.starts_with("http://"))
        && !inside.contains(char::is_whitespace)
    {
        return Some((escaped(inside), inside.len() + 2));
    }
    let is_in_word = before.is_some_and(char::is_alphanumeric);
    for (mark, slack) in [
        ("***", "*_"),
        ("**", "*"),
        ("__", "*"),
        ("~~", "~"),
        ("*", "_"),
        ("_", "_"),
    ] {
        // Slack knows no emphasis within a word.
        let is_single = mark == "*" || mark.starts_with('_');
        if !rest.starts_with(mark) || (is_single && is_in_word) {
            continue;
        }
        if let Some(found) = emphasis(rest, mark, slack) {
            return Some(found);
        }
    }
    None
}

fn emphasis(rest: &str, mark: &str, slack: &str) -> Option<(String, usize)> {
    let after = &rest[mark.len()..];
    if after.starts_with(char::is_whitespace) || after.starts_with('*') {
        return None;
    }
    let mut from = 0;
    loop {
        let at = from + after.get(from..)?.find(mark)?;
        let inside = &after[..at];
        let beyond = &after[at + mark.len()..];
        let goes_on = inside.is_empty()
            || inside.ends_with(char::is_whitespace)
            || inside.ends_with('\\')
            || (mark.starts_with('_') && beyond.starts_with(char::is_alphanumeric))
            || (mark == "*" && beyond.starts_with('*'));
        if !goes_on {
            let back: String = slack.chars().rev().collect();
            let shown = format!("{slack}{}{back}", inline(inside));
            return Some((shown, 2 * mark.len() + at));
        }
        // On to the next mark; a `**` within `*…*` is stepped over whole.
        from = at + mark.len();
    }
}

fn code(rest: &str) -> Option<(String, usize)> {
    let marks = rest.chars().take_while(|&c| c == '`').count();
    let fence = &rest[..marks];
    let after = &rest[marks..];
    let mut from = 0;
    loop {
        let at = from + after[from..].find(fence)?;
        let run = after[at..].chars().take_while(|&c| c == '`').count();
        if run == marks {
            let inside = after[..at].trim();
            // Slack has no way to show one in code.
            let inside = escaped(inside).replace('`', "'");
            let shown = match inside.is_empty() {
                true => String::new(),
                false => format!("`{inside}`"),
            };
            return Some((shown, 2 * marks + at));
        }
        from = at + run;
    }
}

/// `[name](address)`: both, since the name may say something else.
fn link(rest: &str) -> Option<(String, usize)> {
    let inside = rest.strip_prefix('[')?;
    let (name, after) = inside.split_once(']')?;
    let target = after.strip_prefix('(')?;
    let (target, _) = target.split_once(')')?;
    let length = name.len() + target.len() + 4;
    let address = target.split_whitespace().next().unwrap_or_default();
    let shown = match (name.trim(), address) {
        (name, "") => inline(name),
        ("", address) => escaped(address),
        (name, address) if name == address => escaped(address),
        (name, address) => format!("{} ({})", inline(name), escaped(address)),
    };
    Some((shown, length))
}
