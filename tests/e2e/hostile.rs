//! Every command, with everything that can be wrong: what is typed, what a server answers, how it is reached, what is around.
//!
//! Each ends within a time, with an exit code that `outwork help exit-codes` names, says once why, shows nothing raw and never panics.

mod commands;
mod documents;
mod ran;
mod server;
mod tls;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::process::Command;
use std::sync::Arc;

use commands::{ROWS, Row, TASK, Talk};
use documents::{Version, diff, documents};
use ran::{Place, Ran, each, told, words};
use server::{Connection, Play, Server, always, answer};

use crate::harness::OUTWORK;
use crate::terminal::Terminal;

/// A window title, the clipboard, the cursor, colours, a link, a device control string; control
/// characters of one byte and of two; text that is turned around, and text that takes no room.
const ATTACK: &str = "a\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{1b}[31m\
    \u{1b}]8;;http://evil\u{1b}\\\u{1b}Pq#0\u{1b}\\\u{9b}2J\u{9d}52;c;ZXZpbA==\u{9c}\u{85}\u{8}\u{7f}\
    \u{202e}gnp.exe\u{2066}\u{200b}\u{e0041}\rb";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const HTML: &str = "text/html; charset=utf-8";
const PAGE: &str = "<html><body><h1>Sign in to the hotel's network</h1></body></html>";

#[test]
fn every_command_has_a_row() {
    let rows: BTreeSet<String> = ROWS.iter().map(|row| row.path.to_owned()).collect();
    assert_eq!(
        rows,
        commands::all(),
        "add a row for it to hostile/commands.rs"
    );
}

#[test]
fn right_arguments_and_answers_are_taken() {
    let place = Place::new();
    for version in [Version::This, Version::Older, Version::Newer] {
        let server = Server::start(documents(version, "demo"));
        let rows: Vec<&Row> = ROWS.iter().filter(|row| row.talk != Talk::Never).collect();
        each(&rows, 4, |row| {
            let place = match row.path.contains("apply") {
                true => &Place::new(),
                false => &place,
            };
            let ran = Ran::of(&mut place.outwork(&server.url, &row.words()));
            let case = format!("{version:?}, {}", row.words().join(" "));
            let ran = match ran {
                Ok(ran) => ran,
                Err(fault) => return vec![format!("{case}: {fault}")],
            };
            let mut faults = ran.faults(false);
            let is_refused = version == Version::Newer
                && row.may_refuse_a_newer_server()
                && ran.code() == Some(1)
                && String::from_utf8_lossy(&ran.stderr)
                    .contains("versions that do not go together");
            if !row.may_fail_with_made_up_answers() && !is_refused && ran.code() != Some(0) {
                faults.push("fails".to_owned());
            }
            told(faults, &case, &ran)
        });
    }
}

/// What an answer makes a command that needs it end with.
struct Answer {
    what: String,
    codes: &'static [i32],
    play: Play,
}

