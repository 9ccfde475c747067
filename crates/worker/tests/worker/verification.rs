//! The verify command, and the order of attempts by what it says: scripted turns, each attempt run by the real worker.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use outwork_api::task::{TestCounts, Verification};
use outwork_api::worker::{AssignedVerification, Assignment, Finish, Outcome};
use outwork_domain::evidence::{self, Evidence, VerificationState, WithOriginalTests};
use outwork_domain::ranking::{Candidate, Change, Ended, Ranking, rank};

use crate::fake_api::Record;
use crate::scene::{Scene, git};

const PROMPT: &str = "Make add.sh and mul.sh right.";
const VERIFY: &str = "bash tests/run.sh";

/// A project with two faults, and tests that find them.
fn project() -> Scene {
    let mut scene = Scene::new();
    let root = scene.repository();
    std::fs::create_dir(root.join("tests")).unwrap();
    for (path, content) in [
        ("add.sh", "echo $(( $1 - $2 ))\n"),
        ("mul.sh", "echo $(( $1 + $2 ))\n"),
        (
            "tests/run.sh",
            "bad=0; n=0\n\
             check() {\n\
             n=$((n + 1)); word=ok\n\
             [ \"$2\" = \"$3\" ] || { word='not ok'; bad=1; }\n\
             echo \"$word $n - $1\"\n\
             }\n\
             . tests/cases.sh\n\
             echo \"1..$n\"\n\
             exit $bad\n",
        ),
        (
            "tests/cases.sh",
            "check add \"$(bash add.sh 2 3)\" 5\n\
             check zero \"$(bash add.sh 0 0)\" 0\n\
             check mul \"$(bash mul.sh 2 3)\" 6\n",
        ),
    ] {
        std::fs::write(root.join(path), content).unwrap();
    }
    git(&root, &["add", "-A"]);
    git(&root, &["commit", "-q", "-m", "two faults"]);
    scene.commit = git(&root, &["rev-parse", "HEAD"]).trim().to_owned();
    scene
}

/// What attempts do, by name. Single quotes: nothing in them is expanded by the agent's shell.
const ADD: &str = "echo 'echo $(( $1 + $2 ))' > add.sh;";
const MUL: &str = "echo 'echo $(( $1 * $2 ))' > mul.sh;";

fn agents() -> BTreeMap<&'static str, String> {
    let right = format!("{ADD} {MUL}");
    let and = |more: &str| format!("{right} {more}");
    BTreeMap::from([
        ("right", right.clone()),
        // Said in another way, with a line more.
        ("also right", and("echo '# done' >> mul.sh")),
        ("wrong", "echo 'echo 7' > add.sh".to_owned()),
        ("partly", ADD.to_owned()),
        ("nothing", "true".to_owned()),
        ("broken", "echo 'echo $((' | tee add.sh > mul.sh".to_owned()),
        ("huge", and("seq -f '# %g' 2000 >> add.sh")),
        ("outside", and("echo more >> README.md")),
        ("hangs", "echo 'sleep 600' > add.sh".to_owned()),
        ("crashes", and("exit 3")),
        ("crashes at once", "exit 3".to_owned()),
        (
            "edits tests",
            "echo '# x' >> add.sh; sed -i 's/^exit.*/exit 0/' tests/run.sh".to_owned(),
        ),
        (
            "empties tests",
            "echo '# x' >> add.sh; echo true > tests/cases.sh".to_owned(),
        ),
        (
            "deletes tests",
            "echo '# x' >> add.sh; rm tests/cases.sh".to_owned(),
        ),
        (
            "moves tests",
            "echo '# x' >> add.sh; mv tests/cases.sh cases.txt; touch tests/cases.sh".to_owned(),
        ),
        (
            "expects faults",
            "echo '# x' >> add.sh; sed -i 's/ 5$/ -1/; s/ 6$/ 5/' tests/cases.sh".to_owned(),
        ),
        (
            "adds tests",
            and("echo 'check more \"$(bash add.sh 1 1)\" 2' >> tests/cases.sh"),
        ),
        // A directory turned into a link to where other tests are.
        (
            "swaps tests",
            "cp -r tests .mine; echo exit 0 > .mine/run.sh; rm -r tests; ln -s .mine tests"
                .to_owned(),
        ),
    ])
}

fn assignment(scene: &Scene, number: u32, command: &str) -> Assignment {
    Assignment {
        prompt: PROMPT.to_owned(),
        verify: Some(AssignedVerification {
            command: VERIFY.to_owned(),
            timeout_ms: 6_000,
        }),
        ..scene.assignment(number, command)
    }
}

