//! What a message asks for. There are no slash commands: a word alone is a command, everything else is for the agent.

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// How far it is.
    Status,
    /// Stop.
    Cancel,
    /// The result may leave.
    Approve {
        /// Why.
        text: Option<String>,
    },
    /// It may not.
    Reject {
        /// Why.
        text: Option<String>,
    },
    /// The newest turn once more.
    Retry,
    /// What was changed.
    Diff,
    /// A branch and a pull request of the result.
    PullRequest,
    /// How to use it.
    Help,
    /// A task, a follow-up or an answer: what, and in which environment if the text begins with `in NAME:`.
    Say {
        /// The name as it was written.
        environment: Option<String>,
        /// The rest.
        text: String,
    },
    /// Only the name was called.
    Nothing,
}

/// The longest name after `in `.
const NAME_CHARS: usize = 200;

/// Whether the text calls that user.
pub fn calls(text: &str, user: &str) -> bool {
    tokens(text).any(|token| matches!(token, Token::Angle(inside) if is_user(inside, user)))
}

/// Whether the text begins by calling somebody else: then it is not for the app.
pub fn begins_with_another(text: &str, us: Option<&str>) -> bool {
    let text = text.trim_start();
    let first = tokens(text).next();
    match first {
        Some(Token::Angle(inside)) if inside.starts_with('@') => {
            us.is_none_or(|us| !is_user(inside, us))
        }
        Some(Token::Angle(inside)) => inside.starts_with('!'),
        Some(Token::Text(_)) | None => false,
    }
}

/// Reads a message. `us` is the app's own user, whose name is taken out; `names` says what other users are called.
pub fn read(text: &str, us: Option<&str>, names: impl Fn(&str) -> Option<String>) -> Wish {
    let plain = plain(text, us, names);
    let plain = plain.trim();
    if plain.is_empty() {
        return Wish::Nothing;
    }
    if let Some(wish) = command(plain) {
        return wish;
    }
    match environment(plain) {
        Some((name, rest)) => Wish::Say {
            environment: Some(name),
            text: rest,
        },
        None => Wish::Say {
            environment: None,
            text: plain.to_owned(),
        },
    }
}

/// A message as a person sees it: without the app's name, entities undone, names in place of ids, addresses as they are.
pub fn plain(text: &str, us: Option<&str>, names: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    for token in tokens(text) {
        match token {
            Token::Text(text) => out += &unescaped(text),
            Token::Angle(inside) => {
                if us.is_some_and(|us| is_user(inside, us)) {
                    // `<@U1>: do this`
                    continue;
                }
                out += &unescaped(&shown(inside, &names));
            }
        }
    }
    let out = out.trim();
    let out = out.strip_prefix([':', ',']).unwrap_or(out);
    out.trim().to_owned()
}

/// A piece of a text: plain, or what stands between `<` and `>`, which in plain text is an entity.
#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    Text(&'a str),
    Angle(&'a str),
}

fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(after) = rest.strip_prefix('<')
            && let Some((inside, after)) = after.split_once('>')
        {
            rest = after;
            return Some(Token::Angle(inside));
        }
        // Also a `<` that nothing closes.
        let from = usize::from(rest.starts_with('<'));
        let end = rest[from..].find('<').map_or(rest.len(), |at| from + at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(Token::Text(piece))
    })
}

fn is_user(inside: &str, user: &str) -> bool {
    let Some(id) = inside.strip_prefix('@') else {
        return false;
    };
    id.split('|').next() == Some(user)
}

/// `@U1|ada`, `#C1|general`, `!here`, `!subteam^S1|@team`, `!date^…|then`, `https://…|there`, as people see it.
fn shown(inside: &str, names: &impl Fn(&str) -> Option<String>) -> String {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (inside, None),
    };
    let label = label.filter(|label| !label.is_empty());
    if let Some(user) = target.strip_prefix('@') {
        let name = names(user).or_else(|| label.map(str::to_owned));
        return format!("@{}", name.unwrap_or_else(|| user.to_owned()));
    }
    if let Some(channel) = target.strip_prefix('#') {
        return format!("#{}", label.unwrap_or(channel));
    }
    if let Some(special) = target.strip_prefix('!') {
        let word = special.split('^').next().unwrap_or(special);
        return match label {
            Some(label) => label.to_owned(),
            None => format!("@{word}"),
        };
    }
    // The address counts, not what it is called; Slack calls `example.com` an address by itself.
    let address = target.strip_prefix("mailto:").unwrap_or(target);
    match label {
        Some(label) if !address.contains(label) => format!("{label} ({address})"),
        Some(_) | None => address.to_owned(),
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// A text that is a command and nothing else.
fn command(text: &str) -> Option<Wish> {
    let bare = text.trim_end_matches(['.', '!', '?', ' ']);
    let words = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(match words.to_lowercase().as_str() {
        "status" | "how far is it" => Wish::Status,
        "cancel" | "stop" => Wish::Cancel,
        "approve" | "approved" | "lgtm" => Wish::Approve { text: None },
        "reject" | "rejected" => Wish::Reject { text: None },
        "retry" | "try again" => Wish::Retry,
        "diff" | "show diff" | "show the diff" => Wish::Diff,
        "pr"
        | "pull request"
        | "open pr"
        | "open a pr"
        | "open pull request"
        | "open a pull request" => Wish::PullRequest,
        "help" => Wish::Help,
        _ => return with_reason(text),
    })
}

/// `approve: …` and `reject: …`.
fn with_reason(text: &str) -> Option<Wish> {
    let (word, reason) = text.split_once(':')?;
    let reason = reason.trim();
    let text = (!reason.is_empty()).then(|| reason.to_owned());
    match word.trim().to_lowercase().as_str() {
        "approve" => Some(Wish::Approve { text }),
        "reject" => Some(Wish::Reject { text }),
        _ => None,
    }
}

/// `in NAME: rest`. A name may hold colons (an address does): the one that a space or a new line follows ends it.
fn environment(text: &str) -> Option<(String, String)> {
    let after = text
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("in "))
        .map(|_| &text[3..])?;
    let line = after.lines().next().unwrap_or_default();
    let ends = |at: &usize| {
        line[at + 1..]
            .chars()
            .next()
            .is_none_or(char::is_whitespace)
    };
    let at = line.match_indices(':').map(|(at, _)| at).find(ends)?;
    let name = line[..at].trim().trim_matches('`');
    let rest = after[at + 1..].trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS && !rest.is_empty();
    fits.then(|| (name.to_owned(), rest.to_owned()))
}
