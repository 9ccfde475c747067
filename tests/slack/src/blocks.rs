//! Whether Slack would take blocks: the rules of `@slack/types`, `block-kit/*.d.ts` and `views.d.ts`.

use serde_json::Value;

type Checked = Result<(), String>;

/// The blocks of a message or a view.
pub(crate) fn check(blocks: &Value, most: usize) -> Checked {
    let blocks = blocks.as_array().ok_or("blocks must be an array")?;
    if blocks.is_empty() || blocks.len() > most {
        return Err(format!("{} blocks", blocks.len()));
    }
    blocks.iter().try_for_each(block)
}

fn block(block: &Value) -> Checked {
    let fields: &[&str] = match block["type"].as_str().ok_or("a block without a type")? {
        "section" => {
            text(&block["text"], &["mrkdwn", "plain_text"], 3000)?;
            &["text"]
        }
        "context" => {
            for element in elements(block, 10)? {
                text(element, &["mrkdwn", "plain_text"], 3000)?;
            }
            &["elements"]
        }
        "actions" => {
            let elements = elements(block, 25)?;
            for element in elements {
                button(element)?;
            }
            let mut ids: Vec<&str> = elements
                .iter()
                .filter_map(|it| it["action_id"].as_str())
                .collect();
            ids.sort_unstable();
            ids.dedup();
            if ids.len() != elements.len() {
                return Err("an action_id twice in a block".to_owned());
            }
            &["elements"]
        }
        "input" => {
            text(&block["label"], &["plain_text"], 2000)?;
            let element = &block["element"];
            if element["type"] != "plain_text_input" {
                return Err("an input of a kind that is not known here".to_owned());
            }
            only(
                element,
                &["type", "action_id", "multiline", "min_length", "max_length"],
            )?;
            if element["max_length"]
                .as_u64()
                .is_some_and(|most| most > 3000)
            {
                return Err("max_length over 3000".to_owned());
            }
            &["label", "element"]
        }
        "divider" => &[],
        other => return Err(format!("a block of type {other}")),
    };
    string(block, "block_id", 255)?;
    only(block, &[fields, &["type", "block_id"]].concat())
}

fn elements(block: &Value, most: usize) -> Result<&Vec<Value>, String> {
    let elements = block["elements"].as_array().ok_or("no elements")?;
    match (1..=most).contains(&elements.len()) {
        true => Ok(elements),
        false => Err(format!("{} elements", elements.len())),
    }
}

fn button(it: &Value) -> Checked {
    if it["type"] != "button" {
        return Err("an element that is no button".to_owned());
    }
    only(
        it,
        &[
            "type",
            "text",
            "action_id",
            "url",
            "value",
            "style",
            "confirm",
            "accessibility_label",
        ],
    )?;
    text(&it["text"], &["plain_text"], 75)?;
    string(it, "action_id", 255)?;
    string(it, "value", 2000)?;
    string(it, "url", 3000)?;
    if !it["style"].is_null() && it["style"] != "primary" && it["style"] != "danger" {
        return Err("a style that is not known".to_owned());
    }
    let confirm = &it["confirm"];
    if !confirm.is_null() {
        text(&confirm["title"], &["plain_text"], 100)?;
        text(&confirm["text"], &["plain_text", "mrkdwn"], 300)?;
        text(&confirm["confirm"], &["plain_text"], 30)?;
        text(&confirm["deny"], &["plain_text"], 30)?;
        only(confirm, &["title", "text", "confirm", "deny", "style"])?;
    }
    Ok(())
}

fn text(it: &Value, kinds: &[&str], most: usize) -> Checked {
    let kind = it["type"].as_str().ok_or("a text without a type")?;
    if !kinds.contains(&kind) {
        return Err(format!("a text of type {kind}"));
    }
    let content = it["text"].as_str().ok_or("a text without text")?;
    let length = content.encode_utf16().count();
    if !(1..=most).contains(&length) {
        return Err(format!("a text of {length} characters where {most} fit"));
    }
    match kind {
        "mrkdwn" => {
            only(it, &["type", "text", "verbatim"])?;
            mrkdwn(content)
        }
        _ => only(it, &["type", "text", "emoji"]),
    }
}

/// Only what Slack knows stands between `<` and `>`, and `&` begins an entity: else a stranger's text was not escaped.
pub(crate) fn mrkdwn(text: &str) -> Checked {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        let after = &rest[at..];
        if let Some(beyond) = after.strip_prefix('&') {
            if !["amp;", "lt;", "gt;"]
                .iter()
                .any(|entity| beyond.starts_with(entity))
            {
                return Err(format!("an & that is not escaped: {after:.40}"));
            }
            rest = beyond;
            continue;
        }
        let (inside, next) = after[1..]
            .split_once('>')
            .ok_or_else(|| format!("a < that is not escaped: {after:.40}"))?;
        let known = inside.starts_with("@U")
            || inside.starts_with("http://")
            || inside.starts_with("https://");
        if !known || inside.contains('<') {
            return Err(format!("<{inside}> is nothing that the app should write"));
        }
        rest = next;
    }
    Ok(())
}

fn string(it: &Value, field: &str, most: usize) -> Checked {
    match &it[field] {
        Value::Null => Ok(()),
        Value::String(text) if text.encode_utf16().count() <= most => Ok(()),
        other => Err(format!("{field}: {other}")),
    }
}

fn only(it: &Value, known: &[&str]) -> Checked {
    let fields = it.as_object().ok_or("no object")?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} is not known here")),
        None => Ok(()),
    }
}

/// A form.
pub(crate) fn view(view: &Value) -> Checked {
    if view["type"] != "modal" {
        return Err("no modal".to_owned());
    }
    for field in ["title", "submit", "close"] {
        text(&view[field], &["plain_text"], 24)?;
    }
    string(view, "callback_id", 255)?;
    string(view, "private_metadata", 3000)?;
    only(
        view,
        &[
            "type",
            "title",
            "submit",
            "close",
            "callback_id",
            "private_metadata",
            "blocks",
        ],
    )?;
    check(&view["blocks"], 100)
}