/// As the server keeps it.
fn kept(finish: &Finish) -> Evidence {
    let state = |name: &str| VerificationState::parse(name).unwrap();
    let counts = |counts: &TestCounts| evidence::TestCounts {
        runner: counts.runner.clone(),
        passed: counts.passed,
        failed: counts.failed,
        skipped: counts.skipped,
    };
    let verification = |run: &Verification| evidence::Verification {
        state: state(&run.state),
        command: run.command.clone(),
        exit_code: run.exit_code,
        duration: Duration::from_millis(run.duration_ms),
        tests: run.tests.as_ref().map(counts),
        tail: run.tail.clone(),
        with_original_tests: run
            .with_original_tests
            .as_ref()
            .map(|run| WithOriginalTests {
                state: state(&run.state),
                exit_code: run.exit_code,
                changed: run.changed.clone(),
            }),
    };
    Evidence {
        verification: finish.verification.as_deref().map(verification),
        agent_time: finish.agent_ms.map(Duration::from_millis),
        paths: finish.paths.clone(),
        changed_tests: finish.changed_tests.clone(),
    }
}

fn ranking(finishes: &[&Finish]) -> Ranking {
    let all: Vec<Evidence> = finishes.iter().map(|finish| kept(finish)).collect();
    let candidates: Vec<Candidate<'_>> = (1..)
        .zip(finishes.iter().zip(&all))
        .map(|(number, (finish, evidence))| Candidate {
            number,
            ended: Some(match finish.outcome {
                Outcome::Succeeded {} => Ended::Succeeded,
                _ => Ended::Otherwise,
            }),
            change: finish.diffs.first().map(|diff| Change {
                files: diff.summary.files_changed,
                lines: diff.summary.lines_added + diff.summary.lines_removed,
            }),
            evidence: Some(evidence),
            tokens: None,
        })
        .collect();
    rank(PROMPT, &candidates)
}

