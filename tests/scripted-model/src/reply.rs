//! A step made concrete for one request: tool calls in terms of the offered
//! tools, placeholders filled in, ids given.

use serde_json::{Value, json};

use crate::conversation::{Conversation, Position, Tool, ToolKind};
use crate::scenario::{Call, Expect, Usage};

pub(crate) struct Reply {
    pub id: String,
    pub model: String,
    pub items: Vec<Item>,
    pub usage: Option<Usage>,
    pub incomplete: Option<String>,
    pub chunk_chars: usize,
}

pub(crate) enum Item {
    Reasoning {
        id: String,
        text: String,
    },
    Message {
        id: String,
        text: String,
    },
    Call {
        id: String,
        call_id: String,
        call: ToolCall,
    },
}

pub(crate) struct ToolCall {
    pub kind: ToolKind,
    pub name: String,
    pub namespace: Option<String>,
    /// JSON text for a function, plain text for a custom tool.
    pub payload: String,
}

impl Reply {
    /// Fails when the request offers no tool for a call of the step.
    pub(crate) fn new(
        position: &Position<'_>,
        conversation: &Conversation,
        session: &str,
        body: &Value,
    ) -> Result<Self, String> {
        let step = &position.script.steps[position.step];
        let fill = |text: &str| {
            text.replace("{{conversation}}", session)
                .replace("{{cwd}}", conversation.cwd())
                .replace("{{prompt}}", conversation.last_prompt())
        };
        let mut items = Vec::new();
        for (n, text) in step.reasoning.iter().enumerate() {
            let id = position.id("rs", n);
            let text = fill(text);
            items.push(Item::Reasoning { id, text });
        }
        for (n, text) in step.say.iter().enumerate() {
            let id = position.id("msg", n);
            let text = fill(text);
            items.push(Item::Message { id, text });
        }
        for (n, call) in step.calls.iter().enumerate() {
            items.push(Item::Call {
                id: position.id("fc", n),
                call_id: position.id("call", n),
                call: spell(call, conversation, &fill)?,
            });
        }
        let usage = step.usage.unwrap_or_else(|| estimate(conversation, &items));
        Ok(Self {
            id: position.id("resp", 0),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            items,
            usage: (!step.omit_usage).then_some(usage),
            incomplete: step.incomplete.clone(),
            chunk_chars: step.chunk_chars,
        })
    }
}

/// About four characters a token.
fn estimate(conversation: &Conversation, items: &[Item]) -> Usage {
    let chars = |item: &Item| match item {
        Item::Reasoning { text, .. } | Item::Message { text, .. } => text.len(),
        Item::Call { call, .. } => call.payload.len(),
    };
    let output: usize = items.iter().map(chars).sum();
    Usage {
        input: (conversation.text.len() / 4) as u64,
        output: (output / 4).max(1) as u64,
        ..Usage::default()
    }
}

fn spell(
    call: &Call,
    offered: &Conversation,
    fill: &dyn Fn(&str) -> String,
) -> Result<ToolCall, String> {
    match call {
        Call::Run(command) => run(&fill(command), offered),
        Call::Patch(patch) => apply_patch(&fill(patch), offered),
        Call::Write { path, content } => write(&fill(path), &fill(content), offered),
        Call::Function { name, arguments } => {
            let payload = match arguments {
                Value::String(raw) => fill(raw),
                structured => fill_strings(structured, fill).to_string(),
            };
            let namespace = offered.tool(name).and_then(|tool| tool.namespace.clone());
            Ok(ToolCall {
                kind: ToolKind::Function,
                name: name.clone(),
                namespace,
                payload,
            })
        }
        Call::Custom { name, input } => Ok(ToolCall {
            kind: ToolKind::Custom,
            name: name.clone(),
            namespace: offered.tool(name).and_then(|tool| tool.namespace.clone()),
            payload: fill(input),
        }),
    }
}

fn run(command: &str, offered: &Conversation) -> Result<ToolCall, String> {
    let shells = [
        ("exec_command", json!({ "cmd": command })),
        ("shell_command", json!({ "command": command })),
        ("shell", json!({ "command": ["bash", "-lc", command] })),
        ("bash", json!({ "command": command })),
    ];
    for (name, arguments) in shells {
        if let Some(tool) = offered.tool(name) {
            return Ok(call_of(tool, arguments.to_string()));
        }
    }
    let names: Vec<&str> = offered.tools.iter().map(|t| t.name.as_str()).collect();
    Err(format!(
        "no shell tool for {command:?}; offered: {}",
        names.join(", ")
    ))
}

