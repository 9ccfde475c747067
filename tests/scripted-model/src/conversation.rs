//! The request, reduced to what the choice of the answer needs, and the choice.

use serde_json::Value;

use crate::scenario::{Scenario, Script};

/// One entry of the history.
#[derive(Debug, PartialEq)]
enum Entry {
    User(String),
    /// Something the model produced, with the id that the agent kept of it.
    Model(Option<String>),
    ToolOutput(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ToolKind {
    Function,
    Custom,
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub name: String,
    pub kind: ToolKind,
    pub namespace: Option<String>,
}

pub(crate) struct Conversation {
    entries: Vec<Entry>,
    pub tools: Vec<Tool>,
    /// The request's JSON text.
    pub text: String,
}

/// Where a conversation stands.
pub(crate) struct Position<'a> {
    pub script: &'a Script,
    /// Which occurrence of the script's prompt this is, from 1.
    pub nth: usize,
    pub step: usize,
}

impl Conversation {
    pub(crate) fn parse(body: &Value) -> Self {
        let mut conversation = Self {
            entries: Vec::new(),
            tools: Vec::new(),
            text: body.to_string(),
        };
        conversation.add_tools(&body["tools"], None);
        list(&body["messages"]).for_each(|message| conversation.add_message(message));
        match &body["input"] {
            Value::String(prompt) => conversation.entries.push(Entry::User(prompt.clone())),
            input => list(input).for_each(|item| conversation.add_item(item)),
        }
        conversation
    }

    fn add_item(&mut self, item: &Value) {
        let id = |field: &str| item[field].as_str().map(str::to_owned);
        match item["type"].as_str().unwrap_or("message") {
            "message" => match item["role"].as_str() {
                Some("user") => self.entries.push(Entry::User(text_of(&item["content"]))),
                Some("assistant") => self.entries.push(Entry::Model(id("id"))),
                Some(_) | None => {}
            },
            "reasoning" => self.entries.push(Entry::Model(id("id"))),
            // Codex offers some tools inside the history.
            "additional_tools" => self.add_tools(&item["tools"], None),
            kind if kind.ends_with("_call_output") => {
                let output = text_of(&item["output"]);
                self.entries.push(Entry::ToolOutput(output));
            }
            kind if kind.ends_with("_call") => self.entries.push(Entry::Model(id("call_id"))),
            _ => {}
        }
    }

    /// One entry of `messages`, of Chat Completions or of Anthropic's API.
    fn add_message(&mut self, message: &Value) {
        let content = &message["content"];
        match message["role"].as_str() {
            Some("user") => {
                let (results, texts): (Vec<_>, Vec<_>) =
                    list(content).partition(|block| block["type"] == "tool_result");
                for result in results {
                    self.entries.push(Entry::ToolOutput(text_of(result)));
                }
                let text = match content {
                    Value::String(text) => text.clone(),
                    _ => texts
                        .into_iter()
                        .map(text_of)
                        .collect::<Vec<_>>()
                        .join("\n"),
                };
                if !text.is_empty() {
                    self.entries.push(Entry::User(text));
                }
            }
            Some("assistant") => {
                self.entries.push(Entry::Model(None));
                let uses = list(content).filter(|block| block["type"] == "tool_use");
                for call in list(&message["tool_calls"]).chain(uses) {
                    let id = call["id"].as_str().map(str::to_owned);
                    self.entries.push(Entry::Model(id));
                }
            }
            Some("tool") => self.entries.push(Entry::ToolOutput(text_of(content))),
            Some(_) | None => {}
        }
    }

