//! GitHub Apps: the form that makes one, and the token with which one speaks for itself.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::call::{Call, Verb};
use crate::github::EVENTS;

/// A token lives ten minutes at most; clocks differ.
const BEFORE_SECONDS: i64 = 60;
const AFTER_SECONDS: i64 = 540;

/// Why an app's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the app's private key is no PEM file of an RSA key, as GitHub gives it")]
    Unreadable,
    #[error("nothing can be signed with the app's private key")]
    Signing,
}

/// The token with which an app speaks for itself: a JSON Web Token, RS256. `key` is the PEM file that GitHub gave.
pub fn token(app: u64, key: &str, now_seconds: i64) -> Result<String, KeyError> {
    let key = key_pair(key)?;
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({"iat": now_seconds - BEFORE_SECONDS, "exp": now_seconds + AFTER_SECONDS, "iss": app.to_string()});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| KeyError::Signing)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// GitHub's are PKCS#1; converted ones are PKCS#8.
fn key_pair(pem: &str) -> Result<RsaKeyPair, KeyError> {
    let block = |name: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {name}-----"))?;
        let (inside, _) = rest.split_once(&format!("-----END {name}-----"))?;
        let inside: String = inside.split_ascii_whitespace().collect();
        STANDARD.decode(inside).ok()
    };
    let key = match (block("RSA PRIVATE KEY"), block("PRIVATE KEY")) {
        (Some(der), _) => RsaKeyPair::from_der(&der),
        (None, Some(der)) => RsaKeyPair::from_pkcs8(&der),
        (None, None) => return Err(KeyError::Unreadable),
    };
    key.map_err(|_| KeyError::Unreadable)
}

/// Asks for a token for one repository of an installation, which may do no more than is needed.
pub fn installation_token(installation: u64, repository: &str) -> Call {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let installation = installation.to_string();
    let path = ["app", "installations", &installation, "access_tokens"];
    let body = json!({"repositories": [name], "permissions": permissions()});
    Call::send(
        Verb::Post,
        path.iter().map(|it| (*it).to_owned()).collect(),
        body,
    )
}

/// Where a repository is installed: for what is not begun by a delivery, which says so.
pub fn installation_of(repository: &str) -> Call {
    let parts = std::iter::once("repos")
        .chain(repository.split('/'))
        .chain(["installation"]);
    Call::get(parts.map(str::to_owned).collect())
}

/// Exchanges the code of the form for the app's secrets, once.
pub fn conversion(code: &str) -> Call {
    let path = ["app-manifests", code, "conversions"].map(str::to_owned);
    Call {
        verb: Verb::Post,
        path: path.to_vec(),
        query: Vec::new(),
        body: None,
    }
}

/// What the exchange gives.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    pub id: u64,
    /// Its name in addresses, by which it is mentioned.
    pub slug: String,
    pub key: String,
    pub webhook_secret: String,
    /// Where it is installed from.
    pub url: String,
}

pub fn read_made(answer: &Value) -> Option<Made> {
    let own = |name: &str| answer[name].as_str().map(str::to_owned);
    Some(Made {
        id: answer["id"].as_u64()?,
        slug: own("slug")?,
        key: own("pem")?,
        webhook_secret: own("webhook_secret")?,
        url: own("html_url")?,
    })
}

/// What an app may do: write code, comments and pull requests, and read checks.
fn permissions() -> Value {
    json!({"contents": "write", "issues": "write", "pull_requests": "write", "checks": "read", "metadata": "read"})
}

/// The form that makes an app, as GitHub takes it.
pub fn manifest(name: &str, url: &str, hook: &str, redirect: &str) -> Value {
    json!({
        "name": name,
        "url": url,
        "hook_attributes": {"url": hook, "active": true},
        "redirect_url": redirect,
        "public": false,
        "default_permissions": permissions(),
        "default_events": EVENTS,
    })
}

/// A page that sends the form on to GitHub when it is opened. `web` is the address for people: `https://github.com`; `organization` owns the
/// app, else who is signed in there.
pub fn page(web: &str, organization: Option<&str>, state: &str, manifest: &Value) -> String {
    let place = match organization {
        Some(name) => format!("{web}/organizations/{name}/settings/apps/new"),
        None => format!("{web}/settings/apps/new"),
    };
    let action = escaped(&format!("{place}?state={state}"));
    let manifest = escaped(&manifest.to_string());
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Make a GitHub App</title>\
         <h1>Make a GitHub App</h1><p>GitHub asks you to confirm its name and then leads back here.</p>\
         <form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"manifest\" value=\"{manifest}\">\
         <button>Go on to GitHub</button></form></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    /// Made for this test; it opens nothing.
    const KEY: &str = outwork_test_github::APP_KEY;

    #[test]
    fn an_app_signs_who_it_is_for_ten_minutes() {
        let token = token(12345, KEY, 1_700_000_000).expect("a token");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let (header, claims) = signed.split_once('.').expect("three parts");
        let read = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
            serde_json::from_slice::<Value>(&bytes).expect("JSON")
        };
        assert_eq!(read(header), json!({"alg": "RS256", "typ": "JWT"}));
        assert_eq!(
            read(claims),
            json!({"iat": 1_699_999_940, "exp": 1_700_000_540, "iss": "12345"})
        );
        let pair = key_pair(KEY).expect("a key");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        public
            .verify(signed.as_bytes(), &signature)
            .expect("signed");
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        for odd in [
            "",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
            "ssh-rsa AAAA",
        ] {
            assert!(
                matches!(token(1, odd, 0), Err(KeyError::Unreadable)),
                "{odd}"
            );
        }
    }

    #[test]
    fn nothing_gets_out_of_the_form() {
        let form = page(
            "https://github.com",
            Some("team"),
            "s",
            &json!({"name": "\"><script>"}),
        );
        assert!(!form.contains("<script>"), "{form}");
        assert!(
            form.contains(
                "action=\"https://github.com/organizations/team/settings/apps/new?state=s\""
            ),
            "{form}"
        );
    }
}
