//! What a habit of the stock client does here: its flag, its variables, its names of commands.

use crate::harness::{Done, Engine, Hold, Outwork, Repository};
use crate::terminal::Terminal;

#[test]
fn the_flag_and_the_variable_mean_the_picker() {
    let outwork = Outwork::up(Engine::Sqlite);
    let with_default = |value: &str| {
        let mut command = outwork.command::<&str>(&[]);
        command.env("CODEX_CLOUD_DEFAULT", value);
        Done::of(command.output()).code(2).stderr
    };
    for value in ["1", "true", "YES", "on"] {
        let said = with_default(value);
        assert!(said.contains("needs a terminal"), "{value}: {said}");
    }
    for value in ["0", "no", ""] {
        let said = with_default(value);
        assert!(said.contains("Usage: outwork"), "{value}: {said}");
    }
    for words in ["--cloud", "cloud", "cloud-tasks", "--cloud --color never"] {
        let words: Vec<&str> = words.split(' ').collect();
        let said = outwork.run(&words).code(2).stderr;
        assert!(said.contains("needs a terminal"), "{words:?}: {said}");
    }
    for line in ["outwork --cloud", "CODEX_CLOUD_DEFAULT=on outwork"] {
        let mut terminal = Terminal::run(&outwork, 80, &format!("stty rows 24; {line}"));
        // It takes the whole screen.
        terminal.until("\u{1b}[?1049h");
        terminal.press("q");
        terminal.ended(0);
    }
    // Whoever names a command means it.
    let listed = outwork.run(&["--cloud", "list", "--json"]).success().json();
    assert_eq!(listed["tasks"].as_array().map(Vec::len), Some(0));
}

#[test]
fn commands_have_the_names_of_the_stock_client_too() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let exec = [
        "cloud-tasks",
        "exec",
        "--env",
        "demo",
        "--wait",
        "--json",
        "x",
    ];
    let task = outwork.run(&exec).success().last_json();
    let id = task["id"].as_str().expect("an id");
    for words in [&["cloud", "status", id][..], &["cloud-tasks", "diff", id]] {
        let plain: Vec<&str> = words[1..].to_vec();
        assert_eq!(
            outwork.run(words).success().text(),
            outwork.run(&plain).text()
        );
    }
    for apply in [&["a", id][..], &["cloud", "apply", id], &["apply", id]] {
        let clone = repository.clone_here();
        let done = outwork.command(apply).current_dir(clone.path()).output();
        Done::of(done).success();
        assert_eq!(clone.git(&["diff", "--stat", "--", "a"]).lines().count(), 2);
    }
}

#[test]
fn a_patch_in_the_variable_is_where_the_task_starts() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "cp a seen");
    let clone = repository.clone_here();
    std::fs::write(clone.path().join("a"), "1\nmine\n").expect("written");
    let patch = format!("{}\n", clone.git(&["diff"]));
    let exec = ["cloud", "exec", "--env", "demo", "x"];
    let done = outwork
        .command(&exec)
        .env("CODEX_STARTING_DIFF", patch)
        .output();
    let text = Done::of(done).success().text();
    let id = text.lines().next().expect("an id");
    outwork.ended(id);
    let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
    assert!(diff.contains("+1\n+mine\n"), "the agent saw it: {diff}");
    assert!(
        !diff.contains("b/a\n"),
        "it is no part of the result: {diff}"
    );
}

#[test]
fn prompts_answers_and_messages_are_written_in_the_editor() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!(
        "read -r said; echo \"$OUTWORK_TURN $said\" >> notes; case $said in
            ask*) echo 'Which one?'; exit 75;; wait*) {};; esac",
        hold.command()
    );
    outwork.command_environment("demo", &repository, &agent);
    let typed = |text: &str| {
        let editor = outwork.file(&format!("echo '{text}' > \"$1\"\n"));
        format!("EDITOR=false VISUAL='sh {editor}'")
    };
    let run = |text: &str, line: &str| {
        let line = format!("{} outwork {line}", typed(text));
        Terminal::run(&outwork, 200, &line).ended(0)
    };
    run("ask me", "exec --env demo");
    let tasks = outwork.run(&["list", "--json"]).success().json();
    let id = tasks["tasks"][0]["id"].as_str().expect("an id").to_owned();
    outwork.task_until(&id, "it asks", |task| task["status"] == "needs_input");
    run("this one", &format!("answer {id} --wait"));
    run("wait for it", &format!("follow-up {id}"));
    outwork.task_until(&id, "it runs", |task| task["status"] == "running");
    // This agent hears nothing meanwhile, which is the answer to what was written.
    let steer = format!("{} outwork steer {id}", typed("hurry up"));
    let shown = Terminal::run(&outwork, 200, &steer).ended(1);
    assert!(shown.contains("hears nothing while it runs"), "{shown}");
    hold.reached(1);
    hold.release();
    outwork.ended(&id);
    let diff = String::from_utf8(outwork.diff(&id, &[])).expect("text");
    let expected = "+1 ask me\n+1 this one\n+2 wait for it\n";
    assert!(diff.contains(expected), "{diff}");

    // One that is left without a text, or fails, submits nothing.
    let empty = format!("{} outwork follow-up {id}", typed(""));
    Terminal::run(&outwork, 200, &empty).ended(2);
    let failing = format!("EDITOR=false outwork follow-up {id}");
    let shown = Terminal::run(&outwork, 200, &failing).ended(1);
    assert!(shown.contains("nothing was submitted"), "{shown}");
    let turns = outwork.task(&id)["turns"].as_array().map(Vec::len);
    assert_eq!(turns, Some(2));
}