fn answers() -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut add = |what: String, codes, play| answers.push(Answer { what, codes, play });
    for (status, codes) in [
        (400, &[1][..]),
        (401, &[4]),
        (403, &[4]),
        (404, &[1]),
        (409, &[1]),
        (413, &[1]),
        (422, &[1]),
        (429, &[1]),
        (500, &[1]),
        (502, &[1]),
        (503, &[1]),
        (507, &[1]),
    ] {
        let code = match status {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            _ => ATTACK,
        };
        let problem = serde_json::json!({"type": ATTACK, "title": ATTACK, "status": status, "detail": ATTACK.repeat(500),
            "code": code, "hint": ATTACK, "errors": [{"pointer": ATTACK, "detail": ATTACK}]});
        let bytes = answer(status, PROBLEM, problem.to_string().as_bytes());
        add(format!("problem {status}"), codes, always(bytes));
        let codes: &[i32] = match status {
            401 => &[4],
            502 => &[5],
            _ => &[1],
        };
        if ![401, 404, 429, 502].contains(&status) {
            continue;
        }
        add(
            format!("page {status}"),
            codes,
            always(answer(status, HTML, PAGE.as_bytes())),
        );
    }
    let nested = "[".repeat(200_000);
    for (what, content_type, body) in [
        ("a page", HTML, PAGE.as_bytes()),
        ("a page as JSON", JSON, PAGE.as_bytes()),
        ("half an object", JSON, br#"{"items":[{"id":"task_"#),
        ("an empty object", JSON, b"{}"),
        ("a list", JSON, b"[]"),
        ("null", JSON, b"null"),
        ("nothing", JSON, b""),
        ("no text", JSON, b"\xff\xfe\x00{"),
        ("a deep list", JSON, nested.as_bytes()),
    ] {
        add(
            what.to_owned(),
            &[1],
            always(answer(200, content_type, body)),
        );
    }
    for target in ["http://127.0.0.1:1/", "//evil", "/api/v1/me", "\u{7f}x"] {
        let bytes = format!(
            "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        add(
            format!("redirect to {target:?}"),
            &[1, 5],
            always(bytes.into_bytes()),
        );
    }
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"items\":";
    add("a cut answer".to_owned(), &[5], always(cut.to_vec()));
    add(
        "no HTTP".to_owned(),
        &[5],
        always(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
    );
    add("no answer".to_owned(), &[5], always(Vec::new()));
    add(
        "half a head".to_owned(),
        &[5],
        always(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
    );
    add("a reset".to_owned(), &[5], reset(b""));
    add("a reset in the middle".to_owned(), &[5], reset(cut));
    answers
}

fn reset(after: &'static [u8]) -> Play {
    Arc::new(move |_, connection| {
        connection.write_all(after)?;
        connection.flush()?;
        connection.reset();
        Ok(())
    })
}

#[test]
fn wrong_answers_are_told_from_right_ones() {
    let place = Place::new();
    let answers = answers();
    let servers: Vec<Server> = answers
        .iter()
        .map(|one| Server::start(Arc::clone(&one.play)))
        .collect();
    let rows = || ROWS.iter().filter(|row| row.talk != Talk::Never);
    let cases: Vec<(&Row, usize)> = rows()
        .flat_map(|row| (0..answers.len()).map(move |at| (row, at)))
        .collect();
    each(&cases, 4, |(row, at)| {
        let case = format!("{}, {}", row.words().join(" "), answers[*at].what);
        let mut command = place.outwork(&servers[*at].url, &row.words());
        judged(row, &case, &mut command, answers[*at].codes)
    });
}

/// A command that needs an answer, and gets none that can be used.
fn judged(row: &Row, case: &str, command: &mut Command, codes: &[i32]) -> Vec<String> {
    let ran = match Ran::of(command) {
        Ok(ran) => ran,
        Err(fault) => return vec![format!("{case}: {fault}")],
    };
    let mut faults = ran.faults(false);
    let is_told = row.talk == Talk::Tells && ran.code() == Some(0);
    if row.talk != Talk::Reports && !is_told {
        if !ran.code().is_some_and(|code| codes.contains(&code)) {
            faults.push(format!("does not end with {codes:?}"));
        }
        faults.extend(ran.says_why());
    }
    told(faults, case, &ran)
}

#[test]
fn answers_without_an_end_are_given_up() {
    let place = Place::new();
    let endless = |status: u16| -> Play {
        Arc::new(move |_, connection| {
            let head = format!(
                "HTTP/1.1 {status} OK\r\ncontent-type: {JSON}\r\nconnection: close\r\n\r\n["
            );
            connection.write_all(head.as_bytes())?;
            loop {
                connection.write_all(&[b'['; 64 * 1024])?;
            }
        })
    };
    let large: Play = Arc::new(|_, connection| {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\ncontent-length: 100000000\r\n\r\n");
        connection.write_all(head.as_bytes())?;
        (0..1000).try_for_each(|_| connection.write_all(&[b' '; 100_000]))
    });
    let head_without_end: Play = Arc::new(|_, connection| {
        connection.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            connection.write_all(b"x-more: and more\r\n")?;
        }
    });
    let servers = [endless(200), endless(500), large, head_without_end].map(Server::start);
    let cases: Vec<(&Row, &Server)> = ROWS
        .iter()
        .filter(|row| row.talk != Talk::Never)
        .flat_map(|row| servers.iter().map(move |server| (row, server)))
        .collect();
    each(&cases, 3, |(row, server)| {
        // Half of what ten such answers would take.
        let mut command = place.command("/bin/sh", &server.url);
        command
            .args(["-c", r#"ulimit -v 600000; exec "$0" "$@""#, OUTWORK])
            .args(row.words());
        judged(row, &row.words().join(" "), &mut command, &[1, 5])
    });
}

#[test]
fn answers_that_hardly_come_are_given_up() {
    let place = Place::new();
    let hold = |connection: &mut dyn Connection, piece: &[u8]| -> io::Result<()> {
        loop {
            connection.write_all(piece)?;
            connection.flush()?;
            // The pace is what is tested; it ends when the client does.
            std::thread::park_timeout(std::time::Duration::from_millis(300));
        }
    };
    let silent: Play = Arc::new(move |_, connection| hold(connection, b""));
    let trickling: Play = Arc::new(move |_, connection| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
        connection.write_all(head.as_bytes())?;
        hold(connection, b" ")
    });
    let servers = [silent, trickling].map(Server::start);
    let cases: Vec<(&Row, &Server)> = ROWS
        .iter()
        .filter(|row| row.talk != Talk::Never && row.talk != Talk::Reports)
        .flat_map(|row| servers.iter().map(move |server| (row, server)))
        .collect();
    // They wait, all at once.
    each(&cases, cases.len(), |(row, server)| {
        let case = format!("{} at {}", row.words().join(" "), server.url);
        judged(
            row,
            &case,
            &mut place.outwork(&server.url, &row.words()),
            &[5],
        )
    });
}

#[test]
fn servers_that_cannot_be_reached() {
    let place = Place::new();
    let play = || documents(Version::This, "demo");
    let plain = Server::start(play());
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let dead = format!("http://{}", free.local_addr().expect("bound"));
    drop(free);
    let authority = tls::Authority::new(&place.dir);
    let servers = authority.servers(play);
    let good = place
        .outwork(&servers.good.url, &["list"])
        .env("SSL_CERT_FILE", &authority.file)
        .output();
    let good = good.expect("it runs");
    assert!(
        good.status.success(),
        "{}",
        String::from_utf8_lossy(&good.stderr)
    );
    let urls = [
        ("dead", dead),
        ("TLS for plain", plain.url.replace("http:", "https:")),
        ("plain for TLS", servers.good.url.replace("https:", "http:")),
        ("unknown authority", servers.unknown.url.clone()),
        ("wrong name", servers.wrong_name.url.clone()),
        ("expired", servers.expired.url.clone()),
    ];
    let rows = ROWS.iter().filter(|row| row.talk != Talk::Never);
    let cases: Vec<_> = rows
        .flat_map(|row| urls.iter().map(move |url| (row, url)))
        .collect();
    each(&cases, 4, |(row, (what, url))| {
        let case = format!("{}, {what}", row.words().join(" "));
        let mut command = place.outwork(url, &row.words());
        judged(
            row,
            &case,
            command.env("SSL_CERT_FILE", &authority.file),
            &[5],
        )
    });
}

#[test]
fn words_that_nobody_should_type() {
    let place = Place::new();
    let server = Server::start(documents(Version::This, "demo"));
    let long = "x".repeat(10_000);
    let wrong = [
        OsString::new(),
        "../../../etc/passwd".into(),
        "a/b?c=d#e".into(),
        "..".into(),
        ATTACK.into(),
        "one\ntwo\r\nx: y".into(),
        long.into(),
        OsString::from_vec(b"\xff\xfe".to_vec()),
        "-\u{1b}[31m".into(),
        "--no-such-flag=\u{1b}]0;x\u{7}".into(),
    ];
    let mut cases: Vec<(&Row, Vec<OsString>)> = Vec::new();
    for row in ROWS {
        let path: Vec<&str> = row.path.split(' ').collect();
        if !row.stays_up() {
            cases.push((row, words(&path)));
        }
        for (at, _) in row
            .arguments
            .iter()
            .enumerate()
            .filter(|(_, word)| !word.starts_with('-'))
        {
            for word in &wrong {
                let mut all = words(&row.words());
                all[path.len() + at].clone_from(word);
                cases.push((row, all));
            }
        }
        for word in &wrong {
            cases.push((row, [words(&row.words()), vec![word.clone()]].concat()));
        }
    }
    each(&cases, 4, |(row, words)| {
        let case: String = format!("{words:?}").chars().take(200).collect();
        let ran = match Ran::of(&mut place.outwork(&server.url, words)) {
            Ok(ran) => ran,
            Err(fault) => return vec![format!("{case}: {fault}")],
        };
        let mut faults = ran.faults(false);
        if ran.code() != Some(0) && !row.may_tell_of_failure() {
            faults.extend(ran.says_why());
        }
        told(faults, &case, &ran)
    });
    // What was typed is one part of an address, whatever is in it.
    for target in server.targets() {
        let is_below =
            target.starts_with("/api/") && !target.contains("/..") && !target.contains("/./");
        assert!(is_below && target.is_ascii(), "{target}");
    }
}

#[test]
fn surroundings_that_nobody_has() {
    let place = Place::new();
    let server = Server::start(documents(Version::This, "demo"));
    let broken = place.dir.path().join("broken");
    fs::create_dir(&broken).expect("made");
    fs::write(
        broken.join("config.toml"),
        format!("default_host = [\"{ATTACK}\""),
    )
    .expect("written");
    fs::write(broken.join("credentials.toml"), b"\xff\xfe").expect("written");
    let surroundings = [
        ("no home", r#"unset HOME; exec "$0" "$@""#),
        ("a home that is a file", r#"HOME=/dev/null; exec "$0" "$@""#),
        (
            "a home that is gone",
            r#"HOME=/proc/1/gone; exec "$0" "$@""#,
        ),
        (
            "a broken configuration",
            r#"unset OUTWORK_URL OUTWORK_TOKEN; export OUTWORK_CONFIG_DIR="$BROKEN"; exec "$0" "$@""#,
        ),
        (
            "a broken configuration beside an address",
            r#"export OUTWORK_CONFIG_DIR="$BROKEN"; exec "$0" "$@""#,
        ),
        ("no input", r#"exec "$0" "$@" <&-"#),
        ("a folder as input", r#"exec "$0" "$@" </"#),
        ("no output", r#"exec "$0" "$@" >&-"#),
        ("a full disk", r#"exec "$0" "$@" >/dev/full"#),
        ("no stream at all", r#"exec "$0" "$@" <&- >&- 2>&-"#),
        ("a full disk for errors", r#"exec "$0" "$@" 2>/dev/full"#),
        (
            "a folder that is gone",
            r#"mkdir gone$$; cd gone$$; rmdir ../gone$$; exec "$0" "$@""#,
        ),
        (
            "no PATH",
            r#"PATH=/nonexistent; export PATH; exec "$0" "$@""#,
        ),
    ];
    let cases: Vec<_> = ROWS
        .iter()
        .flat_map(|row| surroundings.iter().map(move |one| (row, one)))
        .collect();
    each(&cases, 4, |(row, (what, script))| {
        let case = format!("{}, {what}", row.words().join(" "));
        let mut command = place.command("/bin/sh", &server.url);
        command
            .env("BROKEN", &broken)
            .args(["-c", script, OUTWORK])
            .args(row.words());
        match Ran::of(&mut command) {
            Ok(ran) => {
                let mut faults = ran.faults(false);
                let is_heard = !what.contains("errors") && !what.contains("at all");
                if ran.code() != Some(0) && !row.may_tell_of_failure() && is_heard {
                    faults.extend(ran.says_why());
                }
                told(faults, &case, &ran)
            }
            Err(fault) => vec![format!("{case}: {fault}")],
        }
    });
}

#[test]
fn readers_that_go_away_are_no_failure() {
    let place = Place::new();
    let server = Server::start(documents(Version::This, "demo"));
    for streams in ["", "2>&1"] {
        each(ROWS, 4, |row| {
            let case = format!("{} {streams}", row.words().join(" "));
            let mut command = place.command("/bin/sh", &server.url);
            // The reader is gone before anything is written.
            let script =
                format!(r#"{{ sleep 0.05; "$0" "$@" {streams}; echo "$?" >&3; }} 3>&2 | true"#);
            command.args(["-c", &script, OUTWORK]).args(row.words());
            let ran = match Ran::of(&mut command) {
                Ok(ran) => ran,
                Err(fault) => return vec![format!("{case}: {fault}")],
            };
            let mut faults = ran.faults(false);
            let said = ran.error();
            let code = said
                .lines()
                .last()
                .and_then(|line| line.parse::<i32>().ok());
            if !code.is_some_and(|code| [0, 1, 2, 4, 5].contains(&code)) {
                faults.push(format!("ended with {code:?}"));
            }
            told(faults, &case, &ran)
        });
    }
}

#[test]
fn a_diff_in_a_pipe_is_exact() {
    let place = Place::new();
    let server = Server::start(documents(Version::This, ATTACK));
    let ran = Ran::of(&mut place.outwork(&server.url, &["diff", TASK])).expect("it ends");
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert_eq!(ran.stdout, diff(ATTACK).into_bytes());
}

#[test]
fn terminals_are_left_as_they_were() {
    let texts = Server::start(documents(Version::Newer, ATTACK));
    let problem = serde_json::json!({"type": "x", "title": ATTACK, "status": 422, "detail": ATTACK, "code": "x", "hint": ATTACK});
    let refusing = Server::start(always(answer(422, PROBLEM, problem.to_string().as_bytes())));
    let cases: Vec<_> = ROWS
        .iter()
        .flat_map(|row| [(row, &texts), (row, &refusing)])
        .collect();
    let place = Place::new();
    each(&cases, 4, |(row, server)| {
        let quoted: Vec<String> = row.words().iter().map(|word| format!("'{word}'")).collect();
        let line = format!(
            "stty -g; outwork {} </dev/null; echo \"exit $?\"; stty -g",
            quoted.join(" ")
        );
        let case = row.words().join(" ");
        let mut command = place.command("script", &server.url);
        let shown = Terminal::start(&mut command, 100, &line).closed();
        let modes: Vec<&str> = shown
            .lines()
            .filter(|line| line.matches(':').count() > 20)
            .collect();
        let mut faults = Vec::new();
        if modes.len() != 2 || modes[0] != modes[1] {
            faults.push(format!("{case}: the terminal's modes changed: {shown:?}"));
        }
        let text = shown.replace("\r\n", "\n");
        faults.extend(ran::raw(text.as_bytes()).map(|raw| format!("{case}: {raw} in {text:?}")));
        faults
    });
}
