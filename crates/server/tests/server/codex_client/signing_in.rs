//! `codex login --device-auth`, and personal access tokens.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use outwork_test_codex::{CLOUD, Client, NEWEST};
use serde_json::json;

use super::{Stand, target};

/// The versions that know an issuer.
const VERSIONS: [&str; 2] = [CLOUD[4], NEWEST];

#[tokio::test(flavor = "multi_thread")]
async fn a_code_signs_the_client_in() {
    let stand = Stand::start().await;
    let id = stand
        .done("change it", &stand.diff(&[("file", b"three\n")]))
        .await;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let base = format!("{}/backend-api", stand.rig.url);
        let client = Client::new(target(), version, &base, "x").signed_out();
        let login = [
            "login",
            "--device-auth",
            "--experimental_issuer",
            &stand.rig.url,
        ];
        let mut login = client.command(&stand.clone, &login);
        let mut login = login
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("codex runs");
        let shown = BufReader::new(login.stdout.take().expect("piped"));
        let mut lines = shown.lines().map(|line| line.expect("text"));
        let code = lines
            .find_map(|line| code_in(&line))
            .expect("it shows a code");
        let body = json!({"user_code": code});
        let approved = stand
            .rig
            .user()
            .post("/api/v1/codex-logins/approve", &body)
            .await;
        approved.expect(204);
        // It says more, and would fail if nobody read that.
        lines.for_each(drop);
        let ended = login.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{ended:?}");

        let clone = stand.another_clone(&format!("signed-in-{number}"));
        client.apply(&clone, &id).code(0);
        if version != NEWEST {
            client.run(&stand.clone, &["cloud", "status", &id]).code(0);
        }
        client.kept_to_its_server();
    }
}

/// `BCDF-GHJK` among what makes a terminal colourful.
fn code_in(line: &str) -> Option<String> {
    let mut words = line.split(|c: char| !(c.is_ascii_uppercase() || c == '-'));
    words
        .find(|word| word.len() == 9 && word.chars().nth(4) == Some('-'))
        .map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_token_needs_no_login() {
    let stand = Stand::start().await;
    let id = stand
        .done("change it", &stand.diff(&[("file", b"three\n")]))
        .await;
    let accounts = format!("{}/api/accounts", stand.rig.url);
    let with = |client: Client, token: &str| {
        let client = client.with("CODEX_ACCESS_TOKEN", &format!("at-{token}"));
        client
            .with("CODEX_AUTHAPI_BASE_URL", &accounts)
            .signed_out()
    };
    for version in [CLOUD[3], CLOUD[4]] {
        for client in stand.clients(version) {
            let client = with(client, &stand.rig.user_token);
            client.run(&stand.clone, &["cloud", "status", &id]).code(0);
            client
                .run(&stand.clone, &["cloud", "exec", "--env", "App", "x"])
                .code(0);
            client.kept_to_its_server();
            let stranger = with(Client::new(target(), version, client.base(), "x"), "canary");
            let refused = stranger.run(&stand.clone, &["cloud", "list"]).code(1);
            assert!(refused.stderr.contains("Not signed in"), "{refused:?}");
        }
    }
}
