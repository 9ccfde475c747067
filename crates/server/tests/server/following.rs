//! Following an attempt: nothing is lost and nothing comes twice, whatever happens to the connection.

use serde_json::{Value, json};

use crate::rig::sse::{Event, Events};
use crate::rig::worker::{Claim, Worker};
use crate::rig::{Rig, repository};

async fn ready() -> (Rig, Worker, Claim, String) {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    rig.task("app", "p").await;
    let claim = worker.take().await;
    let path = format!("/api/v1/attempts/{}/events", claim.attempt);
    (rig, worker, claim, path)
}

fn said(number: i64) -> Value {
    json!({"type": "message", "text": format!("number {number}")})
}

/// Appends `count` events one after the other, then ends the attempt.
async fn tell(worker: &Worker, claim: &Claim, count: i64) {
    for number in 1..=count {
        worker
            .append(claim, number, &[said(number)])
            .await
            .expect(200);
    }
    let result =
        json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": count});
    worker.finish(claim, result).await.expect(204);
}

#[tokio::test]
async fn a_reader_that_breaks_off_again_and_again_sees_each_event_once() {
    let (rig, worker, claim, path) = ready().await;
    let read = async {
        let mut seen: Vec<Event> = Vec::new();
        loop {
            let last = seen.last().map_or(0, |event| event.id);
            // Every second time the number goes into the address instead.
            let response = if last % 2 == 0 {
                rig.user()
                    .with("last-event-id", &last.to_string())
                    .stream(&path)
                    .await
            } else {
                rig.user().stream(&format!("{path}?after={last}")).await
            };
            let mut events = Events::new(response);
            // A few events, then the connection is dropped.
            for _ in 0..3 {
                match events.next().await {
                    Some(event) => seen.push(event),
                    None => return seen,
                }
            }
        }
    };
    let (seen, ()) = tokio::join!(read, tell(&worker, &claim, 50));
    let ids: Vec<i64> = seen.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=53).collect::<Vec<_>>());
    assert!(seen.iter().all(|event| event.data["seq"] == event.id));
    assert_eq!(seen[52].data["state"], "succeeded");
    rig.stop().await;
}

#[tokio::test]
async fn many_readers_see_the_same_to_the_end() {
    let (rig, worker, claim, path) = ready().await;
    let clients: Vec<_> = (0..20).map(|_| rig.user()).collect();
    let read = futures_util::future::join_all(clients.iter().map(|client| async {
        Events::new(client.stream(&path).await)
            .rest()
            .await
            .into_iter()
            .map(|event| event.id)
            .collect::<Vec<_>>()
    }));
    let (all, ()) = tokio::join!(read, tell(&worker, &claim, 20));
    for ids in all {
        assert_eq!(ids, (1..=23).collect::<Vec<_>>());
    }
    // After the end nothing comes, and the stream does not stay open.
    assert_eq!(
        Events::new(rig.user().stream(&format!("{path}?after=23")).await)
            .rest()
            .await,
        []
    );
    rig.stop().await;
}

#[tokio::test]
async fn pages_hold_the_same_as_the_stream() {
    let (rig, worker, claim, path) = ready().await;
    tell(&worker, &claim, 5).await;
    let streamed: Vec<Value> = Events::new(rig.user().stream(&path).await)
        .rest()
        .await
        .into_iter()
        .map(|event| event.data)
        .collect();
    let (mut paged, mut next) = (Vec::new(), format!("{path}?limit=3"));
    loop {
        let answer = rig.user().get(&next).await;
        let page = answer.json();
        paged.extend(page["items"].as_array().expect("a list").clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert!(!answer.headers.contains_key("link"));
            break;
        };
        next = format!("{path}?limit=3&after={cursor}");
        assert_eq!(answer.header("link"), format!("<{next}>; rel=\"next\""));
    }
    assert_eq!(paged, streamed);
    assert_eq!(paged.len(), 8);
    rig.user()
        .get(&format!("{path}?limit=0"))
        .await
        .problem(400, "invalid_request");
    rig.user()
        .get(&format!("{path}?limit=1001"))
        .await
        .problem(400, "invalid_request");
    rig.user()
        .with("last-event-id", "x")
        .get(&path)
        .await
        .problem(400, "invalid_request");
    rig.stop().await;
}

#[tokio::test]
async fn streams_and_long_polls_end_when_the_server_stops() {
    let (rig, worker, _claim, path) = ready().await;
    let mut events = Events::new(rig.user().stream(&path).await);
    let mut commands = worker.commands().await;
    assert_eq!(events.next().await.expect("an event").id, 1);
    assert_eq!(events.next().await.expect("an event").id, 2);
    let waits = tokio::spawn({
        let (client, id) = (worker.client.clone(), worker.id.clone());
        async move {
            client
                .post(
                    "/api/worker/v1/acquire",
                    &json!({"worker": id, "max": 1, "wait_ms": 30_000}),
                )
                .await
        }
    });
    // Only after this answer the poll is certain to be on its way or waiting.
    rig.get("/api/v1/workers").await;
    let begun = std::time::Instant::now();
    let stopping = tokio::spawn(rig.stop());
    assert_eq!(events.next().await, None);
    assert_eq!(commands.next().await, None);
    match waits.await.expect("no panic").json()["assignments"].as_array() {
        Some(none) => assert!(none.is_empty()),
        None => panic!("the long poll was not answered"),
    }
    stopping.await.expect("it stops");
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(8),
        "it took {:?}",
        begun.elapsed()
    );
}
