//! Messages of Block Kit: what people read and press. Every text is escaped and every length is within what Slack takes; what is longer is cut,
//! and says so.

use serde_json::{Value, json};

use crate::inbound::Place;
use crate::interaction::{OpenedBy, TEXT_ACTION, TEXT_BLOCK};
use crate::mrkdwn::{FENCE, escaped, from_markdown};

/// What the `action_id`s of our buttons begin with.
pub const ACTION_PREFIX: &str = "outwork.";
/// The `callback_id` of our forms.
pub const FORM: &str = "outwork_form";

/// Slack takes 3,000 characters in a section, and 50 blocks.
const SECTION_CHARS: usize = 3000;
/// Sections of an agent's words in one message.
const SECTIONS: usize = 4;
/// Slack shows about 4,000 characters of a message without blocks, and notifications show less.
const TEXT_CHARS: usize = 3000;
const BUTTON_CHARS: usize = 75;
const VALUE_CHARS: usize = 2000;
const TITLE_CHARS: usize = 200;
/// Buttons in one block: Slack takes 25, people fewer.
const CHOICES: usize = 20;

/// A message: what notifications and screen readers have, and what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// In mrkdwn.
    pub text: String,
    /// Block Kit.
    pub blocks: Value,
}

/// The buttons that Outwork's messages have; the name is the rest of the `action_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Opens the task's page; Slack tells of it all the same.
    Open,
    /// Opens a form for a follow-up.
    FollowUp,
    /// Opens a form for an answer.
    Answer,
    /// Publishes the result as a branch and a pull request.
    PullRequest,
    /// Stops the task.
    Cancel,
    /// Approves the result.
    Approve,
    /// Rejects it.
    Reject,
    /// The newest turn once more.
    Retry,
    /// The environment of a task that was asked for.
    Environment,
}

impl Button {
    const ALL: [Self; 9] = [
        Self::Open,
        Self::FollowUp,
        Self::Answer,
        Self::PullRequest,
        Self::Cancel,
        Self::Approve,
        Self::Reject,
        Self::Retry,
        Self::Environment,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::FollowUp => "follow_up",
            Self::Answer => "answer",
            Self::PullRequest => "pull_request",
            Self::Cancel => "cancel",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Retry => "retry",
            Self::Environment => "environment",
        }
    }

    /// The one of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::FollowUp => "Follow up",
            Self::Answer => "Answer",
            Self::PullRequest => "Open a pull request",
            Self::Cancel => "Cancel",
            Self::Approve => "Approve",
            Self::Reject => "Reject",
            Self::Retry => "Try again",
            Self::Environment => "Choose",
        }
    }

    fn style(self) -> Option<&'static str> {
        match self {
            Self::Answer | Self::Approve => Some("primary"),
            Self::Cancel | Self::Reject => Some("danger"),
            Self::Open | Self::FollowUp | Self::PullRequest | Self::Retry | Self::Environment => {
                None
            }
        }
    }
}

/// A task as a thread shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card<'a> {
    /// The task's id; buttons carry it.
    pub task: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its page.
    pub url: &'a str,
    /// The environment's label.
    pub environment: &'a str,
    /// Why that environment.
    pub why: Option<&'a str>,
    /// 1, 2, …
    pub turn: u32,
    /// Whether nothing of the task but its link and state is shown.
    pub link_only: bool,
}

/// How far a turn is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It waits for a worker.
    Waiting {
        /// For what.
        why: Option<&'a str>,
    },
    /// It runs.
    Running {
        /// Which step.
        step: &'a str,
    },
    /// The agent asked something, in a message of its own.
    Asks,
    /// Somebody wants it stopped.
    Stopping,
    /// It ended; how is in a message of its own.
    Ended {
        /// In a word.
        outcome: &'a str,
    },
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// `succeeded`, `failed`, `cancelled`, `timed_out`, …
    pub outcome: &'a str,
    /// What the agent said last, in Markdown.
    pub message: Option<&'a str>,
    /// Why it failed, and what to do about it.
    pub failure: Option<(&'a str, Option<&'a str>)>,
    /// Files, lines added, lines removed.
    pub diff: Option<(u64, u64, u64)>,
    /// What the environment's verify command said: `passed`, `failed`, …
    pub verification: Option<&'a str>,
    /// The pull request that is there.
    pub pull_request: Option<&'a str>,
    /// `waiting`, `approved`, `rejected`; `None` where nobody has to say so.
    pub approval: Option<&'a str>,
}

