//! Secrets of an environment on their way in: checked, then sealed. Values come in here and leave only with an assignment.

use std::collections::{BTreeMap, BTreeSet};

use outwork_api::Secret;
use outwork_domain::environment::{Environment, SecretName, check_secret};
use outwork_domain::limits::SECRETS;
use outwork_store::SecretChange;

use crate::plane::Plane;
use crate::refusal::{Refusal, pointer};
use crate::seal::Place;

/// What is asked of the secrets of `environment`, which has those in `stored` now: a value to set, `None` to remove.
pub(super) fn changes(
    plane: &Plane,
    environment: &Environment,
    stored: &[SecretName],
    wanted: &BTreeMap<String, Option<Secret>>,
) -> Result<Vec<SecretChange>, Refusal> {
    let variables = &environment.spec.variables;
    let mut names: BTreeSet<&str> = stored.iter().map(|secret| secret.name.as_str()).collect();
    for (name, value) in wanted {
        match value {
            None => names.remove(name.as_str()),
            Some(value) => {
                check_secret(name, value.reveal(), variables)
                    .map_err(|fault| Refusal::field(&pointer(&["secrets", name]), fault.problem))?;
                names.insert(name)
            }
        };
    }
    if names.len() > SECRETS {
        let detail = format!("has more than {SECRETS} entries");
        return Err(Refusal::field("/secrets", detail));
    }
    // The new ones were compared with the variables above.
    if let Some((name, _)) = variables
        .iter()
        .find(|(name, _)| names.contains(name.as_str()))
    {
        let detail = "is a secret already; remove that first, or choose another name";
        return Err(Refusal::field(&pointer(&["variables", name]), detail));
    }
    Ok(wanted
        .iter()
        .map(|(name, value)| match value {
            None => SecretChange::Remove { name: name.clone() },
            Some(value) => SecretChange::Set {
                name: name.clone(),
                sealed: plane.close(
                    value.reveal(),
                    Place::Secret {
                        workspace: environment.workspace_id,
                        environment: environment.id,
                        name,
                    },
                ),
            },
        })
        .collect())
}
