//! Making the environment: tried first, and kept, changed or removed.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use outwork_api::Secret;
use outwork_api::client::{Client, ClientError};
use outwork_api::environment::{Agent, Environment, EnvironmentPatch, NewEnvironment};
use outwork_api::task::Task;

use super::proposal::Proposal;
use super::{Made, Manner, trial};
use crate::duration;
use crate::error::CliError;
use crate::session::{OnInterrupt, Session};

/// The code of a check that failed although the environment stays.
const KEPT: &str = "check_failed_kept";

/// Makes it as it is.
pub(super) async fn unchecked(
    session: &mut Session,
    client: &Client,
    manner: &Manner,
    proposal: &Proposal,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Made, CliError> {
    let new = proposal.environment(manner.agent.clone(), secrets.clone());
    let key = session.idempotency_key();
    Ok(Made {
        environment: client.create_environment(&new, &key).await?,
        check: None,
    })
}

/// Tries it with the verification command as the agent: the snapshot is the same. `None` when the
/// person wants to change it and try again.
pub(super) async fn checked(
    session: &mut Session,
    client: &Client,
    manner: &Manner,
    proposal: &Proposal,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Option<Made>, CliError> {
    expect_a_worker(client).await?;
    let command = proposal.verify_command().unwrap_or("true").to_owned();
    let agent = Agent::Command {
        command: command.clone(),
    };
    let new = proposal.environment(agent, secrets.clone());
    let environment = create(session, client, new).await?;
    let next = match trial::run(session, client, &environment, &command).await {
        Ok(ran) => decide(session, manner, proposal, ran).await,
        Err(error) => Err(error),
    };
    let ended = match next {
        Ok(next) => carry_out(client, manner, &environment, next).await,
        Err(error) => Err(error),
    };
    let is_kept = match &ended {
        Ok(made) => made.is_some(),
        Err(error) => error.code == KEPT,
    };
    if !is_kept && let Err(left) = trial::remove(client, &environment.id, &environment.label).await
    {
        session.out.error(&left, false);
    }
    session.on_interrupt = OnInterrupt::default();
    ended
}

/// What becomes of an environment that was tried.
enum Next {
    Keep(Box<Task>),
    KeepAndFail(CliError),
    TryAgain,
    Remove(CliError),
}

async fn decide(
    session: &mut Session,
    manner: &Manner,
    proposal: &Proposal,
    ran: trial::Ran,
) -> Result<Next, CliError> {
    let trial::Ran { task, setup, fault } = ran;
    let Some(fault) = fault else {
        let script = proposal.wanted.setup.as_deref().unwrap_or("");
        let setup = setup.filter(|_| !script.is_empty());
        let took =
            setup.map(|time| format!(", its setup took {} and is kept", duration::show(time)));
        session.out.note(&format!(
            "the environment works{}",
            took.unwrap_or_default()
        ));
        return Ok(Next::Keep(Box::new(task)));
    };
    if manner.keeps {
        return Ok(Next::KeepAndFail(fault));
    }
    if !manner.asks {
        return Ok(Next::Remove(fault));
    }
    session.out.error(&fault, false);
    loop {
        let question = "[t]ry again with changes, [k]eep it as it is, or [r]emove it? ";
        let answer = session.ask(question).await?;
        match answer
            .as_deref()
            .unwrap_or("r")
            .trim()
            .to_lowercase()
            .as_str()
        {
            "t" | "try" => return Ok(Next::TryAgain),
            "k" | "keep" => return Ok(Next::Keep(Box::new(task))),
            "r" | "remove" => {
                let removed = CliError::failed("nothing was made").code("declined");
                return Ok(Next::Remove(removed));
            }
            _ => {}
        }
    }
}

/// Gives a kept environment the agent that its tasks are to have.
async fn carry_out(
    client: &Client,
    manner: &Manner,
    environment: &Environment,
    next: Next,
) -> Result<Option<Made>, CliError> {
    let (check, fault) = match next {
        Next::TryAgain => return Ok(None),
        Next::Remove(fault) => return Err(fault),
        Next::Keep(task) => (Some(*task), None),
        Next::KeepAndFail(fault) => (None, Some(fault)),
    };
    let patch = EnvironmentPatch {
        agent: Some(manner.agent.clone()),
        ..EnvironmentPatch::default()
    };
    let environment = client
        .update_environment(&environment.id, &patch, None)
        .await?;
    match fault {
        None => Ok(Some(Made { environment, check })),
        Some(fault) => Err(fault.code(KEPT).hint(format!(
            "the environment is kept; correct it with `outwork env edit {}`",
            environment.label
        ))),
    }
}

/// Makes the environment; from now on an interruption takes it back.
async fn create(
    session: &mut Session,
    client: &Client,
    new: NewEnvironment,
) -> Result<Environment, CliError> {
    let key = session.idempotency_key();
    session.on_interrupt.advice = Some("the environment is removed again".to_owned());
    session.on_interrupt.undo =
        Some(trial::take_back(client.clone(), new.clone(), key.clone()).boxed());
    let made = client.create_environment(&new, &key).await;
    session.on_interrupt.undo = None;
    let environment = match made {
        Ok(environment) => environment,
        Err(ClientError::Problem(problem)) => {
            session.on_interrupt.advice = None;
            return Err(ClientError::Problem(problem).into());
        }
        // It may have been made all the same.
        Err(error) => {
            let error = CliError::from(error);
            return Err(match trial::take_back(client.clone(), new, key).await {
                Ok(()) => error,
                Err(left) => left,
            });
        }
    };
    let (client, id, label) = (
        client.clone(),
        environment.id.clone(),
        environment.label.clone(),
    );
    session.on_interrupt.undo =
        Some(async move { trial::remove(&client, &id, &label).await }.boxed());
    Ok(environment)
}

/// Nobody is to wait for a worker that is not there.
async fn expect_a_worker(client: &Client) -> Result<(), CliError> {
    let workers = client.workers().await?.items;
    match workers.iter().any(|worker| worker.online) {
        true => Ok(()),
        false => Err(
            CliError::failed("no worker is there to check the environment")
                .code("no_worker")
                .hint("start one with `outwork worker`, or leave the check out with --no-check"),
        ),
    }
}
