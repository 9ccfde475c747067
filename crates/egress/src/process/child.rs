//! The process itself: reads its configuration, listens, writes what it decides, and ends when its standard input does.

use std::io::{self, BufRead, BufReader, Read, Stdin, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::sync::{mpsc, oneshot};

use super::message::{Answer, Start};
use crate::proxy::{Decision, Proxy, SystemResolver};

/// After the worker is gone, for connections to end and for the last words.
const END_LIMIT: Duration = Duration::from_secs(4);
/// Decisions that are written together, if there are so many.
const TOLD_AT_ONCE: usize = 1024;
/// How long others are waited for after some were written: to wake this process and the worker for each costs more than to pass a small
/// request. Short, for what finds no room meanwhile is only counted.
const GATHERING: Duration = Duration::from_millis(5);
/// Each connection has two, and its pipes.
const DESCRIPTORS: u64 = 16 << 10;

/// Runs the proxy. For a program that was started with [`PROCESS_ARGUMENT`](super::PROCESS_ARGUMENT), before it does anything else.
pub fn process_main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Whoever started it may be gone.
            let _ = say(&Answer::Failed { reason });
            ExitCode::FAILURE
        }
    }
}

/// # Errors
/// A sentence, without anything of the configuration.
fn run() -> Result<(), String> {
    confine().map_err(|error| format!("its process cannot be confined: {error}"))?;
    let mut stdin = BufReader::new(io::stdin());
    let start = configuration(&mut stdin)?;
    // One thread: small requests pass with a third less work than on several, and a sandbox's traffic takes one processor at most.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("its runtime cannot start: {error}"))?;
    runtime.block_on(proxy(start, stdin))?;
    // Lookups that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    Ok(())
}

/// What is here is read by nobody else of the same user, and gains no rights.
fn confine() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    }
    Ok(())
}

fn configuration(stdin: &mut impl BufRead) -> Result<Start, String> {
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    read.map_err(|error| format!("its configuration cannot be read: {error}"))?;
    // What is wrong may be a credential: only where it is wrong is said.
    serde_json::from_str(&line).map_err(|error| {
        let column = error.column();
        format!(
            "its configuration is malformed at column {column}; is the program another version?"
        )
    })
}

async fn proxy(start: Start, stdin: BufReader<Stdin>) -> Result<(), String> {
    let Start { socket, config } = start;
    let resolver = Arc::new(SystemResolver::default());
    let started = Proxy::start(&socket, config, resolver);
    let (proxy, decisions) = started.map_err(|error| chain(&error))?;
    let certificate_authority = proxy.certificate_authority().map(str::to_owned);
    let ready = Answer::Ready {
        certificate_authority,
    };
    if say(&ready).is_err() {
        return Ok(());
    }
    let telling = std::thread::spawn(move || tell(decisions));
    // A sender that is gone says the same.
    let _ = when_ended(stdin).await;
    let totals = proxy.shutdown().await;
    // Its channel has ended; what it could not write, nobody reads.
    let _ = telling.join();
    let _ = say(&Answer::Ended { totals });
    Ok(())
}

/// Writes decisions until there are no more. On a thread of its own: while the worker does not read, it waits, and the journal drops and
/// counts what finds no room.
fn tell(mut decisions: mpsc::Receiver<Decision>) {
    let mut decided = Vec::new();
    while decisions.blocking_recv_many(&mut decided, TOLD_AT_ONCE) > 0 {
        let answers = decided
            .drain(..)
            .map(|one| Answer::Decision(Box::new(one)).line());
        if write(&answers.collect::<String>()).is_err() {
            return;
        }
        std::thread::sleep(GATHERING);
    }
}

fn write(lines: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines.as_bytes())?;
    stdout.flush()
}

fn say(answer: &Answer) -> io::Result<()> {
    write(&answer.line())
}

/// Tells when standard input has ended, and ends the process soon after that, whatever the runtime does.
fn when_ended(mut stdin: BufReader<Stdin>) -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while stdin.read(&mut ignored).is_ok_and(|read| read > 0) {}
        // It may be ending already.
        let _ = sender.send(());
        std::thread::sleep(END_LIMIT);
        std::process::exit(1);
    });
    ended
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
