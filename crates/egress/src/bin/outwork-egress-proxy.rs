//! The proxy's process alone, for tests and to try it: the real one is the worker's own program.

use std::ffi::OsStr;
use std::process::ExitCode;

use outwork_egress::process::{PROCESS_ARGUMENT, process_main};

fn main() -> ExitCode {
    match std::env::args_os().nth(1).as_deref() == Some(OsStr::new(PROCESS_ARGUMENT)) {
        true => process_main(),
        false => {
            eprintln!("{PROCESS_ARGUMENT} is started by the worker, not by hand");
            ExitCode::FAILURE
        }
    }
}
