//! From an environment's pins to runtimes of the base.

use outwork_domain::Failure;
use outwork_sandbox::Stdin;
use tokio::io::AsyncReadExt;

use super::step::StepName;
use super::{Run, Stopped, build};
use crate::base::Base;
use crate::failure;
use crate::layers::UpperDir;
use crate::runtimes::{self, Candidate, LOOK, Runtimes};
use crate::sandbox_layout::{self as inside, Inside, Who};

/// What the looking script may write; a line is a hundred bytes.
const ANSWER_BYTES: u64 = 1 << 20;

pub(super) async fn run(run: &mut Run, base: &Base) -> Result<(), Stopped> {
    if run.assignment.runtimes.is_empty() {
        return Ok(());
    }
    run.runtimes = run.bounded(StepName::Checkout, choose(run, base)).await?;
    Ok(())
}

async fn choose(run: &Run, base: &Base) -> Result<Runtimes, Failure> {
    let (name, place) = match base {
        Base::Host(host) => (&host.fingerprint, "the worker's own system".to_owned()),
        Base::Image(image) => {
            let image_name = run.assignment.base_image.as_deref().unwrap_or_default();
            (&image.digest, format!("the image {image_name}"))
        }
    };
    let found = run
        .host
        .found_runtimes
        .on(name, async || look(run, base).await);
    let mut candidates = found.await?.to_vec();
    if let Some(directory) = &run.host.config.runtimes_dir {
        for name in run.assignment.runtimes.keys() {
            candidates.extend(runtimes::offered(directory, name));
        }
    }
    let assignment = &run.assignment;
    Runtimes::choose(
        &assignment.runtimes,
        &candidates,
        &place,
        &assignment.environment,
    )
}

/// Asks the base, inside and as the agent: its programs are not ours to run.
async fn look(run: &Run, base: &Base) -> Result<Vec<Candidate>, Failure> {
    let path = run.directory.upper();
    let upper = run
        .directory
        .clear()
        .and_then(|()| UpperDir::create(path, base, run.host.ids))
        .map_err(|error| failure::internal("the attempt's directory cannot be made", &error))?;
    let inside = Inside {
        who: Who::Agent,
        command: ["/bin/bash", inside::SCRIPT].map(str::to_owned).into(),
        environment: inside::environment(Who::Agent, base, &run.assignment, Vec::new(), []),
        stdin: Stdin::Null,
        cwd: "/",
        base,
        overlays: build::overlays(base, &upper, &[]),
        binds: Vec::new(),
        links: Vec::new(),
        script: Some(LOOK),
        forwards: Vec::new(),
        handles: Vec::new(),
    };
    let mut running = inside.spawn(run).await?;
    let mut said = Vec::new();
    if let Some(stdout) = running.stdout.take() {
        let read = stdout.take(ANSWER_BYTES).read_to_end(&mut said).await;
        read.map_err(|error| failure::internal("the base's runtimes cannot be listed", &error))?;
    }
    let ended = running.kill().await;
    ended.map_err(|error| failure::sandbox(&error))?;
    Ok(runtimes::parse_found(&String::from_utf8_lossy(&said)))
}
