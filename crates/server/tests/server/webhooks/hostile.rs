//! Receivers that do what they should not.

use std::sync::Arc;

use outwork_server::Clock;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::receiver::{Answers, Receiver, newest, path, setting, test, webhook};
use crate::rig::{Rig, Setting};

async fn error(rig: &Rig, url: &str) -> String {
    let made = webhook(rig, url, &[]).await;
    test(rig, &made).await;
    let waiting = newest(rig, &made, "waiting", 1).await;
    let answer = &waiting["answer"];
    assert_eq!(answer["status"], Value::Null, "{answer}");
    answer["error"].as_str().expect("an error").to_owned()
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    receiver.answers(&[], Answers::Redirects);
    let made = webhook(&rig, &receiver.url, &[]).await;
    test(&rig, &made).await;
    let waiting = newest(&rig, &made, "waiting", 1).await;
    assert_eq!(waiting["answer"]["status"], 307);
    let error = waiting["answer"]["error"].as_str().expect("an error");
    assert!(error.contains("not followed"), "{error}");
    let got = receiver.got();
    assert!(got.iter().all(|got| got.path == "/hook"), "{got:?}");
    rig.stop().await;
}

#[tokio::test]
async fn one_that_is_gone_is_told_nothing_more() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    receiver.answers(&[], Answers::Says(410));
    let made = webhook(&rig, &receiver.url, &[]).await;
    test(&rig, &made).await;
    let failed = newest(&rig, &made, "failed", 1).await;
    assert_eq!(failed["answer"]["status"], 410);
    let shown = rig.get(&path(&made)).await;
    assert_eq!(
        (&shown["state"], shown["disabled_at"].is_string()),
        (&json!("gone"), true)
    );
    rig.stop().await;
}

/// Its head decides, and no more of its body is kept than a KiB.
#[tokio::test]
async fn an_endless_body_is_cut() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    receiver.answers(&[], Answers::Endless);
    let made = webhook(&rig, &receiver.url, &[]).await;
    test(&rig, &made).await;
    let delivered = newest(&rig, &made, "delivered", 1).await;
    assert_eq!(delivered["answer"]["body"], "a".repeat(1024));
    rig.stop().await;
}

/// Also when there are many for it: others are told meanwhile.
#[tokio::test]
async fn a_slow_one_holds_up_nobody_else() {
    let rig = Rig::start_with(setting()).await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.answers(&[], Answers::Silent);
    let silent = webhook(&rig, &slow.url, &[]).await;
    for _ in 0..40 {
        test(&rig, &silent).await;
    }
    let made = webhook(&rig, &quick.url, &[]).await;
    test(&rig, &made).await;
    quick.got_at_least(1).await;
    slow.got_at_least(1).await;
    assert!(slow.most_silent() <= 4, "{}", slow.most_silent());
    let waiting = super::receiver::deliveries(&rig, &silent).await;
    let tried = waiting.iter().find(|one| one["answer"].is_object());
    if let Some(one) = tried {
        assert_eq!(one["answer"]["error"], "no answer within 0.5 seconds");
    }
    rig.stop().await;
}

#[tokio::test]
async fn one_that_asks_for_time_is_given_it() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    receiver.answers(&[], Answers::SaysLater(429, 1200));
    let made = webhook(&rig, &receiver.url, &[]).await;
    test(&rig, &made).await;
    let waiting = newest(&rig, &made, "waiting", 1).await;
    let due: outwork_api::Time = serde_json::from_value(waiting["due_at"].clone()).expect("a time");
    let wait = due.timestamp().since(rig.clock.now());
    assert_eq!(wait.as_secs(), 1200);
    rig.stop().await;
}

/// A name that leads to this machine is not told, though it looked like any other when the webhook was made.
#[tokio::test]
async fn a_name_that_leads_inside_is_not_told() {
    let rig = Rig::start_with(Setting::default()).await;
    let receiver = Receiver::start().await;
    let url = receiver.url.replace("127.0.0.1", "localhost");
    let error = error(&rig, &url).await;
    assert!(error.contains("is a loopback address"), "{error}");
    assert!(receiver.got().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn who_cannot_show_who_it_is_is_not_told() {
    let rig = Rig::start_with(setting()).await;
    let plain = Receiver::start().await;
    let refused = error(&rig, &plain.url.replace("http:", "https:")).await;
    assert!(refused.contains("cannot be reached"), "{refused}");
    let forged = error(&rig, &forged().await).await;
    assert!(forged.contains("cannot be reached"), "{forged}");
    assert!(plain.got().is_empty());
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let refused = error(&rig, &format!("http://{address}/")).await;
    assert!(refused.contains("cannot be reached"), "{refused}");
    rig.stop().await;
}

/// A server with a certificate that nobody vouches for.
async fn forged() -> String {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key));
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shaken = acceptor.accept(stream).await;
            assert!(shaken.is_err(), "it was taken for somebody else");
        }
    });
    format!("https://{address}/")
}
