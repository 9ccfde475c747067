//! In which environment a task is to run: the one that the message names, else the one whose name fits its words best, else the one that was
//! used last; else somebody has to say.

/// An environment that the administrators offer here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Where its first repository is.
    pub repository: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Chosen {
        /// Its id.
        id: String,
        /// For people: why this one.
        why: String,
    },
    /// Somebody has to choose.
    Ask {
        /// The ids to choose from, the likely ones first.
        from: Vec<String>,
        /// For people: why it is not clear.
        why: String,
    },
    /// There is none to choose from.
    Nothing,
}

/// Chooses. `named` is the name that the message gives before its text; `recent` are the ids that the user, then others in the channel, used,
/// the newest first.
pub fn choose(
    named: Option<&str>,
    text: &str,
    candidates: &[Candidate],
    recent: &[String],
) -> Choice {
    if candidates.is_empty() {
        return Choice::Nothing;
    }
    if let Some(named) = named {
        return by_name(named, candidates);
    }
    if let [only] = candidates {
        return chosen(only, "it is the only one here".to_owned());
    }
    let mentioned: Vec<&Candidate> = candidates
        .iter()
        .filter(|one| one.names().iter().any(|name| has_word(text, name)))
        .collect();
    if let [one] = mentioned[..] {
        return chosen(one, "the message names it".to_owned());
    }
    let among = match mentioned.is_empty() {
        // It names several: which of their words are rarer says nothing.
        false => mentioned,
        true => {
            let best = best(text, candidates);
            if let ([one], Some(word)) = (&best.among[..], &best.word) {
                return chosen(one, format!("its name has `{word}`, as the message does"));
            }
            best.among
        }
    };
    let last = recent
        .iter()
        .find_map(|id| among.iter().find(|one| one.id == *id));
    if let Some(last) = last {
        return chosen(last, "it was used here last".to_owned());
    }
    let why = match among.len() == candidates.len() {
        true => "The message does not say in which environment.".to_owned(),
        false => "The message fits more than one environment.".to_owned(),
    };
    Choice::Ask {
        from: among.iter().map(|one| one.id.clone()).collect(),
        why,
    }
}

fn chosen(one: &Candidate, why: String) -> Choice {
    Choice::Chosen {
        id: one.id.clone(),
        why,
    }
}

fn by_name(named: &str, candidates: &[Candidate]) -> Choice {
    let same = |a: &str| a.to_lowercase() == named.to_lowercase();
    // A label is unique; a repository may have several environments.
    if let Some(one) = candidates
        .iter()
        .find(|one| same(&one.label) || one.id == named)
    {
        return chosen(one, "the message names it".to_owned());
    }
    let wanted = place(named);
    let of_repository: Vec<&Candidate> = candidates
        .iter()
        .filter(|one| place(&one.repository) == wanted || one.names().iter().any(|name| same(name)))
        .collect();
    match &of_repository[..] {
        [one] => chosen(one, "the message names its repository".to_owned()),
        [] => Choice::Ask {
            from: candidates.iter().map(|one| one.id.clone()).collect(),
            why: "No environment here has that name.".to_owned(),
        },
        several => Choice::Ask {
            from: several.iter().map(|one| one.id.clone()).collect(),
            why: "That repository has more than one environment.".to_owned(),
        },
    }
}

impl Candidate {
    /// What a message can call it: its label, and its repository with and without who has it.
    fn names(&self) -> Vec<String> {
        let place = place(&self.repository);
        let mut parts = place.rsplit('/');
        let mut names = vec![self.label.clone(), place.clone()];
        if let Some(name) = parts.next() {
            names.push(name.to_owned());
            if let Some(owner) = parts.next().filter(|owner| !owner.is_empty()) {
                names.push(format!("{owner}/{name}"));
            }
        }
        names.retain(|name| name.chars().count() > 1);
        names
    }

    /// The words of its label and its repository's path.
    fn words(&self) -> Vec<String> {
        let place = place(&self.repository);
        let path = place.split_once('/').map_or("", |(_, path)| path);
        words(&format!("{} {path}", self.label))
    }
}

/// Host and path of a repository's address, however it is written.
fn place(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    let address = address.strip_suffix(".git").unwrap_or(address);
    let rest = match address.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        // `git@host:path`
        None => match address.split_once(':') {
            Some((host, path)) if !host.contains('/') => format!("{host}/{path}"),
            _ => address.to_owned(),
        },
    };
    let rest = match rest.split_once('/') {
        Some((host, path)) => {
            let host = host.rsplit('@').next().unwrap_or(host);
            format!("{host}/{}", path.trim_start_matches('/'))
        }
        None => rest,
    };
    rest.to_lowercase()
}

/// Whether the text has the name as a word of its own, in whatever case.
fn has_word(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_part = |c: char| c.is_alphanumeric() || "_-/".contains(c);
    text.match_indices(&name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + name.len()..].chars();
        let (next, further) = (after.next(), after.next());
        let goes_on = match next {
            // `app.rs` is not `app`; a full stop ends a sentence.
            Some('.') => further.is_some_and(char::is_alphanumeric),
            Some(next) => is_part(next),
            None => false,
        };
        !before.is_some_and(|c| is_part(c) || c == '.') && !goes_on
    })
}

/// Words that say nothing.
const EMPTY: &[&str] = &[
    "the",
    "and",
    "for",
    "with",
    "that",
    "this",
    "from",
    "into",
    "not",
    "are",
    "was",
    "all",
    "any",
    "can",
    "our",
    "you",
    "please",
    "fix",
    "add",
    "repo",
    "repository",
    "environment",
    "env",
    "git",
];

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut words: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 2 && !EMPTY.contains(word))
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
}

struct Best<'a> {
    among: Vec<&'a Candidate>,
    /// The rarest word that they share with the text.
    word: Option<String>,
}

/// Those whose words are in the text most; a word counts less the more environments have it.
fn best<'a>(text: &str, all: &'a [Candidate]) -> Best<'a> {
    let said = words(text);
    let having = |word: &str| {
        all.iter()
            .filter(|one| one.words().iter().any(|own| own == word))
            .count()
    };
    let scored: Vec<(usize, Option<String>, &Candidate)> = all
        .iter()
        .map(|one| {
            let shared: Vec<(usize, String)> = one
                .words()
                .into_iter()
                .filter(|word| said.contains(word))
                .map(|word| (having(&word), word))
                // A word that all have tells nothing apart.
                .filter(|(count, _)| *count < all.len())
                .collect();
            let score = shared.iter().map(|(count, _)| 1000 / count).sum();
            let rarest = shared.into_iter().min().map(|(_, word)| word);
            (score, rarest, one)
        })
        .collect();
    let most = scored.iter().map(|(score, _, _)| *score).max().unwrap_or(0);
    let at_top: Vec<_> = scored
        .into_iter()
        .filter(|(score, _, _)| *score == most)
        .collect();
    Best {
        word: at_top.first().and_then(|(_, word, _)| word.clone()),
        among: at_top.into_iter().map(|(_, _, one)| one).collect(),
    }
}