/// What is told while a turn goes on, in one message that is edited.
pub fn progress(card: &Card<'_>, progress: &Progress<'_>) -> Post {
    let (mark, said) = match progress {
        Progress::Waiting { why: None } => ("⏳", "waits for a worker".to_owned()),
        Progress::Waiting { why: Some(why) } => ("⏳", format!("waits: {}", escaped(why))),
        Progress::Running { step } => ("⚙️", escaped(step)),
        Progress::Asks => ("❓", "waits for an answer".to_owned()),
        Progress::Stopping => ("⏹️", "is being stopped".to_owned()),
        Progress::Ended { outcome } => (mark_of(outcome), escaped(&outcome.replace('_', " "))),
    };
    let first = match card.turn {
        1 => String::new(),
        turn => format!("follow-up {}, ", turn - 1),
    };
    let text = format!("{mark} {} · {first}{said}", linked(card));
    let why = card
        .why
        .map_or(String::new(), |why| format!(": {}", escaped(why)));
    let mut blocks = vec![
        section(&text),
        context(&format!("Environment *{}*{why}", escaped(card.environment))),
    ];
    let buttons: &[Button] = match progress {
        Progress::Waiting { .. } | Progress::Running { .. } | Progress::Asks => {
            &[Button::Open, Button::Cancel]
        }
        Progress::Stopping | Progress::Ended { .. } => &[],
    };
    blocks.extend(actions(card, buttons));
    Post {
        text: shortened(&text, TEXT_CHARS),
        blocks: Value::Array(blocks),
    }
}

/// The agent's question.
pub fn question(card: &Card<'_>, question: &str, whom: Option<&str>) -> Post {
    let call = whom.map_or(String::new(), |user| format!("<@{user}> "));
    let head = format!("❓ {call}{} asks:", linked(card));
    if card.link_only {
        let text = format!("❓ {call}{} has a question.", linked(card));
        return Post {
            blocks: json!([section(&text), actions(card, &[Button::Open])]),
            text,
        };
    }
    let words = from_markdown(question);
    let mut blocks = vec![section(&head)];
    blocks.extend(sections(&words, card.url));
    blocks.push(context(
        "Answer with the button, or write the answer into this thread.",
    ));
    blocks.extend(actions(
        card,
        &[Button::Answer, Button::Open, Button::Cancel],
    ));
    Post {
        text: shortened(&format!("{head}\n{words}"), TEXT_CHARS),
        blocks: Value::Array(blocks),
    }
}

/// How a turn ended.
pub fn result(card: &Card<'_>, it: &Outcome<'_>, whom: Option<&str>) -> Post {
    let call = whom.map_or(String::new(), |user| format!("<@{user}> "));
    let said = match it.outcome {
        "succeeded" => "is done",
        "cancelled" => "was cancelled",
        "timed_out" => "ran out of time",
        "over_budget" => "is over its budget",
        "lost" => "was lost with its worker",
        _ => "failed",
    };
    let head = format!("{} {call}{} {said}.", mark_of(it.outcome), linked(card));
    if card.link_only {
        return Post {
            blocks: json!([section(&head), actions(card, &[Button::Open])]),
            text: head,
        };
    }
    let mut blocks = vec![section(&head)];
    let mut text = head;
    if let Some((message, hint)) = it.failure {
        let failure = match hint {
            Some(hint) => format!("{}\n{}", escaped(message), escaped(hint)),
            None => escaped(message),
        };
        blocks.extend(sections(&failure, card.url));
        text += &format!("\n{failure}");
    }
    if let Some(message) = it.message.filter(|message| !message.trim().is_empty()) {
        let words = from_markdown(message);
        blocks.extend(sections(&words, card.url));
        text += &format!("\n{words}");
    }
    let facts = facts(card, it);
    text += &format!("\n{facts}");
    blocks.push(context(&facts));
    blocks.extend(actions(card, &after(it)));
    Post {
        text: shortened(&text, TEXT_CHARS),
        blocks: Value::Array(blocks),
    }
}

