//! Where a webhook may be, as far as its address says it. What its name leads to is checked at each try.

use outwork_domain::limits::WEBHOOK_URL_BYTES;
use reqwest::Url;

use super::Sender;
use crate::git_gateway::address::check_literal;
use crate::refusal::Refusal;

/// The address as it is kept.
pub(crate) fn check(sender: &Sender, text: &str) -> Result<String, Refusal> {
    const FORM: &str =
        "must be an address such as https://example.com/hook, without user or fragment";
    let text = text.trim();
    if text.len() > WEBHOOK_URL_BYTES {
        let detail = format!("has more than {WEBHOOK_URL_BYTES} bytes");
        return Err(Refusal::field("/url", detail));
    }
    let url = Url::parse(text).ok().filter(is_plain);
    let url = url.ok_or_else(|| Refusal::field("/url", FORM))?;
    if let Err(refused) = check_literal(&sender.config.policy(), &url) {
        let detail = format!("cannot be told: {refused}");
        return Err(Refusal::field("/url", detail).with_hint(
            "Webhooks are at public addresses; the server's operator allows others with `--webhook-address`.",
        ));
    }
    Ok(url.to_string())
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WebhookConfig;
    use crate::git_gateway::GitGatewayConfig;

    #[test]
    fn an_address_is_public_or_allowed() {
        let public = Sender::new(&GitGatewayConfig::default(), WebhookConfig::default());
        let own = WebhookConfig {
            addresses: vec!["10.0.0.0/8".parse().expect("a network")],
            ..WebhookConfig::default()
        };
        let own = Sender::new(&GitGatewayConfig::default(), own);
        for (text, expected) in [
            ("https://example.com/hook?a=b", [true, true]),
            (" http://example.com ", [true, true]),
            ("https://10.1.2.3/", [false, true]),
            ("https://127.0.0.1/", [false, false]),
            ("https://[::1]/", [false, false]),
            ("https://2130706433/", [false, false]),
            ("http://169.254.169.254/latest", [false, false]),
            ("https://u:p@example.com/", [false, false]),
            ("https://example.com/#a", [false, false]),
            ("ftp://example.com/", [false, false]),
            ("example.com", [false, false]),
            ("", [false, false]),
        ] {
            let taken = [&public, &own].map(|sender| check(sender, text).is_ok());
            assert_eq!(taken, expected, "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(WEBHOOK_URL_BYTES));
        assert!(check(&public, &long).is_err());
    }
}