fn apply_patch(patch: &str, offered: &Conversation) -> Result<ToolCall, String> {
    match offered.tool("apply_patch") {
        Some(tool) => Ok(match tool.kind {
            ToolKind::Custom => call_of(tool, patch.to_owned()),
            ToolKind::Function => call_of(tool, json!({ "input": patch }).to_string()),
        }),
        // Codex recognises this command line and applies the patch itself.
        None => run(
            &format!("apply_patch <<'END_OF_PATCH'\n{patch}\nEND_OF_PATCH\n"),
            offered,
        ),
    }
}

fn write(path: &str, content: &str, offered: &Conversation) -> Result<ToolCall, String> {
    // A patch adds whole lines; other content goes through the shell, which is exact.
    if offered.tool("apply_patch").is_some() && content.ends_with('\n') && !content.contains('\r') {
        let lines: String = content.lines().map(|line| format!("+{line}\n")).collect();
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch");
        return apply_patch(&patch, offered);
    }
    let (path, content) = (quoted(path), quoted(content));
    run(
        &format!("mkdir -p \"$(dirname {path})\" && printf %s {content} > {path}"),
        offered,
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn call_of(tool: &Tool, payload: String) -> ToolCall {
    ToolCall {
        kind: tool.kind,
        name: tool.name.clone(),
        namespace: tool.namespace.clone(),
        payload,
    }
}

fn fill_strings(value: &Value, fill: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(values) => values.iter().map(|v| fill_strings(v, fill)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), fill_strings(value, fill)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// What of `expect` does not hold for this request.
pub(crate) fn unmet(expect: &Expect, conversation: &Conversation) -> Vec<String> {
    let Expect {
        last_output_contains,
        last_output_lacks,
        request_contains,
        request_lacks,
        tools_include,
    } = expect;
    let outputs = conversation.newest_outputs();
    let mut unmet = Vec::new();
    let mut check = |parts: &[String], text: &str, wanted: bool, what: &str| {
        for part in parts.iter().filter(|part| text.contains(*part) != wanted) {
            let verb = if wanted { "lacks" } else { "has" };
            unmet.push(format!("{what} {verb} {part:?}"));
        }
    };
    let shown: String = outputs.chars().take(500).collect();
    let newest = format!("the newest tool output {shown:?}");
    check(last_output_contains, &outputs, true, &newest);
    check(last_output_lacks, &outputs, false, &newest);
    check(request_contains, &conversation.text, true, "the request");
    check(request_lacks, &conversation.text, false, "the request");
    let missing = tools_include
        .iter()
        .filter(|name| conversation.tool(name).is_none());
    unmet.extend(missing.map(|name| format!("the tool {name:?} is not offered")));
    unmet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(call: Call, tools: Value) -> Result<(String, String), String> {
        let conversation = Conversation::parse(&json!({ "tools": tools, "input": "x" }));
        spell(&call, &conversation, &str::to_owned).map(|call| (call.name, call.payload))
    }

    fn call(name: &str, payload: &str) -> Result<(String, String), String> {
        Ok((name.to_owned(), payload.to_owned()))
    }

    #[test]
    fn neutral_calls_use_the_offered_tools() {
        let exec = json!([{"type": "function", "name": "exec_command"}]);
        let both = json!([{"type": "function", "name": "exec_command"}, {"type": "custom", "name": "apply_patch"}]);
        let shell = json!([{"type": "function", "name": "shell"}]);
        let run = || Call::Run("ls".into());
        assert_eq!(
            spelled(run(), exec.clone()),
            call("exec_command", r#"{"cmd":"ls"}"#)
        );
        assert_eq!(
            spelled(run(), shell),
            call("shell", r#"{"command":["bash","-lc","ls"]}"#)
        );
        assert!(spelled(run(), json!([])).is_err());

        let write = |content: &str| Call::Write {
            path: "d/a'b".into(),
            content: content.into(),
        };
        assert_eq!(
            spelled(write("one\ntwo\n"), both.clone()),
            call(
                "apply_patch",
                "*** Begin Patch\n*** Add File: d/a'b\n+one\n+two\n*** End Patch"
            )
        );
        let (name, payload) = spelled(write("no newline"), both).unwrap();
        assert_eq!(name, "exec_command");
        assert!(payload.contains(r"printf %s 'no newline' > 'd/a'\\''b'"));
        let patch = Call::Patch("*** Begin Patch\n*** End Patch".into());
        let (name, payload) = spelled(patch, exec).unwrap();
        assert_eq!(name, "exec_command");
        assert!(payload.contains("apply_patch <<'END_OF_PATCH'"));
    }
}
