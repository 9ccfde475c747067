//! The server as an agent sees it, over real connections.
// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use scripted_model::{
    ALWAYS, Expect, Failure, Outcome, Scenario, Script, ScriptedModel, Step, Usage,
};
use serde_json::{Value, json};

fn client() -> Client {
    // An error means that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

fn start(script: Script) -> ScriptedModel {
    ScriptedModel::start(Scenario::new().script(script)).unwrap()
}

fn ask(model: &ScriptedModel, input: Value, stream: bool) -> RequestBuilder {
    let tools = json!([{"type": "function", "name": "exec_command"}]);
    client()
        .post(format!("{}/v1/responses", model.url()))
        .bearer_auth(model.api_key())
        .header("thread-id", "thread-1")
        .json(&json!({"model": "m", "input": input, "stream": stream, "tools": tools}))
}

async fn events(response: Response) -> Vec<Value> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    parse(&response.text().await.unwrap())
}

/// Also checks that the event name is the type of the data.
fn parse(text: &str) -> Vec<Value> {
    text.split_terminator("\n\n")
        .map(|block| {
            let (name, data) = block.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types
        .map(|t| t.strip_prefix("response.").unwrap_or(t))
        .collect()
}

#[tokio::test]
async fn a_streamed_answer_has_the_published_events() {
    let usage = Usage {
        input: 100,
        cached: 40,
        output: 20,
        reasoning: 5,
    };
    let step = Step::new()
        .reasoning("hm")
        .say("hello")
        .run("ls")
        .usage(usage)
        .chunk_chars(3);
    let model = start(Script::when("hi").step(step));
    let events = events(ask(&model, json!("hi"), true).send().await.unwrap()).await;
    assert_eq!(
        types(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let numbers: Vec<_> = events
        .iter()
        .map(|e| e["sequence_number"].clone())
        .collect();
    assert_eq!(json!(numbers), json!((0..events.len()).collect::<Vec<_>>()));
    let deltas: String = events[16..20]
        .iter()
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(deltas, r#"{"cmd":"ls"}"#);
    let response = &events.last().unwrap()["response"];
    assert_eq!(
        response["usage"],
        json!({
            "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40},
            "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120,
        })
    );
    let done: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "response.output_item.done")
        .collect();
    let items: Vec<_> = done.iter().map(|event| event["item"].clone()).collect();
    assert_eq!(response["output"], json!(items));

    // Not streamed, the same document.
    let answer = ask(&model, json!("hi"), false).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), *response);
    assert_eq!(model.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn the_history_chooses_the_step() {
    let expect = Expect {
        last_output_contains: vec!["README".into()],
        ..Expect::default()
    };
    let script = Script::when("work")
        .step(Step::new().run("ls"))
        .step(Step::new().say("in {{conversation}}").expect(expect));
    let model = start(script);
    let first = ask(&model, json!("work"), false).send().await.unwrap();
    let call = first.json::<Value>().await.unwrap()["output"][0].clone();
    assert_eq!(call["type"], "function_call");
    let history = |output: &str| {
        json!([
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "work"}]},
            call,
            {"type": "function_call_output", "call_id": call["call_id"], "output": output},
        ])
    };
    let second = ask(&model, history("README.md"), false)
        .send()
        .await
        .unwrap();
    let answer = second.json::<Value>().await.unwrap();
    assert_eq!(answer["output"][0]["content"][0]["text"], "in thread-1");

    let third = ask(&model, history("nothing"), false).send().await.unwrap();
    assert_eq!(third.status(), StatusCode::BAD_REQUEST);
    let document = third.json::<Value>().await.unwrap();
    assert_eq!(document["error"]["code"], "expectation_failed");
    let unknown = ask(&model, json!("play"), false).send().await.unwrap();
    let document = unknown.json::<Value>().await.unwrap();
    assert_eq!(document["error"]["code"], "no_script");
    assert_eq!(model.problems().len(), 2);
    let steps: Vec<_> = model.requests().iter().map(|r| r.step).collect();
    assert_eq!(steps, [Some(0), Some(1), Some(1), None]);
}

#[tokio::test]
async fn the_key_is_required_everywhere() {
    let model = start(Script::when("hi").step(Step::new().say("hello")));
    let post = client()
        .post(format!("{}/v1/responses", model.url()))
        .json(&json!({"input": "hi"}));
    let get = || client().get(format!("{}/v1/models", model.url()));
    let wrong = get().bearer_auth("wrong");
    for request in [post, get(), wrong] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let models = get().bearer_auth(model.api_key()).send().await.unwrap();
    assert_eq!(
        models.json::<Value>().await.unwrap()["data"][0]["id"],
        "scripted-1"
    );
    assert_eq!(
        model.requests()[2].header("authorization"),
        Some("Bearer wrong")
    );
}

#[tokio::test]
async fn failures_come_first_and_in_order() {
    let limited = Failure::Status {
        status: 429,
        code: Some("rate_limit_exceeded".into()),
        message: None,
        retry_after_s: Some(7),
    };
    let failed = || ("server_error".to_owned(), "broken".to_owned());
    let (code, message) = failed();
    let response_failed = Failure::ResponseFailed { code, message };
    let (code, message) = failed();
    let error_event = Failure::ErrorEvent { code, message };
    let step = Step::new()
        .say("well")
        .fail_times(limited, 2)
        .fail(Failure::Refuse)
        .fail(Failure::Drop { after_events: 3 })
        .fail(response_failed)
        .fail(error_event);
    let model = start(Script::when("hi").step(step));
    let send = || ask(&model, json!("hi"), true).send();

    for _ in 0..2 {
        let answer = send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()["retry-after"], "7");
    }
    assert!(send().await.unwrap_err().is_request());
    let mut dropped = send().await.unwrap();
    let mut seen = Vec::new();
    let broken = loop {
        match dropped.chunk().await {
            Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "the stream must not end properly");
    assert_eq!(parse(std::str::from_utf8(&seen).unwrap()).len(), 3);
    let events_of_failed = events(send().await.unwrap()).await;
    assert_eq!(
        types(&events_of_failed),
        ["created", "in_progress", "failed"]
    );
    assert_eq!(
        events_of_failed[2]["response"]["error"]["code"],
        "server_error"
    );
    assert_eq!(
        types(&events(send().await.unwrap()).await),
        ["created", "in_progress", "error"]
    );
    let fine = events(send().await.unwrap()).await;
    assert_eq!(types(&fine).last(), Some(&"completed"));
    let attempts: Vec<_> = model.requests().iter().map(|r| r.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_gate_holds_the_stream_after_its_first_event() {
    let step = Step::new().say("hello").gate("g");
    let model = start(Script::when("hi").step(step));
    let mut answer = ask(&model, json!("hi"), true).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: response.created\n"));
    model.waiting_at("g").await;
    assert_eq!(model.requests()[0].outcome, Outcome::InFlight);
    model.open_gate("g");
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    let rest = parse(std::str::from_utf8(&rest).unwrap());
    assert_eq!(types(&rest).last(), Some(&"completed"));
    assert_eq!(
        model.requests()[0].outcome,
        Outcome::Answered { status: 200 }
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let hang = Failure::Hang { after_events: 2 };
    let step = Step::new().say("hello").fail_times(hang, ALWAYS);
    let model = start(Script::when("hi").step(step));
    let answer = ask(&model, json!("hi"), true).send().await.unwrap();
    drop(answer);
    let gone = |requests: &[scripted_model::RequestRecord]| {
        requests.iter().all(|r| r.outcome == Outcome::ClientGone)
    };
    model.until("departure", gone).await;
}

#[tokio::test]
async fn dropping_the_handle_ends_its_connections() {
    let step = Step::new().say("hello").gate("never");
    let model = start(Script::when("hi").step(step));
    let mut answer = ask(&model, json!("hi"), true).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    let again = ask(&model, json!("hi"), true);
    drop(model);
    answer.chunk().await.unwrap_err();
    assert!(again.send().await.unwrap_err().is_connect());
}

#[test]
fn a_wrong_scenario_file_is_refused() {
    for wrong in [
        r#"{"scripts": [{"when": "a", "steps": [{"sya": "typo"}]}]}"#,
        r#"{"scripts": [{"when": [], "steps": [{}]}]}"#,
        r#"{"scripts": [{"when": "a", "steps": []}]}"#,
        r#"{"scripts": [{"when": "a", "steps": [{"calls": [{"dance": "x"}]}]}]}"#,
    ] {
        assert!(Scenario::from_json(wrong).is_err(), "{wrong}");
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_program_serves_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let port_file = directory.path().join("port");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/edit.json");
    let mut process = Process(
        Command::new(env!("CARGO_BIN_EXE_scripted-model"))
            .args([scenario, "--api-key", "k", "--port-file"])
            .arg(&port_file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    let port = loop {
        if let Ok(port) = std::fs::read_to_string(&port_file) {
            break port;
        }
        let state = process.0.try_wait().unwrap();
        assert!(
            state.is_none() && Instant::now() < deadline,
            "no port file; exit: {state:?}"
        );
        std::thread::yield_now();
    };
    let models = client()
        .get(format!("http://127.0.0.1:{port}/v1/models"))
        .bearer_auth("k")
        .send()
        .await
        .unwrap();
    assert_eq!(models.status(), StatusCode::OK);
    let log = client()
        .get(format!("http://127.0.0.1:{port}/_script/requests"))
        .send()
        .await
        .unwrap();
    assert_eq!(log.json::<Value>().await.unwrap()[0]["path"], "/v1/models");
}

/// The data of a stream's events but the last of Chat Completions, `[DONE]`.
fn data_of(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = lines.filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn concatenated(events: &[Value], pointer: &str) -> String {
    let parts = events.iter().filter_map(|event| event.pointer(pointer));
    parts.filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn the_same_step_is_said_in_chat_completions() {
    let usage = Usage {
        input: 100,
        cached: 40,
        output: 20,
        reasoning: 5,
    };
    let step = Step::new()
        .reasoning("hm")
        .say("hello")
        .run("ls")
        .usage(usage)
        .chunk_chars(3);
    let model = start(Script::when("hi").step(step));
    let ask = |stream: bool, options: Value| {
        let tool = json!({"type": "function", "function": {"name": "bash"}});
        let body = json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [tool],
            "stream": stream, "stream_options": options,
        });
        let url = format!("{}/v1/chat/completions", model.url());
        client().post(url).bearer_auth(model.api_key()).json(&body)
    };
    let counted = json!({
        "prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    });
    let answer = ask(true, json!({"include_usage": true})).send().await;
    let text = answer.unwrap().text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"));
    let chunks = data_of(&text);
    let delta = "/choices/0/delta";
    assert_eq!(concatenated(&chunks, &format!("{delta}/content")), "hello");
    let reasoning = concatenated(&chunks, &format!("{delta}/reasoning_content"));
    assert_eq!(reasoning, "hm");
    let arguments = format!("{delta}/tool_calls/0/function/arguments");
    assert_eq!(concatenated(&chunks, &arguments), r#"{"command":"ls"}"#);
    let last = chunks.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &counted));

    let text = ask(true, Value::Null).send().await.unwrap().text().await;
    assert!(!text.unwrap().contains("usage"), "nobody asked");
    let whole = ask(false, Value::Null).send().await.unwrap();
    let whole: Value = whole.json().await.unwrap();
    assert_eq!(whole["usage"], counted);
    assert_eq!(whole["choices"][0]["message"]["content"], "hello");
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn the_same_step_is_said_in_messages() {
    let usage = Usage {
        input: 100,
        cached: 40,
        output: 20,
        reasoning: 0,
    };
    let step = Step::new()
        .reasoning("hm")
        .say("hello")
        .run("ls")
        .usage(usage)
        .chunk_chars(3);
    let model = start(Script::when("hi").step(step));
    let ask = |stream: bool| {
        let body = json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream,
            "tools": [{"name": "bash", "input_schema": {}}],
        });
        let request = client().post(format!("{}/v1/messages", model.url()));
        let request = request.header("x-api-key", model.api_key());
        request
            .header("anthropic-version", "2023-06-01")
            .json(&body)
    };
    let events = events(ask(true).send().await.unwrap()).await;
    let kinds = types(&events);
    assert_eq!(kinds.first(), Some(&"message_start"));
    assert_eq!(kinds[kinds.len() - 2..], ["message_delta", "message_stop"]);
    assert_eq!(concatenated(&events, "/delta/text"), "hello");
    assert_eq!(concatenated(&events, "/delta/thinking"), "hm");
    let input = concatenated(&events, "/delta/partial_json");
    assert_eq!(input, r#"{"command":"ls"}"#);
    let begun = &events[0]["message"]["usage"];
    assert_eq!(begun["input_tokens"], 60);
    assert_eq!(begun["cache_read_input_tokens"], 40);
    assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 20);

    let whole: Value = ask(false).send().await.unwrap().json().await.unwrap();
    assert_eq!(whole["usage"]["output_tokens"], 20);
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(whole["content"][2]["input"], json!({"command": "ls"}));
    let bearer = client().post(format!("{}/v1/messages", model.url()));
    let bearer = bearer.bearer_auth(model.api_key()).send().await;
    assert_eq!(bearer.unwrap().status(), StatusCode::UNAUTHORIZED);
}
