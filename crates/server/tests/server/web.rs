//! The web page's files, and who is signed in with a browser.

use std::time::Duration;

use outwork_domain::principal::PrincipalKind;
use reqwest::Method;
use serde_json::json;

use crate::rig::http::{Answer, Client, read};
use crate::rig::{Rig, repository};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
/// What the rig's server calls itself.
const ORIGIN: &str = "https://outwork.example";

/// The page as a browser gets it. `make web` has to have built it.
async fn page(client: &Client, path: &str) -> Answer {
    read(client.request(Method::GET, path).header("accept", HTML)).await
}

#[tokio::test]
async fn every_address_of_the_page_shows_it_and_only_its_own_scripts_run() {
    let rig = Rig::start().await;
    let nobody = rig.nobody();
    let index = page(&nobody, "/").await;
    let text = String::from_utf8(index.bytes.clone()).expect("text");
    assert_eq!(
        index.status, 200,
        "is the web page built? `make web`: {text}"
    );
    let id = "task_00000000000000000000000000000001";
    let addresses = [
        "/sign-in?to=%2F",
        "/new",
        "/environments",
        "/environments/env_1",
        "/workers",
        "/usage",
        "/settings",
    ];
    for path in addresses
        .map(str::to_owned)
        .into_iter()
        .chain([format!("/tasks/{id}")])
    {
        let same = page(&nobody, &path).await;
        assert_eq!((same.status, &same.bytes), (200, &index.bytes), "{path}");
    }
    let policy = index.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self';",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(rule), "{rule} in {policy}");
    }
    let script = policy
        .split(';')
        .find(|rule| rule.trim().starts_with("script-src"));
    assert_eq!(script.map(str::trim), Some("script-src 'self'"));
    assert_eq!(index.header("x-frame-options"), "DENY");
    assert_eq!(index.header("referrer-policy"), "no-referrer");
    assert_eq!(index.header("x-content-type-options"), "nosniff");
    // Nothing inline, and nothing from elsewhere.
    assert!(
        !text.contains("http://") && !text.contains("https://"),
        "{text}"
    );
    for tag in text.split("<script").skip(1) {
        assert!(tag.contains(" src=\"/assets/"), "an inline script: {tag}");
    }
    assert!(
        !text.contains("<style") && !text.contains(" style="),
        "{text}"
    );
    rig.stop().await;
}

#[tokio::test]
async fn files_are_sent_once_compressed_and_kept() {
    let rig = Rig::start().await;
    let nobody = rig.nobody();
    let index = page(&nobody, "/").await;
    let text = String::from_utf8(index.bytes).expect("text");
    let script = text
        .split("src=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let script = script.expect("a script").to_owned();
    let plain = nobody.get(&script).await;
    assert_eq!(plain.status, 200);
    assert_eq!(
        plain.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(
        plain.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert!(plain.headers.get("content-encoding").is_none());
    let packed = read(
        nobody
            .request(Method::GET, &script)
            .header("accept-encoding", "gzip, br"),
    )
    .await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.bytes.starts_with(&[0x1f, 0x8b]) && packed.bytes.len() < plain.bytes.len());

    // The page itself is asked for each time, and is short while it is the same.
    let first = page(&nobody, "/").await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let request = nobody.request(Method::GET, "/").header("accept", HTML);
    let again = read(request.header("if-none-match", first.header("etag"))).await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));

    nobody
        .get("/assets/none-12345678.js")
        .await
        .problem(404, "not_found");
    nobody
        .get("/assets/..%2Findex.html")
        .await
        .problem(404, "not_found");
    rig.stop().await;
}

#[tokio::test]
async fn an_address_that_there_is_not_leads_on() {
    let rig = Rig::start().await;
    let lost = page(&rig.nobody(), "/nothing/here").await;
    assert_eq!(lost.status, 404);
    assert!(lost.header("content-type").starts_with("text/html"));
    // For programs it is a problem as ever, also below the API for all.
    rig.nobody()
        .get("/nothing/here")
        .await
        .problem(404, "not_found");
    rig.user()
        .post("/nothing/here", &json!({}))
        .await
        .problem(404, "not_found");
    // A browser that opens the stock client's address of a task comes to the page.
    let id = "task_00000000000000000000000000000001";
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let request = http
        .build()
        .expect("a client")
        .get(format!("{}/codex/tasks/{id}", rig.url));
    let led = read(request.header("accept", HTML)).await;
    assert_eq!(
        (led.status, led.header("location")),
        (303, &*format!("{ORIGIN}/tasks/{id}"))
    );
    rig.stop().await;
}