/// Turns by what their attempts do; what the ranking must say, and which attempt it must call the best.
const TURNS: [(&[&str], &str, Option<u32>); 36] = [
    (&["right"], "decided", Some(1)),
    (&["wrong"], "none_passed", None),
    (&["edits tests"], "none_passed", None),
    (&["nothing"], "nothing_done", None),
    (&["wrong", "right"], "decided", Some(2)),
    (&["right", "wrong"], "decided", Some(1)),
    (&["partly", "right"], "decided", Some(2)),
    (&["partly", "wrong"], "none_passed", None),
    (&["edits tests", "right"], "decided", Some(2)),
    (&["empties tests", "right"], "decided", Some(2)),
    (&["deletes tests", "right"], "decided", Some(2)),
    (&["moves tests", "right"], "decided", Some(2)),
    (&["expects faults", "right"], "decided", Some(2)),
    (&["swaps tests", "right"], "decided", Some(2)),
    (&["edits tests", "partly"], "none_passed", None),
    (
        &["deletes tests", "wrong", "expects faults"],
        "none_passed",
        None,
    ),
    (&["empties tests", "moves tests"], "none_passed", None),
    (&["nothing", "right"], "decided", Some(2)),
    (&["nothing", "wrong"], "none_passed", None),
    (&["nothing", "nothing"], "nothing_done", None),
    (&["broken", "right"], "decided", Some(2)),
    (&["broken", "partly"], "none_passed", None),
    (&["broken", "broken"], "none_passed", None),
    (&["huge", "right"], "decided", Some(2)),
    (&["huge", "wrong"], "decided", Some(1)),
    (&["outside", "right"], "decided", Some(2)),
    (&["outside", "huge"], "decided", Some(2)),
    (&["hangs", "right"], "decided", Some(2)),
    (&["hangs", "nothing"], "none_passed", None),
    (&["crashes", "right"], "decided", Some(2)),
    (&["crashes at once", "nothing"], "nothing_done", None),
    (&["crashes at once", "wrong", "right"], "decided", Some(3)),
    (&["right", "also right"], "tie", None),
    (&["wrong", "right", "also right", "partly"], "tie", None),
    (&["adds tests", "right"], "tie", None),
    (
        &["adds tests", "edits tests", "huge", "outside"],
        "decided",
        Some(1),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_right_attempt_comes_first_and_without_one_none_is_called_the_best() {
    let scene = project();
    let worker = scene.start().await;
    let mut finishes: BTreeMap<&str, Finish> = BTreeMap::new();
    for (number, (name, command)) in (1..).zip(agents()) {
        let assignment = assignment(&scene, number, &command);
        let attempt = assignment.attempt.clone();
        scene.api.offer(assignment);
        let record = scene.finished(&attempt).await;
        finishes.insert(name, record.finish.unwrap());
    }
    worker.end().await;
    for (attempts, verdict, best) in TURNS {
        let turn: Vec<&Finish> = attempts.iter().map(|name| &finishes[name]).collect();
        let ranking = ranking(&turn);
        let said = (ranking.verdict.as_str(), ranking.best);
        assert_eq!(said, (verdict, best), "{attempts:?}: {ranking:#?}");
        // What leads is right wherever one is.
        let is_right =
            |name: &&str| ["right", "also right", "adds tests", "huge", "outside"].contains(name);
        if attempts.iter().any(is_right) {
            let leading = ranking.leading().unwrap() as usize;
            assert!(
                is_right(&attempts[leading - 1]),
                "{attempts:?}: {ranking:#?}"
            );
        }
    }
}

async fn verified(
    command: &str,
    change: impl FnOnce(&mut Assignment),
) -> (Scene, Record, Verification) {
    let scene = project();
    let mut assignment = assignment(&scene, 1, command);
    change(&mut assignment);
    let record = scene.run(assignment).await;
    let verification = *record.finish.clone().unwrap().verification.unwrap();
    (scene, record, verification)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_as_the_agent_did_without_network_and_nothing_of_it_gets_into_the_diff() {
    let command = format!("{ADD} {MUL} echo mine > /home/agent/left; sleep 300 & disown");
    let (scene, record, verification) = verified(&command, |assignment| {
        assignment.verify.as_mut().unwrap().command =
            "cat /home/agent/left; id -un; pwd; echo $GREETING\n\
             echo made > made.txt; echo more >> README.md; rm add.sh\n\
             tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; ps -eo args | grep -c '[s]leep 300'\n\
             (exec 3<> /dev/tcp/127.0.0.1/47100) 2>&1 | grep -q refused && echo refused; exit 4"
                .to_owned();
        let variables = &mut assignment.variables;
        variables.insert("GREETING".to_owned(), "hi".to_owned());
    })
    .await;
    assert_eq!(record.outcome(), "ok", "it is evidence, and no failure");
    assert_eq!(
        (verification.state.as_str(), verification.exit_code),
        ("failed", Some(4))
    );
    assert_eq!(
        verification.tail,
        "mine\nagent\n/workspace/project\nhi\nlo\n0\nrefused\n"
    );
    assert_eq!(scene.applied(&record, "made.txt"), None);
    assert_eq!(
        scene.applied(&record, "README.md").as_deref(),
        Some("hello\n")
    );
    assert!(
        record.output().contains("mine\nagent\n"),
        "it is in the log"
    );
    let finish = record.finish.unwrap();
    assert_eq!(finish.paths, ["add.sh", "mul.sh"]);
    assert!(finish.agent_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_tests_are_put_back_for_a_second_run() {
    let edit = "echo '# x' >> add.sh; sed -i 's/^exit.*/exit 0/' tests/run.sh";
    let (_, record, verification) = verified(edit, |_| {}).await;
    assert_eq!(
        (verification.state.as_str(), verification.exit_code),
        ("failed", Some(0))
    );
    let original = verification.with_original_tests.unwrap();
    assert_eq!(
        (original.state.as_str(), original.exit_code),
        ("failed", Some(1))
    );
    assert_eq!(original.changed, ["tests/run.sh"]);
    assert_eq!(record.finish.unwrap().changed_tests, ["tests/run.sh"]);
    let tests = verification.tests.unwrap();
    assert_eq!(
        (tests.runner.as_str(), tests.passed, tests.failed),
        ("tap", 1, 2)
    );

    let right = format!("{ADD} {MUL} echo 'check more 1 1' >> tests/cases.sh");
    let (_, _, verification) = verified(&right, |_| {}).await;
    assert_eq!(verification.state, "passed");
    assert_eq!(verification.with_original_tests.unwrap().state, "passed");

    // Nobody else's test is touched: once is enough.
    let (_, _, verification) =
        verified(&format!("{ADD} {MUL} echo true > tests/new.sh"), |_| {}).await;
    assert_eq!(
        (
            verification.state.as_str(),
            verification.with_original_tests
        ),
        ("passed", None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_and_runs_only_where_there_is_something_to_verify() {
    let (_, record, verification) = verified(ADD, |assignment| {
        let verify = assignment.verify.as_mut().unwrap();
        (verify.command, verify.timeout_ms) = ("echo begun; sleep 600".to_owned(), 1_000);
    })
    .await;
    assert_eq!(record.outcome(), "ok");
    assert_eq!(
        (verification.state.as_str(), verification.exit_code),
        ("timed_out", None)
    );
    assert_eq!(verification.tail, "begun\n");
    for command in ["true", "echo x > x; exit 3"] {
        let (_, _, verification) = verified(command, |_| {}).await;
        assert_eq!(
            (verification.state.as_str(), verification.tail.as_str()),
            ("not_run", "")
        );
    }
}

/// The agent's files may be anything; what is put back is what the base has.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_of_the_tests_is_replaced() {
    let command = "echo '# x' >> add.sh; rm -rf tests; mkdir -p elsewhere; echo exit 0 > elsewhere/run.sh; \
         ln -s elsewhere tests";
    let (scene, _, verification) = verified(command, |_| {}).await;
    assert_eq!(verification.state, "failed", "{verification:?}");
    assert_eq!(verification.with_original_tests.unwrap().state, "failed");
    // And nothing of it is left in the repository on the host.
    let mode = std::fs::metadata(scene.repository().join("tests"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o700, 0o700);
}