    fn add_tools(&mut self, tools: &Value, namespace: Option<&str>) {
        for tool in list(tools) {
            // Anthropic's tools have a schema and no type; Chat Completions wraps them.
            let tool = tool.get("function").unwrap_or(tool);
            let is_function = tool["type"].is_null() && tool["name"].is_string();
            let kind = match tool["type"].as_str() {
                None if is_function => ToolKind::Function,
                Some("function") => ToolKind::Function,
                Some("custom") => ToolKind::Custom,
                Some("namespace") => {
                    self.add_tools(&tool["tools"], tool["name"].as_str());
                    continue;
                }
                // Hosted tools cannot be called by a script.
                Some(_) | None => continue,
            };
            self.tools.push(Tool {
                name: tool["name"].as_str().unwrap_or_default().to_owned(),
                kind,
                namespace: namespace.map(str::to_owned),
            });
        }
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    pub(crate) fn last_prompt(&self) -> &str {
        let prompts = self.entries.iter().rev();
        prompts
            .filter_map(|entry| match entry {
                Entry::User(text) => Some(text.as_str()),
                Entry::Model(_) | Entry::ToolOutput(_) => None,
            })
            .next()
            .unwrap_or_default()
    }

    /// The working directory that Codex states in `<environment_context>`.
    pub(crate) fn cwd(&self) -> &str {
        let after = self.text.rsplit_once("<cwd>").map(|(_, after)| after);
        let cwd = after.and_then(|after| after.split_once("</cwd>"));
        cwd.map_or(".", |(cwd, _)| cwd)
    }

    /// Tool outputs since the last thing the model produced.
    pub(crate) fn newest_outputs(&self) -> String {
        let newest = self.entries.iter().rev();
        let outputs = newest
            .take_while(|entry| !matches!(entry, Entry::Model(_)))
            .filter_map(|entry| match entry {
                Entry::ToolOutput(text) => Some(text.as_str()),
                Entry::User(_) | Entry::Model(_) => None,
            });
        let mut outputs: Vec<&str> = outputs.collect();
        outputs.reverse();
        outputs.join("\n")
    }

    /// The newest user message that a script matches decides.
    pub(crate) fn position<'a>(&self, scenario: &'a Scenario) -> Option<Position<'a>> {
        let all_in = |parts: &[String], text: &str| parts.iter().all(|part| text.contains(part));
        let is_prompt = |script: &Script, entry: &Entry| match entry {
            Entry::User(text) => all_in(&script.when, text),
            Entry::Model(_) | Entry::ToolOutput(_) => false,
        };
        for (index, entry) in self.entries.iter().enumerate().rev() {
            for script in &scenario.scripts {
                if !is_prompt(script, entry) || !all_in(&script.request_contains, &self.text) {
                    continue;
                }
                let until_here = &self.entries[..=index];
                let nth = until_here.iter().filter(|e| is_prompt(script, e)).count();
                if script.nth.is_some_and(|wanted| wanted != nth) {
                    continue;
                }
                let step = steps_taken(&self.entries[index + 1..], &script.name, nth);
                return Some(Position { script, nth, step });
            }
        }
        None
    }
}

impl Position<'_> {
    /// An id that tells, when the agent sends it back, which step it came from.
    pub(crate) fn id(&self, prefix: &str, index: usize) -> String {
        let slug = slug(&self.script.name);
        format!("{prefix}_{slug}-{}-{}-{index}", self.nth, self.step)
    }
}

/// Model entries in a row are one response, unless their ids say better: agents
/// may put the output of one parallel call before the next call.
fn steps_taken(entries: &[Entry], script: &str, nth: usize) -> usize {
    let (mut steps, mut in_response) = (0, false);
    for entry in entries {
        match entry {
            Entry::Model(id) => {
                match id.as_deref().and_then(|id| step_of(id, script, nth)) {
                    Some(step) => steps = step + 1,
                    None if !in_response => steps += 1,
                    None => {}
                }
                in_response = true;
            }
            Entry::User(_) | Entry::ToolOutput(_) => in_response = false,
        }
    }
    steps
}

fn step_of(id: &str, script: &str, nth: usize) -> Option<usize> {
    let (_, rest) = id.split_once('_')?;
    let rest = rest.strip_prefix(&format!("{}-{nth}-", slug(script)))?;
    rest.split_once('-')?.0.parse().ok()
}

