//! Header injections of an environment on their way in: checked, then sealed. Values come in here and leave only with an assignment.

use std::collections::BTreeSet;

use outwork_api::injection as wire;
use outwork_domain::environment::{
    Environment, Injection, InjectionTarget, InvalidInjection, check_injection_value,
};
use outwork_domain::limits::INJECTIONS;
use outwork_store::InjectionChange;

use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::seal::Place;

/// What is asked of the injections of `environment`, which has those in `stored` now: a value to set, `None` to remove.
pub(super) fn changes(
    plane: &Plane,
    environment: &Environment,
    stored: &[Injection],
    wanted: Vec<wire::InjectionChange>,
) -> Result<Vec<InjectionChange>, Refusal> {
    let mut left: BTreeSet<_> = stored.iter().map(|one| one.target.clone()).collect();
    let mut seen = BTreeSet::new();
    let mut changes = Vec::with_capacity(wanted.len());
    for (
        index,
        wire::InjectionChange {
            host,
            header,
            value,
        },
    ) in wanted.into_iter().enumerate()
    {
        let refused = |fault| refused(index, &fault);
        let target = InjectionTarget::parse(&host, &header).map_err(refused)?;
        if !seen.insert(target.clone()) {
            let detail = "each host and header can be named once";
            return Err(Refusal::field(&format!("/injections/{index}"), detail));
        }
        changes.push(match value {
            None => {
                left.remove(&target);
                InjectionChange::Remove { target }
            }
            Some(value) => {
                check_injection_value(value.reveal()).map_err(refused)?;
                left.insert(target.clone());
                let place = Place::Injection {
                    workspace: environment.workspace_id,
                    environment: environment.id,
                    target: &target,
                };
                let sealed = plane.close(value.reveal(), place);
                InjectionChange::Set { target, sealed }
            }
        });
    }
    if left.len() > INJECTIONS {
        let detail = format!("has more than {INJECTIONS} entries");
        return Err(Refusal::field("/injections", detail));
    }
    match environment.spec.network.refuses_injections() {
        Some(detail) if !left.is_empty() => Err(Refusal::field("/injections", detail)),
        Some(_) | None => Ok(changes),
    }
}

fn refused(index: usize, fault: &InvalidInjection) -> Refusal {
    let field = match fault {
        InvalidInjection::Host(_) => "host",
        InvalidInjection::Header(_) | InvalidInjection::Framing(_) => "header",
        InvalidInjection::Value => "value",
    };
    Refusal::field(&format!("/injections/{index}/{field}"), fault.to_string())
}
