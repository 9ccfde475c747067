//! Runs seeds: `--seeds 1000`, from `--from 0`, on `--threads 2`, or one with `--seed 42 --trace`; with a planted bug: `--mutant NAME`.

#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use std::process::ExitCode;
use std::time::Duration;

use outwork_simulation::mutant::Mutant;
use outwork_simulation::search::{replay, report, search};

const USAGE: &str = "outwork-simulation [--seeds N] [--from N] [--threads N] [--minutes N] [--seed N [--trace]] [--mutant NAME]";

struct Options {
    seeds: u64,
    from: u64,
    threads: usize,
    minutes: u64,
    seed: Option<u64>,
    has_trace: bool,
    mutant: Option<Mutant>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seeds: 1_000,
        from: 0,
        threads: 2,
        minutes: 24 * 60,
        seed: None,
        has_trace: false,
        mutant: None,
    };
    while let Some(name) = arguments.next() {
        if name == "--trace" {
            options.has_trace = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{name}: `{value}` is no number"))
        };
        match name.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--threads" => options.threads = usize::try_from(number()?).unwrap_or(1).max(1),
            "--minutes" => options.minutes = number()?,
            "--seed" => options.seed = Some(number()?),
            "--mutant" => {
                let names = Mutant::ALL.map(Mutant::as_str).join(", ");
                let found = Mutant::parse(&value);
                options.mutant = Some(found.ok_or(format!("the planted bugs are {names}"))?);
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            println!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let is_kept = match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    };
    if is_kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn one(seed: u64, options: &Options) -> bool {
    let outcome = replay(seed, options.mutant);
    if options.has_trace {
        println!("{}", outcome.trace.join("\n"));
    }
    match &outcome.violation {
        Some(violation) if options.has_trace => println!("{violation}"),
        Some(_) => println!("{}", report(&outcome, options.mutant)),
        None => println!("seed {seed} keeps all promises: {:?}", outcome.figures),
    }
    outcome.violation.is_none()
}

fn many(options: &Options) -> bool {
    let seeds = options.from..options.from + options.seeds;
    let limit = Duration::from_secs(60 * options.minutes);
    let found = search(seeds, options.mutant, options.threads, limit);
    println!(
        "{} seeds in {:.1} s, {:.0} a minute: {:?}",
        found.seeds,
        found.took.as_secs_f64(),
        found.per_minute(),
        found.figures
    );
    if let Some(broken) = &found.broken {
        println!("{}", report(broken, options.mutant));
    }
    found.broken.is_none()
}