fn facts(card: &Card<'_>, it: &Outcome<'_>) -> String {
    let mut facts = vec![match it.diff {
        None => "no diff".to_owned(),
        Some((0, _, _)) => "nothing changed".to_owned(),
        Some((files, added, removed)) => {
            let noun = if files == 1 { "file" } else { "files" };
            format!("{files} {noun}, +{added} −{removed}")
        }
    }];
    if let Some(state) = it.verification {
        facts.push(format!(
            "verification {}",
            escaped(&state.replace('_', " "))
        ));
    }
    match it.approval {
        Some("waiting") => facts.push("waits for approval".to_owned()),
        Some(state) => facts.push(escaped(state)),
        None => {}
    }
    if let Some(address) = it.pull_request {
        facts.push(format!("<{}|pull request>", target(address)));
    }
    facts.push(format!("environment *{}*", escaped(card.environment)));
    facts.join(" · ")
}

/// What can be done with a result.
fn after(it: &Outcome<'_>) -> Vec<Button> {
    let mut buttons = vec![Button::Open, Button::FollowUp];
    let has_changes = it.diff.is_some_and(|(files, _, _)| files > 0);
    if has_changes {
        match it.approval {
            Some("waiting") => buttons.extend([Button::Approve, Button::Reject]),
            Some("rejected") => {}
            Some(_) | None => buttons.push(Button::PullRequest),
        }
    }
    if it.outcome != "succeeded" {
        buttons.push(Button::Retry);
    }
    buttons
}

/// Which environment? A button for each; the value says which, and of which message the task is made.
pub fn choice(why: &str, choices: &[(String, String)]) -> Post {
    let text = format!(
        "{} Which one? Choose, or write `in NAME: what to do`.",
        shortened(&escaped(why), TITLE_CHARS)
    );
    let mut blocks = vec![section(&text)];
    let shown = choices.iter().take(CHOICES).enumerate();
    let buttons: Vec<Value> = shown
        .map(|(number, (label, value))| {
            json!({"type": "button",
                "action_id": format!("{ACTION_PREFIX}{}.{number}", Button::Environment.name()),
                "text": {"type": "plain_text", "text": button_label(label), "emoji": false},
                "value": shortened(value, VALUE_CHARS)})
        })
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    if choices.len() > CHOICES {
        let more = choices.len() - CHOICES;
        blocks.push(context(&format!("… and {more} more.")));
    }
    Post {
        text,
        blocks: Value::Array(blocks),
    }
}

/// A plain sentence of ours; `text` is mrkdwn.
pub fn note(text: &str) -> Post {
    let text = shortened(text, SECTION_CHARS);
    Post {
        blocks: json!([section(&text)]),
        text,
    }
}

/// A note with the task's page to open.
pub fn note_of_task(card: &Card<'_>, text: &str) -> Post {
    let text = shortened(text, SECTION_CHARS);
    let mut blocks = vec![section(&text)];
    blocks.extend(actions(card, &[Button::Open]));
    Post {
        text,
        blocks: Value::Array(blocks),
    }
}

