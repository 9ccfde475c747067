//! Environments of several repositories: one prompt, a checkout and a diff for each.

use serde_json::Value;

use crate::harness::{By, Done, Engine, Outwork, Repository, by_both, on_both_stores};

by_both!(each_repository_has_its_own_checkout_and_diff);
on_both_stores!(a_follow_up_carries_every_diff);

fn id(task: &Value) -> &str {
    task["id"].as_str().expect("an id")
}

fn diff(outwork: &Outwork, task: &str, more: &[&str]) -> String {
    String::from_utf8(outwork.diff(task, more)).expect("text")
}

/// An environment of two: the first under its own name, the other as `docs`.
fn two(outwork: &Outwork, agent: &str, more: &[&str]) -> (Repository, Repository) {
    let code = Repository::with(&[("code.txt", "code\n")]);
    let docs = Repository::with(&[("docs.txt", "docs\n")]);
    let also = format!("docs={}#next", docs.url());
    docs.git(&["checkout", "-q", "-b", "next"]);
    docs.commit("next", &[("docs.txt", "next docs\n")]);
    docs.git(&["checkout", "-q", "main"]);
    let flags = ["--agent-command", agent, "--also", &also];
    outwork.environment("demo", &code, &[&flags, more].concat());
    (code, docs)
}

const BOTH: &str = r#"
    pwd; ls -A /workspace | wc -l; cat code.txt ../docs/docs.txt ~/seen
    for place in . ../docs; do
        git -C $place status --porcelain; git -C $place branch --show-current; git -C $place log --format=%s
    done
    echo more >> code.txt; echo more >> ../docs/docs.txt; mkdir ../docs/new; echo new > ../docs/new/page
    echo outside > ../outside
"#;

fn each_repository_has_its_own_checkout_and_diff(by: By) {
    let outwork = Outwork::run_by(by, &[]);
    let setup = outwork.file(
        "pwd > ~/seen; cat /workspace/docs/docs.txt >> ~/seen; echo bad > code.txt; echo bad > ../docs/docs.txt",
    );
    let (code, docs) = two(&outwork, BOTH, &["--setup", &setup]);
    let name = code.name();
    for state in ["building", "cached"] {
        let task = outwork.exec("demo", "both", &[]);
        let id = id(&task);
        let log = outwork.log(id);
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        assert_eq!(log.snapshots()[0], state);
        assert_eq!(
            log.output(),
            format!(
                "/workspace/{name}\n2\ncode\nnext docs\n/workspace/{name}\nnext docs\nmain\nstart\nnext\nnext\nstart\n"
            )
        );
        let put_back = format!("they were put back: {name}/code.txt, docs/docs.txt.");
        let is_told = log
            .warnings()
            .iter()
            .any(|warning| warning.ends_with(&put_back));
        assert_eq!(is_told, state == "building", "{:?}", log.warnings());

        let first = diff(&outwork, id, &[]);
        assert!(
            first.contains("+more") && !first.contains("docs"),
            "{first}"
        );
        assert_eq!(first, diff(&outwork, id, &["--repo", name]));
        let second = diff(&outwork, id, &["--repo", "docs"]);
        assert!(
            second.contains("a/docs.txt") && second.contains("b/new/page"),
            "{second}"
        );
        let none = outwork.run(&["diff", id, "--repo", "wiki"]).code(1);
        assert!(
            none.stderr.contains("wiki") && none.stderr.contains("docs"),
            "{}",
            none.stderr
        );

        // The folder tells which; a name says it.
        let (my_code, my_docs) = (code.clone_here(), docs.clone_here());
        my_docs.git(&["checkout", "-q", "next"]);
        let apply = |clone: &Repository, more: &[&str]| {
            let arguments = [&["apply", id], more].concat();
            Done::of(
                outwork
                    .command(&arguments)
                    .current_dir(clone.path())
                    .output(),
            )
            .success();
            clone.git(&["add", "-A"]);
            clone.git(&["diff", "--cached", "--stat=40"])
        };
        assert!(apply(&my_code, &[]).contains("code.txt | 1 +"));
        assert!(apply(&my_docs, &["--repo", "docs"]).contains("new/page | 1 +"));
        my_docs.git(&["reset", "-q", "--hard"]);
        assert!(apply(&my_docs, &[]).contains("docs.txt | 1 +"));
    }
    outwork.end();
}

/// Each turn changes other repositories: both, the second, none.
const TURNS: &str = r#"
    cat code.txt ../docs/docs.txt
    case $OUTWORK_TURN in
        1) echo "turn 1" | tee -a code.txt >> ../docs/docs.txt ;;
        2) echo "turn 2" >> ../docs/docs.txt ;;
    esac
"#;

fn a_follow_up_carries_every_diff(engine: Engine) {
    let outwork = Outwork::up(engine);
    let (_code, _docs) = two(&outwork, TURNS, &[]);
    let task = outwork.exec("demo", "first", &[]);
    let id = id(&task);
    assert_eq!(task["outcome"], "succeeded", "{:#?}", outwork.log(id));
    assert_eq!(outwork.log(id).output(), "code\nnext docs\n");
    let first = diff(&outwork, id, &[]);
    assert!(first.ends_with("+turn 1\n"), "{first}");

    outwork
        .run(&["follow-up", id, "second", "--wait", "--json"])
        .success();
    assert_eq!(
        outwork.log(id).output(),
        "code\nturn 1\nnext docs\nturn 1\n"
    );
    assert_eq!(diff(&outwork, id, &[]), first);
    let docs = diff(&outwork, id, &["--repo", "docs"]);
    assert!(docs.ends_with("+turn 1\n+turn 2\n"), "{docs}");

    outwork
        .run(&["follow-up", id, "third", "--wait", "--json"])
        .success();
    assert_eq!(
        outwork.log(id).output(),
        "code\nturn 1\nnext docs\nturn 1\nturn 2\n"
    );
    assert_eq!(diff(&outwork, id, &[]), first);
    assert_eq!(diff(&outwork, id, &["--repo", "docs"]), docs);
    let before = diff(&outwork, id, &["--repo", "docs", "--turn", "1"]);
    assert!(before.ends_with("+turn 1\n"), "{before}");
    let summary = outwork.task(id)["summary"].clone();
    assert_eq!(
        (&summary["files_changed"], &summary["lines_added"]),
        (&2.into(), &3.into())
    );
    outwork.end();
}

#[test]
fn a_repository_that_is_changed_alone_is_the_only_diff() {
    let outwork = Outwork::up(Engine::Sqlite);
    let (_code, _docs) = two(&outwork, "echo more >> ../docs/docs.txt", &[]);
    let task = outwork.exec("demo", "docs only", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(diff(&outwork, id(&task), &[]), "");
    assert!(diff(&outwork, id(&task), &["--repo", "docs"]).contains("+more"));
    assert_eq!(task["summary"]["files_changed"], 1, "{task:#}");
    outwork.end();
}

#[test]
fn of_a_repository_that_is_gone_the_name_is_told() {
    let outwork = Outwork::up(Engine::Sqlite);
    let code = Repository::with(&[("code.txt", "code\n")]);
    let flags = [
        "--agent-command",
        "true",
        "--also",
        "gone=/no/such/repository",
    ];
    outwork.environment("demo", &code, &flags);
    let refused = outwork.run(&["exec", "--env", "demo", "x"]).code(1);
    assert!(
        refused.stderr.contains("/no/such/repository"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("hint"), "{}", refused.stderr);
}
