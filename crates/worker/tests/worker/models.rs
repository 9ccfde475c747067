//! The model, through the gateway: the sandbox has no key and no network.

use std::sync::Arc;

use outwork_api::event::EventBody;
use outwork_api::secret::Secret;
use outwork_api::task::Tokens;
use outwork_api::worker::ModelAccess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::scene::{Scene, attempt};

pub const KEY: &str = "canary-key-0123456789";

pub fn access(base_url: &str) -> ModelAccess {
    ModelAccess {
        base_url: base_url.to_owned(),
        name: "tiny".to_owned(),
        api_key: Some(Secret::new(KEY)),
        context_window: 1000,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reaches_the_model_without_its_key() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    let model = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 65536];
        let mut request = heard.lock().await;
        while !request.contains("{}") {
            let length = stream.read(&mut buffer).await.unwrap();
            request.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        let body =
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .unwrap();
    });

    let scene = Scene::new();
    let worker = scene.start().await;
    let command = "exec 3<>/dev/tcp/127.0.0.1/47100; \
        printf 'POST /v1/chat/completions HTTP/1.1\\r\\nhost: x\\r\\ncontent-type: application/json\\r\\ncontent-length: 2\\r\\nconnection: close\\r\\n\\r\\n{}' >&3; \
        cat <&3; echo; echo $OUTWORK_MODEL_NAME at $OUTWORK_MODEL_BASE_URL; cat /proc/*/environ | tr '\\0' '\\n'; \
        timeout 1 bash -c '</dev/tcp/1.1.1.1/80' 2>/dev/null || echo no network";
    let mut assignment = scene.assignment(1, command);
    assignment.model = Some(access(&format!("http://{address}/v1")));
    scene.api.offer(assignment);
    let record = scene.finished(&attempt(1)).await;
    worker.end().await;
    model.await.unwrap();

    assert_eq!(record.outcome(), "ok", "{record:#?}");
    assert!(
        asked
            .lock()
            .await
            .to_lowercase()
            .contains(&format!("authorization: bearer {KEY}"))
    );
    let output = record.output();
    assert!(output.contains("\"completion_tokens\":7"), "{output}");
    assert!(
        output.contains("tiny at http://127.0.0.1:47100/v1"),
        "{output}"
    );
    assert!(output.contains("no network"), "{output}");
    let everything = format!("{:?}{:?}{}", record.events, record.finish, record.diff());
    assert!(!everything.contains(KEY), "the key is outside");
    let tokens = Tokens {
        input: 5,
        cached_input: 0,
        output: 7,
        reasoning: 0,
        uncounted_calls: 0,
    };
    assert_eq!(record.finish.as_ref().unwrap().tokens, Some(tokens));
    let calls: Vec<_> = record
        .events
        .iter()
        .filter(|event| {
            matches!(
                event.body,
                EventBody::ModelCallStarted { .. } | EventBody::ModelCallFinished { .. }
            )
        })
        .collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(matches!(
        calls[1].body,
        EventBody::ModelCallFinished {
            number: 1,
            status: Some(200),
            tokens: Some(_),
            ..
        }
    ));
}