/// A form for one text: an answer, or a follow-up.
pub fn form(place: &Place, button: Button, value: &str, asked: Option<&str>) -> Value {
    let opened_by = OpenedBy {
        place: place.clone(),
        button: button.name().to_owned(),
        value: value.to_owned(),
    };
    let memory = serde_json::to_string(&opened_by).expect("strings");
    let (title, label) = match button {
        Button::Answer => ("Answer", "Your answer"),
        _ => ("Follow up", "What is to be done next"),
    };
    let mut blocks = Vec::new();
    if let Some(asked) = asked {
        blocks.push(section(&shortened(&from_markdown(asked), SECTION_CHARS)));
    }
    blocks.push(json!({"type": "input", "block_id": TEXT_BLOCK,
        "label": {"type": "plain_text", "text": label},
        "element": {"type": "plain_text_input", "action_id": TEXT_ACTION, "multiline": true,
            "min_length": 1, "max_length": 3000}}));
    json!({"type": "modal", "callback_id": FORM, "private_metadata": memory,
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": blocks})
}

fn mark_of(outcome: &str) -> &'static str {
    match outcome {
        "succeeded" => "✅",
        "cancelled" => "⏹️",
        _ => "❌",
    }
}

/// The task's title, with its page behind it.
fn linked(card: &Card<'_>) -> String {
    if card.link_only {
        return format!("<{}|The task>", target(card.url));
    }
    let title: String = card.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title = match title.is_empty() {
        true => "The task".to_owned(),
        false => title.replace('|', "¦"),
    };
    format!(
        "<{}|{}>",
        target(card.url),
        shortened(&escaped(&title), TITLE_CHARS)
    )
}

/// An address between `<` and `|`.
fn target(address: &str) -> String {
    escaped(address).replace('|', "%7C")
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": shortened(text, SECTION_CHARS)}})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": shortened(text, SECTION_CHARS)}]})
}

fn actions(card: &Card<'_>, buttons: &[Button]) -> Option<Value> {
    if buttons.is_empty() {
        return None;
    }
    let elements: Vec<Value> = buttons
        .iter()
        .map(|&button| {
            let mut it = json!({"type": "button",
                "action_id": format!("{ACTION_PREFIX}{}", button.name()),
                "text": {"type": "plain_text", "text": button.label(), "emoji": false},
                "value": shortened(card.task, VALUE_CHARS)});
            if button == Button::Open {
                it["url"] = json!(card.url);
            }
            if let Some(style) = button.style() {
                it["style"] = json!(style);
            }
            if button == Button::Cancel {
                it["confirm"] = json!({
                    "title": {"type": "plain_text", "text": "Cancel the task?"},
                    "text": {"type": "plain_text", "text": "What was done until then is kept."},
                    "confirm": {"type": "plain_text", "text": "Cancel it"},
                    "deny": {"type": "plain_text", "text": "Leave it"}});
            }
            it
        })
        .collect();
    Some(json!({"type": "actions", "elements": elements}))
}

fn button_label(label: &str) -> String {
    let label: String = label
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    shortened(&label, BUTTON_CHARS)
}

/// How long Slack's own clients take it to be.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// At most so many characters; an entity is not cut in two.
fn shortened(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.len_utf16();
        if used > most {
            break;
        }
        kept.push(c);
    }
    if let Some(at) = kept.rfind('&')
        && !kept[at..].contains(';')
    {
        kept.truncate(at);
    }
    // Neither is what stands between `<` and `>`, which is ours: strangers' are entities.
    if let Some(at) = kept.rfind('<')
        && !kept[at..].contains('>')
    {
        kept.truncate(at);
    }
    kept.push('…');
    kept
}

/// mrkdwn in sections, cut where lines end; code that goes on in the next section is code there.
fn sections(text: &str, url: &str) -> Vec<Value> {
    let room = SECTION_CHARS - 2 * (FENCE.len() + 1);
    let mut pieces: Vec<String> = vec![String::new()];
    let mut is_code = false;
    for line in text.lines() {
        let line = shortened(line, room);
        let last = pieces.last_mut().expect("there is one");
        if !last.is_empty() && length(last) + length(&line) + 1 > room {
            if is_code {
                last.push('\n');
                last.push_str(FENCE);
            }
            pieces.push(match is_code {
                true => FENCE.to_owned(),
                false => String::new(),
            });
        }
        let last = pieces.last_mut().expect("there is one");
        if !last.is_empty() {
            last.push('\n');
        }
        last.push_str(&line);
        if line == FENCE {
            is_code = !is_code;
        }
    }
    let is_cut = pieces.len() > SECTIONS;
    pieces.truncate(SECTIONS);
    let mut blocks: Vec<Value> = pieces
        .iter()
        .filter(|piece| !piece.trim().is_empty())
        .map(|piece| section(piece))
        .collect();
    if is_cut {
        blocks.push(context(&format!("… the rest is <{}|there>.", target(url))));
    }
    blocks
}
