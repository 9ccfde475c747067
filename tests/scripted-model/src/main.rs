//! `scripted-model SCENARIO.json`: the scripted model as a process.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use scripted_model::{DEFAULT_API_KEY, Options, Scenario, ScriptedModel};

/// Answers model requests from a scenario file, until it is stopped.
#[derive(Parser)]
struct Arguments {
    /// The scenario, as JSON
    scenario: PathBuf,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File to write the port number to when the server is ready
    #[arg(long)]
    port_file: Option<PathBuf>,
    /// Key that requests must carry
    #[arg(long, default_value = DEFAULT_API_KEY)]
    api_key: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let scenario = Scenario::from_json(&fs::read_to_string(&arguments.scenario)?)?;
    let options = Options {
        listen: arguments.listen,
        api_key: arguments.api_key,
    };
    let model = ScriptedModel::start_with(scenario, options)?;
    if let Some(file) = arguments.port_file {
        // Renamed into place: a reader sees the whole number or no file.
        let unfinished = file.with_extension("new");
        fs::write(&unfinished, model.address().port().to_string())?;
        fs::rename(unfinished, file)?;
    }
    writeln!(std::io::stdout(), "listening on {}", model.url())?;
    loop {
        std::thread::park();
    }
}
