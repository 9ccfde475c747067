//! What a message asks for.

use outwork_slack::text::{Wish, begins_with_another, calls, read};

fn read_it(text: &str) -> Wish {
    let names = |user: &str| (user == "U2").then(|| "ada".to_owned());
    read(text, Some("U0BOT"), names)
}

fn say(text: &str) -> Wish {
    Wish::Say {
        environment: None,
        text: text.to_owned(),
    }
}

#[test]
fn a_word_alone_is_a_command() {
    let cases = [
        ("<@U0BOT> status", Wish::Status),
        ("<@U0BOT|outwork> Cancel!", Wish::Cancel),
        ("stop", Wish::Cancel),
        ("<@U0BOT>: approve", Wish::Approve { text: None }),
        (
            "approve: read it all",
            Wish::Approve {
                text: Some("read it all".to_owned()),
            },
        ),
        (
            "Reject: no tests",
            Wish::Reject {
                text: Some("no tests".to_owned()),
            },
        ),
        ("retry", Wish::Retry),
        ("diff", Wish::Diff),
        ("PR", Wish::PullRequest),
        ("open  a pull request.", Wish::PullRequest),
        ("<@U0BOT> help", Wish::Help),
        ("<@U0BOT>", Wish::Nothing),
        ("  ", Wish::Nothing),
    ];
    for (text, wish) in cases {
        assert_eq!(read_it(text), wish, "{text}");
    }
}

#[test]
fn a_sentence_with_the_word_is_none() {
    for text in [
        "cancel old subscriptions in the nightly job",
        "stop the server from leaking",
        "the status page is wrong",
        "approve button does nothing",
        "open a pull request template",
    ] {
        assert_eq!(read_it(text), say(text));
    }
}

#[test]
fn an_environment_is_named_in_front() {
    let named = |name: &str, text: &str| Wish::Say {
        environment: Some(name.to_owned()),
        text: text.to_owned(),
    };
    assert_eq!(
        read_it("<@U0BOT> in web app: fix it"),
        named("web app", "fix it")
    );
    assert_eq!(
        read_it("In `web`:\nfix it\nand that"),
        named("web", "fix it\nand that")
    );
    assert_eq!(
        read_it("in <https://git.example/team/app.git>: fix it"),
        named("https://git.example/team/app.git", "fix it")
    );
    // No name, no rest, or a sentence.
    assert_eq!(read_it("in : fix"), say("in : fix"));
    assert_eq!(read_it("in web:"), say("in web:"));
    assert_eq!(
        read_it("in the README a word is wrong"),
        say("in the README a word is wrong")
    );
    assert_eq!(read_it("in ü: x"), named("ü", "x"));
    assert_eq!(read_it("inü: x"), say("inü: x"));
}

#[test]
fn a_text_is_read_as_people_see_it() {
    assert_eq!(
        read_it("<@U0BOT> ask <@U2> and <@U3|bob> in <#C1|general> &amp; <!here> &lt;b&gt;"),
        say("ask @ada and @bob in #general & @here <b>")
    );
    assert_eq!(
        read_it("see <https://x.example/a?b=1&amp;c=2|https://x.example/a?b=1&amp;c=2>"),
        say("see https://x.example/a?b=1&c=2")
    );
    assert_eq!(
        read_it("see <https://evil.example|our docs>, <mailto:a@b.c|a@b.c>"),
        say("see our docs (https://evil.example), a@b.c")
    );
    assert_eq!(read_it("a < b <c"), say("a < b <c"));
    // What was escaped is not read again.
    assert_eq!(read_it("&amp;lt;"), say("&lt;"));
    assert_eq!(read_it("&lt;@U0BOT&gt; x"), say("<@U0BOT> x"));
}

#[test]
fn who_is_called() {
    assert!(calls("hi <@U0BOT|o>", "U0BOT"));
    assert!(!calls("hi &lt;@U0BOT&gt; <@U0BOTX>", "U0BOT"));
    assert!(begins_with_another(
        "<@U2> what do you think?",
        Some("U0BOT")
    ));
    assert!(begins_with_another(" <!here> look", Some("U0BOT")));
    assert!(!begins_with_another(
        "<@U0BOT> as <@U2> said",
        Some("U0BOT")
    ));
    assert!(!begins_with_another("yes, <@U2>", Some("U0BOT")));
}
