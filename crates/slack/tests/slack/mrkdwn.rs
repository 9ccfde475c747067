//! An agent's words.

use outwork_slack::mrkdwn::from_markdown;

#[test]
fn markdown_becomes_mrkdwn() {
    let cases = [
        ("# A *fine* heading", "*A _fine_ heading*"),
        ("**bold** and *slanted*", "*bold* and _slanted_"),
        ("__bold__ _slanted_ ~~gone~~", "*bold* _slanted_ ~gone~"),
        ("***both***", "*_both_*"),
        ("**a *b* c**", "*a _b_ c*"),
        ("snake_case_name and 2*3*4", "snake_case_name and 2*3*4"),
        ("a * b * c", "a * b * c"),
        ("- one\n  * two\n+ three", "• one\n  • two\n• three"),
        ("- [ ] open\n- [x] done", "☐ open\n☑ done"),
        ("1. one\n2. two", "1. one\n2. two"),
        ("> said\n>> twice", "> said\n> &gt; twice"),
        ("`a<b` and ``x`y``", "`a&lt;b` and `x'y`"),
        ("\\*not\\*", "*not*"),
        ("a\n\n---\n\nb", "a\n\n\nb"),
        ("**open", "**open"),
        ("`open", "`open"),
        ("", ""),
    ];
    for (markdown, mrkdwn) in cases {
        assert_eq!(from_markdown(markdown), mrkdwn, "{markdown}");
    }
}

#[test]
fn code_is_left_alone() {
    assert_eq!(
        from_markdown("see\n```rust\nlet a = **b**; // <x>\n```\nand"),
        "see\n```\nlet a = **b**; // &lt;x&gt;\n```\nand"
    );
    assert_eq!(
        from_markdown("````\n```\ninner\n```\n````"),
        "```\n`\u{200b}`\u{200b}`\ninner\n`\u{200b}`\u{200b}`\n```"
    );
    assert_eq!(from_markdown("~~~\nopen"), "```\nopen\n```");
}

#[test]
fn an_agent_calls_nobody_and_hides_no_address() {
    assert_eq!(
        from_markdown("<!channel> <@U1> <!subteam^S1> &lt;!here&gt;"),
        "&lt;!channel&gt; &lt;@U1&gt; &lt;!subteam^S1&gt; &amp;lt;!here&amp;gt;"
    );
    assert_eq!(
        from_markdown("[our docs](https://evil.example/?a=1&b=2) ![x](https://t.example/p.png)"),
        "our docs (https://evil.example/?a=1&amp;b=2) x (https://t.example/p.png)"
    );
    assert_eq!(
        from_markdown("<https://a.example|https://b.example>"),
        "https://a.example|https://b.example"
    );
    assert_eq!(from_markdown("a\u{202e}b\u{7}"), "a\u{fffd}b\u{fffd}");
    assert_eq!(from_markdown("[<!here>](<!here>)"), "&lt;!here&gt;");
}