fn slug(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.take(24).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The text in a content field: a string, a part, or a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(part) => ["text", "output", "content"]
            .iter()
            .find_map(|field| part.get(*field))
            .map(text_of)
            .unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Step;
    use serde_json::json;

    fn scenario() -> Scenario {
        let two = |when: &str| {
            Script::when(when)
                .named(when)
                .step(Step::new().say("a"))
                .step(Step::new().say("b"))
        };
        Scenario::new().script(two("alpha")).script(two("beta"))
    }

    fn position(input: Value) -> Option<(String, usize, usize)> {
        let scenario = scenario();
        Conversation::parse(&json!({ "input": input }))
            .position(&scenario)
            .map(|p| (p.script.name.clone(), p.nth, p.step))
    }

    fn user(text: &str) -> Value {
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
    }

    #[test]
    fn newest_matching_prompt_decides_and_responses_are_counted() {
        let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": ""});
        let output =
            |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "x"});
        let said = json!({"type": "message", "role": "assistant", "content": []});
        let at = |script: &str, nth, step| Some((script.to_owned(), nth, step));

        assert_eq!(position(json!("do alpha")), at("alpha", 1, 0));
        assert_eq!(position(json!([user("nothing")])), None);
        let history = json!([
            user("alpha"),
            said,
            call("a"),
            output("a"),
            user("by the way")
        ]);
        assert_eq!(position(history), at("alpha", 1, 1));
        let history = json!([user("alpha"), said, user("beta")]);
        assert_eq!(position(history), at("beta", 1, 0));
        let history = json!([user("alpha"), said, user("alpha"), said]);
        assert_eq!(position(history), at("alpha", 2, 1));
        // Parallel calls of one response with their outputs between them.
        let (first, second) = ("call_alpha-1-0-0", "call_alpha-1-0-1");
        let history = json!([user("alpha"), call(first), output(first), call(second)]);
        assert_eq!(position(history), at("alpha", 1, 1));
    }

    #[test]
    fn messages_of_the_other_apis_are_read() {
        let chat = json!({
            "tools": [{"type": "function", "function": {"name": "bash"}}],
            "messages": [
                {"role": "system", "content": "beta"},
                {"role": "user", "content": "alpha"},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}, {"id": "2"}]},
                {"role": "tool", "tool_call_id": "1", "content": "one"},
                {"role": "tool", "tool_call_id": "2", "content": "two"},
            ],
        });
        let anthropic = json!({
            "tools": [{"name": "bash", "input_schema": {}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "alpha"}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1"}, {"type": "tool_use", "id": "2"}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "two"}]},
                ]},
            ],
        });
        let scenario = scenario();
        for body in [chat, anthropic] {
            let conversation = Conversation::parse(&body);
            let position = conversation.position(&scenario).unwrap();
            assert_eq!((position.script.name.as_str(), position.step), ("alpha", 1));
            assert_eq!(conversation.newest_outputs(), "one\ntwo");
            assert!(conversation.tool("bash").is_some());
        }
    }

    #[test]
    fn reads_outputs_tools_and_directory() {
        let conversation = Conversation::parse(&json!({
            "tools": [
                {"type": "custom", "name": "apply_patch"},
                {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]},
                {"type": "web_search"},
            ],
            "input": [
                user("<environment_context><cwd>/src/x</cwd>"),
                {"type": "custom_tool_call", "call_id": "1"},
                {"type": "custom_tool_call_output", "call_id": "1", "output": "old"},
                {"type": "reasoning", "id": "r"},
                {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "new"}]},
                {"type": "function_call_output", "call_id": "3", "output": "newer"},
            ],
        }));
        assert_eq!(conversation.newest_outputs(), "new\nnewer");
        assert_eq!(conversation.cwd(), "/src/x");
        assert_eq!(conversation.tools.len(), 2);
        let namespace = conversation.tool("spawn").and_then(|t| t.namespace.clone());
        assert_eq!(namespace.as_deref(), Some("agents"));
    }
}