/// What a browser sends with each request once somebody signed in with that token.
async fn signed_in(rig: &Rig, token: &str) -> (Client, Answer) {
    let answer = rig
        .nobody()
        .post("/sign-in", &json!({"token": token}))
        .await;
    assert_eq!(
        answer.status,
        204,
        "{}",
        String::from_utf8_lossy(&answer.bytes)
    );
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .expect("a pair")
        .to_owned();
    (
        rig.nobody().with("cookie", &format!("other=1; {cookie}")),
        answer,
    )
}

#[tokio::test]
async fn a_cookie_that_no_script_can_read_says_who_is_signed_in() {
    let rig = Rig::start().await;
    let (browser, answer) = signed_in(&rig, &rig.user_token).await;
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/api"] {
        assert!(
            cookie.split("; ").any(|known| known == part),
            "{part} in {cookie}"
        );
    }
    assert!(!cookie.contains(&rig.user_token[4..20]), "{cookie}");
    assert!(answer.bytes.is_empty());
    let me = browser.get("/api/v1/me").await.expect(200);
    assert_eq!(me["name"], "user-1");
    // A token that the request names itself is the one that counts.
    let both = browser.clone().with("authorization", "Bearer ow_nonsense");
    both.get("/api/v1/me").await.problem(401, "unauthorized");
    // It is no token.
    let value = cookie.split(['=', ';']).nth(1).expect("a value");
    Client::new(&rig.url, Some(value))
        .get("/api/v1/me")
        .await
        .problem(401, "unauthorized");

    let out = rig.nobody().post("/sign-out", &json!({})).await;
    assert!(
        out.header("set-cookie").contains("=; ") && out.header("set-cookie").contains("Max-Age=0")
    );
    rig.stop().await;
}

#[tokio::test]
async fn another_site_can_change_nothing_with_the_cookie() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let (browser, _) = signed_in(&rig, &rig.user_token).await;
    let body = json!({"environment": "app", "prompt": "p"});
    let own = browser
        .clone()
        .with("origin", ORIGIN)
        .with("sec-fetch-site", "same-origin");
    own.post("/api/v1/tasks", &body).await.expect(201);
    let foreign = [
        browser.clone().with("origin", "https://evil.example"),
        browser.clone().with("origin", "null"),
        browser.clone().with("sec-fetch-site", "cross-site"),
        browser.clone(),
    ];
    for client in foreign {
        client
            .post("/api/v1/tasks", &body)
            .await
            .problem(403, "forbidden");
        client
            .bare(Method::DELETE, "/api/v1/model")
            .await
            .problem(403, "forbidden");
    }
    // Another site cannot sign somebody in or out either.
    for path in ["/sign-in", "/sign-out"] {
        let evil = rig.nobody().with("origin", "https://evil.example");
        evil.post(path, &json!({"token": rig.user_token}))
            .await
            .problem(403, "forbidden");
    }
    // A form of HTML cannot send JSON.
    let form = rig
        .nobody()
        .request(Method::POST, "/sign-in")
        .body("token=x");
    read(form.header("content-type", "text/plain"))
        .await
        .problem(415, "unsupported_media_type");
    rig.stop().await;
}

#[tokio::test]
async fn a_sign_in_ends_with_its_time_and_its_token_and_cannot_be_made_up() {
    let rig = Rig::start().await;
    for (token, status, code) in [
        ("", 401, "unauthorized"),
        ("sk-of-another-service", 401, "unauthorized"),
        (&*rig.worker_token, 403, "forbidden"),
    ] {
        let answer = rig
            .nobody()
            .post("/sign-in", &json!({"token": token}))
            .await;
        assert!(answer.headers.get("set-cookie").is_none());
        answer.problem(status, code);
    }
    rig.nobody()
        .post("/sign-in", &json!({}))
        .await
        .problem(400, "invalid_request");
    let (browser, answer) = signed_in(&rig, &rig.user_token).await;
    let pair = answer
        .header("set-cookie")
        .split(';')
        .next()
        .expect("a pair")
        .to_owned();
    let (name, value) = pair.split_once('=').expect("a name and a value");
    for at in [0, 1, 40, value.len() - 1] {
        let other = if value.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let changed = format!("{}{other}{}", &value[..at], &value[at + 1..]);
        let client = rig.nobody().with("cookie", &format!("{name}={changed}"));
        client.get("/api/v1/me").await.problem(401, "unauthorized");
    }
    // Another person of another workspace has another cookie, and sees nothing of this one.
    let stranger = rig.stranger(PrincipalKind::User).await;
    assert_eq!(
        stranger.get("/api/v1/me").await.expect(200)["name"],
        "user-2"
    );
    browser.get("/api/v1/me").await.expect(200);
    rig.pass(Duration::from_secs(30 * 24 * 60 * 60 + 1)).await;
    let problem = browser.get("/api/v1/me").await.problem(401, "unauthorized");
    assert!(
        problem["hint"]
            .as_str()
            .expect("a hint")
            .contains("Sign in again"),
        "{problem}"
    );
    rig.stop().await;
}
