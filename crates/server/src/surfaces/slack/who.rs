//! Who somebody of Slack is here. A right comes from a member's role and from nothing that is written in Slack.

use outwork_api::integration::{SlackSettings, SlackWho};
use outwork_domain::integration::LinkedUser;
use outwork_domain::principal::{Principal, PrincipalKind};
use outwork_slack::web::user;
use outwork_store::StoreError;
use serde_json::Value;

use super::web::{Web, outcome};
use crate::jobs::Outcome;
use crate::plane::Plane;
use crate::surfaces::later;
use crate::surfaces::settings::Known;

/// Somebody, as far as this server is concerned.
pub(super) enum Who {
    /// That member.
    Member(Principal),
    /// Nobody who may do anything, and why, for people.
    Nobody(String),
}

pub(super) async fn who(
    plane: &Plane,
    known: &Known,
    settings: &SlackSettings,
    web: &Web<'_>,
    id: &str,
) -> Result<Who, Outcome> {
    let later = |fault: StoreError| later(&fault);
    let integration = &known.integration;
    let workspace = integration.workspace_id;
    // Also a link to a member who is one no more: that person is nobody then, and not the integration.
    let link = plane.store.linked_user(integration.id, id).await;
    if let Some(link) = link.map_err(later)? {
        let acting = plane.store.acting(workspace, link.principal_id).await;
        return Ok(match acting.map_err(later)? {
            Some(principal) => Who::Member(principal),
            None => Who::Nobody("You are linked to a member who is one no more.".to_owned()),
        });
    }
    let everyone = settings.who == SlackWho::Everyone;
    if everyone || settings.link_by_email {
        let answer = web.call(user(id)).await;
        let answer = answer.map_err(|fault| outcome(&fault))?;
        let person = &answer["user"];
        if let Some(why) = no_member(person) {
            return Ok(Who::Nobody(why.to_owned()));
        }
        if settings.link_by_email
            && let Some(principal) = by_email(plane, known, person, id).await.map_err(later)?
        {
            return Ok(Who::Member(principal));
        }
        if everyone {
            let acting = plane.store.acting(workspace, integration.principal_id);
            return Ok(match acting.await.map_err(later)? {
                Some(principal) => Who::Member(principal),
                None => Who::Nobody("The integration may not give tasks any more.".to_owned()),
            });
        }
    }
    let name = &integration.name;
    Ok(Who::Nobody(format!(
        "It is not known here who you are. An admin says so with `outwork integration link {name} {id} MEMBER`."
    )))
}

/// Guests, bots, and people of other organisations are no members of the Slack workspace.
fn no_member(person: &Value) -> Option<&'static str> {
    let is = |field: &str| person[field] == true;
    if is("is_bot") || is("is_workflow_bot") {
        return Some("Bots give no tasks.");
    }
    if is("deleted") {
        return Some("This account is switched off.");
    }
    if is("is_restricted") || is("is_ultra_restricted") || is("is_stranger") {
        return Some("Guests give no tasks here, unless an admin links them to a member.");
    }
    None
}

/// The person whose name here is that address.
async fn by_email(
    plane: &Plane,
    known: &Known,
    person: &Value,
    id: &str,
) -> Result<Option<Principal>, StoreError> {
    let email = person["profile"]["email"].as_str();
    let Some(email) = email.filter(|_| person["is_email_confirmed"] == true) else {
        return Ok(None);
    };
    let workspace = known.integration.workspace_id;
    let members = plane.store.members(workspace).await?;
    let mut members = members.into_iter();
    let found = members.find(|member| {
        member.kind == PrincipalKind::User && member.name.eq_ignore_ascii_case(email)
    });
    let Some(member) = found else {
        return Ok(None);
    };
    let link = LinkedUser {
        integration_id: known.integration.id,
        external_id: id.to_owned(),
        name: member.name.clone(),
        principal_id: member.id,
        created_at: plane.now(),
    };
    plane.store.link_user(workspace, link).await?;
    tracing::info!(integration = %known.integration.id, member = %member.id, "somebody was linked by an address for mail");
    plane.store.acting(workspace, member.id).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn guests_and_bots_are_no_members() {
        assert_eq!(no_member(&json!({"is_bot": false, "deleted": false})), None);
        for field in [
            "is_bot",
            "deleted",
            "is_restricted",
            "is_ultra_restricted",
            "is_stranger",
        ] {
            assert!(no_member(&json!({field: true})).is_some(), "{field}");
        }
    }
}
