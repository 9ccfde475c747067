//! Which environment.

use outwork_slack::choose::{Candidate, Choice, choose};

fn candidates() -> Vec<Candidate> {
    [
        (
            "env_1",
            "web app",
            "https://git.example/team/storefront.git",
        ),
        (
            "env_2",
            "billing",
            "git@git.example:team/billing-service.git",
        ),
        ("env_3", "billing (old)", "https://git.example/team/legacy"),
        ("env_4", "docs", "https://git.example/team/handbook.git"),
    ]
    .map(|(id, label, repository)| Candidate {
        id: id.to_owned(),
        label: label.to_owned(),
        repository: repository.to_owned(),
    })
    .to_vec()
}

fn choose_it(named: Option<&str>, text: &str, recent: &[&str]) -> String {
    let recent: Vec<String> = recent.iter().map(|&id| id.to_owned()).collect();
    match choose(named, text, &candidates(), &recent) {
        Choice::Chosen { id, why } => format!("{id}: {why}"),
        Choice::Ask { from, why } => format!("ask {}: {why}", from.join(" ")),
        Choice::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn a_name_before_the_text_decides() {
    for name in ["web app", "WEB APP", "env_1"] {
        assert_eq!(
            choose_it(Some(name), "fix billing", &["env_2"]),
            "env_1: the message names it"
        );
    }
    for name in [
        "storefront",
        "team/Storefront",
        "https://git.example/team/storefront",
        "git@git.example:team/storefront.git",
        "ssh://git@git.example/team/storefront.git/",
    ] {
        assert_eq!(
            choose_it(Some(name), "fix billing", &["env_2"]),
            "env_1: the message names its repository",
            "{name}"
        );
    }
    assert_eq!(
        choose_it(Some("shop"), "fix", &["env_2"]),
        "ask env_1 env_2 env_3 env_4: No environment here has that name."
    );
}

#[test]
fn else_what_the_text_names() {
    assert_eq!(
        choose_it(None, "the Docs: a typo", &["env_2"]),
        "env_4: the message names it"
    );
    assert_eq!(
        choose_it(None, "see https://git.example/team/legacy/issues/4", &[]),
        "env_3: its name has `legacy`, as the message does"
    );
    assert_eq!(
        choose_it(None, "team/storefront fails", &[]),
        "env_1: the message names it"
    );
    // Part of another word is no name.
    assert_eq!(
        choose_it(None, "docs.rs and my-docs are down", &["env_1"]),
        "env_4: its name has `docs`, as the message does"
    );
}

#[test]
fn else_the_words_then_the_last() {
    assert_eq!(
        choose_it(None, "the service is slow", &["env_3"]),
        "env_2: its name has `service`, as the message does"
    );
    assert_eq!(
        choose_it(None, "invoices are wrong", &["env_9", "env_3"]),
        "env_3: it was used here last"
    );
    assert_eq!(
        choose_it(None, "invoices are wrong", &[]),
        "ask env_1 env_2 env_3 env_4: The message does not say in which environment."
    );
    assert_eq!(
        choose_it(None, "billing or docs?", &[]),
        "ask env_2 env_4: The message fits more than one environment."
    );
    // Of several that fit, the one that was used last.
    assert_eq!(
        choose_it(None, "billing or docs?", &["env_1", "env_4"]),
        "env_4: it was used here last"
    );
}

#[test]
fn one_or_none() {
    let all = candidates();
    assert_eq!(
        choose(None, "x", &all[..1], &[]),
        Choice::Chosen {
            id: "env_1".to_owned(),
            why: "it is the only one here".to_owned()
        }
    );
    assert_eq!(choose(None, "x", &[], &[]), Choice::Nothing);
    assert_eq!(choose(Some("y"), "x", &[], &[]), Choice::Nothing);
}
