//! `usage`, and the prices of `model set`.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, World, world};

fn sum(input: u64, cost: Option<&str>, unknown: u64) -> Value {
    let mut sum = json!({"tasks": 2, "attempts": 3, "unknown_cost_attempts": unknown, "sandbox_seconds": 3725,
        "tokens": {"input": input, "cached_input": 0, "output": 7, "reasoning": 0, "uncounted_calls": 0}});
    if let Some(amount) = cost {
        sum["cost"] = json!({"currency": "USD", "amount": amount, "is_lower_bound": unknown > 0});
    }
    sum
}

fn item(label: &str, mut sum: Value) -> Value {
    sum["key"] = json!(label);
    sum["label"] = json!(label);
    sum
}

#[tokio::test]
async fn usage_is_a_table() {
    let items = [
        item("app", sum(5, Some("1.25"), 0)),
        item("web", sum(4, Some("0.000012345"), 2)),
        item("docs", sum(0, None, 1)),
        item("plain", sum(0, None, 0)),
        item("odd", sum(1, Some("1.23456789"), 0)),
    ];
    let usage = json!({"from": "2026-10-21T15:21:40.000Z", "to": "2026-11-20T15:21:40.000Z", "by": "environment",
        "items": items, "total": sum(10, Some("2.48"), 3)});
    // 30 days before the harness's time.
    let line = "GET /api/v1/usage?from=2026-10-21T14%3A55%3A00.000Z&by=environment";
    let answers = [(line.to_owned(), usage.clone())].into();
    let server = Server::start(World {
        answers,
        ..world("completed", None, "succeeded")
    })
    .await;
    let ran = Setup::new(&server)
        .run(&["usage", "--by", "environment"])
        .await;
    let ran = ran.expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        "app\t2\t3\t5\t7\t1h02m\t1.25 USD\n\
         web\t2\t3\t4\t7\t1h02m\tless than 0.0001 USD or more, 2 attempts unknown\n\
         docs\t2\t3\t0\t7\t1h02m\t1 attempt unknown\n\
         plain\t2\t3\t0\t7\t1h02m\tnone\n\
         odd\t2\t3\t1\t7\t1h02m\t1.2346 USD\n"
    );
    let ran = Setup::new(&server)
        .terminal()
        .run(&["usage", "--by", "environment"])
        .await;
    let ran = ran.expect(ExitStatus::Ok);
    assert!(ran.stdout.contains("ENVIRONMENT"), "{}", ran.stdout);
    assert!(ran.stdout.contains("total"), "{}", ran.stdout);
    let ran = Setup::new(&server)
        .run(&["usage", "--by", "environment", "--json"])
        .await;
    assert_eq!(ran.expect(ExitStatus::Ok).json(), usage);
}

#[tokio::test]
async fn prices_are_completed_and_belong_to_one_model() {
    let server = Server::start(world("completed", None, "succeeded")).await;
    let set = async |more: &[&str]| {
        let line = [&["model", "set"], more].concat();
        Setup::new(&server).run(&line).await
    };
    let model = ["--base-url", "https://m/v1", "--name", "m", "--no-key"];
    let ran = set(&[&model[..], &["--price-input", "1"]].concat()).await;
    let ran = ran.expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("--price-output is missing"),
        "{}",
        ran.stderr
    );
    let all = ["--price-input", "1.25", "--price-output", "10"];
    set(&[&model[..], &all].concat())
        .await
        .expect(ExitStatus::Ok);
    let sent = || server.requests().pop().expect("a request").1["prices"].clone();
    let prices =
        json!({"currency": "USD", "input_per_million": "1.25", "output_per_million": "10"});
    assert_eq!(sent(), prices);
    // What is left out stays.
    set(&["--price-cached-input", "0.1", "--currency", "EUR"])
        .await
        .expect(ExitStatus::Ok);
    let more = json!({"currency": "EUR", "input_per_million": "1.25", "cached_input_per_million": "0.1", "output_per_million": "10"});
    assert_eq!(sent(), more);
    let ran = set(&["--context-window", "5"]).await.expect(ExitStatus::Ok);
    assert_eq!(sent(), more);
    assert!(
        ran.stdout
            .contains("prices    1.25 in, 0.1 cached, 10 out, EUR for a million tokens\n"),
        "{}",
        ran.stdout
    );
    // Those of another model would be wrong.
    let ran = set(&["--name", "other"]).await.expect(ExitStatus::Ok);
    assert_eq!(sent(), Value::Null);
    assert!(
        ran.stdout.contains("prices    not known\n"),
        "{}",
        ran.stdout
    );
    set(&all).await.expect(ExitStatus::Ok);
    set(&["--no-price"]).await.expect(ExitStatus::Ok);
    assert_eq!(sent(), Value::Null);
}
