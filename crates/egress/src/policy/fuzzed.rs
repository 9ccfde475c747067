//! What a fuzzer throws at the policy.

use super::target::{Host, Target};
use super::{Destinations, Domain, Methods, Policy, Preset, RequestFacts};

/// A domain has one form, and covers itself and what ends in a dot and it: nothing else. The rest of the bytes, after a line end, is a name.
pub fn domain(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (domain, name) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(domain) = Domain::parse(domain) else {
        return;
    };
    let form = domain.as_str();
    assert_eq!(Domain::parse(form).as_ref(), Ok(&domain));
    assert!(form.contains('.') && !form.starts_with('.') && !form.ends_with('.'));
    assert!(
        !form
            .chars()
            .any(|c| c.is_ascii_uppercase() || !c.is_ascii_graphic())
    );
    assert!(domain.covers(form) && domain.covers(&format!("x.{form}")));
    assert!(!domain.covers(&format!("x{form}")));
    let labels = |text: &str| text.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    for name in [name, &format!("{form}.x"), &format!("{form}.{form}")] {
        assert_eq!(domain.covers(name), labels(name).starts_with(&labels(form)));
    }
    let policy = Policy {
        destinations: Destinations::Listed {
            preset: Preset::None,
            allow: vec![domain.clone()],
        },
        ..Policy::closed()
    };
    if let Ok(target) = Target::parse(name, Some(443))
        && let Host::Name(host) = &target.host
    {
        let is_covered = domain.covers(host.as_str());
        let is_allowed = policy.check_host(target.clone()).is_ok();
        assert!(
            !is_allowed || (is_covered && !host.is_own() && policy.ports.contains(&target.port))
        );
    }
}

/// Where only reading is allowed, whatever passes is a read, or a fetch; and nothing that any server could take for a push. In lines: method,
/// path, query, content type, upgrade.
pub fn request(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let facts = RequestFacts {
        method: line(),
        path: line(),
        query: line(),
        content_type: line(),
        upgrade: Some(line()).filter(|upgrade| !upgrade.is_empty()),
        overrides_method: bytes.last() == Some(&b'!'),
        is_tls: bytes.len().is_multiple_of(2),
    };
    let policy = Policy {
        destinations: Destinations::Public,
        methods: Methods::ReadOnly,
        ..Policy::closed()
    };
    let target = Target::parse("mirror.example", Some(443)).expect("a target");
    let permit = policy.check_host(target).expect("a public name");
    if policy.check_request(&permit, &facts).is_err() {
        return;
    }
    assert!(facts.upgrade.is_none() && !facts.overrides_method);
    let is_read = matches!(facts.method, "GET" | "HEAD" | "OPTIONS");
    let is_fetch = facts.method == "POST"
        && facts.path.ends_with("/git-upload-pack")
        && facts.content_type == "application/x-git-upload-pack-request";
    assert!(is_read || is_fetch, "{facts:?}");
    let query = unescaped(facts.query).to_lowercase();
    let is_advertisement = query.contains("service=") && query.contains("git-receive-pack");
    assert!(!is_advertisement, "{facts:?}");
    let path = unescaped(facts.path).to_lowercase();
    assert!(is_read || !path.contains("git-receive-pack"), "{facts:?}");
}

/// Without escapes, however often they were escaped.
fn unescaped(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at..at + 3).filter(|escape| escape[0] == b'%');
        let digits = escape.and_then(|escape| std::str::from_utf8(&escape[1..]).ok());
        let plain = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match plain.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.splice(at..at + 3, [byte]);
                // What it makes may be the end of another.
                at = at.saturating_sub(2);
            }
            None => at += 1,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
