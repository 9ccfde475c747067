//! Exit statuses, input and output.

use outwork_sandbox::{ExitStatus, Spec, Stdin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{finish, run, shell, spawn, within};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    for (script, expected) in [
        ("exit 0", ExitStatus::Code(0)),
        ("exit 7", ExitStatus::Code(7)),
        ("exit 255", ExitStatus::Code(255)),
        ("kill -TERM $$", ExitStatus::Signal(15)),
        ("kill -KILL $$", ExitStatus::Signal(9)),
        ("exit 137", ExitStatus::Code(137)),
    ] {
        assert_eq!(run(&shell(script)).await.status, expected, "{script}");
    }
}

#[tokio::test]
async fn a_broken_pipe_ends_a_program_as_usual() {
    let output = run(&shell("yes | head -n 1; echo ${PIPESTATUS:-done}")).await;
    assert_eq!(
        (output.status, &*output.stdout, &*output.stderr),
        (ExitStatus::Code(0), "y\ndone\n", "")
    );
}

#[tokio::test]
async fn fifty_megabytes_come_out_whole() {
    let output = run(&shell(
        "head -c 50000000 /dev/zero | tr '\\0' x; echo end >&2",
    ))
    .await;
    assert_eq!(
        (output.status, output.stdout.len(), &*output.stderr),
        (ExitStatus::Code(0), 50_000_000, "end\n")
    );
    assert!(output.stdout.bytes().all(|byte| byte == b'x'));
}

#[tokio::test]
async fn bytes_go_in_and_end() {
    let mut spec = Spec::new(["/usr/bin/sha256sum"]);
    spec.stdin = Stdin::Bytes(vec![7; 5_000_000]);
    let whole = run(&spec).await;
    assert_eq!(whole.status, ExitStatus::Code(0));
    spec.command = vec![
        "sh".into(),
        "-c".into(),
        "head -c 5000000 /dev/zero | tr '\\0' '\\7' | sha256sum".into(),
    ];
    assert_eq!(
        run(&spec).await.stdout,
        whole.stdout,
        "a command that ignores its input ends, too"
    );
}

#[tokio::test]
async fn no_input_is_an_end() {
    assert_eq!(
        run(&shell("cat; readlink /proc/self/fd/0")).await.stdout,
        "/dev/null\n"
    );
}

#[tokio::test]
async fn input_and_output_are_a_dialogue() {
    let mut spec = Spec::new(["/bin/cat"]);
    spec.stdin = Stdin::Piped;
    let mut running = spawn(&spec).await.unwrap();
    let mut stdin = running.stdin.take().unwrap();
    for word in ["one", "two", "three"] {
        stdin.write_all(word.as_bytes()).await.unwrap();
        let mut echo = vec![0; word.len()];
        within(
            "the echo",
            running.stdout.as_mut().unwrap().read_exact(&mut echo),
        )
        .await
        .unwrap();
        assert_eq!(echo, word.as_bytes());
    }
    drop(stdin);
    assert_eq!(
        within("the end", finish(&mut running)).await.status,
        ExitStatus::Code(0)
    );
}

#[test]
fn a_spawn_can_be_moved_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let spec = shell("true");
    is_send(&spawn(&spec));
    fn value_is_send<T: Send + Sync>() {}
    value_is_send::<outwork_sandbox::Killer>();
    value_is_send::<outwork_sandbox::Running>();
}
