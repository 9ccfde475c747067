//! Members: names that are theirs alone, tokens that end with them, and always somebody who can sign in as an admin.

use outwork_domain::principal::{PrincipalKind, Role};
use outwork_domain::scope::{Scope, Scopes};
use outwork_domain::{PrincipalId, TokenId};
use outwork_store::{MemberChange, MemberRecord, MemberToken, StoreError};
use tokio::task::JoinSet;

use crate::bed::{Bed, at};
use crate::past_the_store::execute;

impl Bed {
    fn new_member(&self, name: &str, role: Role) -> MemberRecord {
        MemberRecord {
            id: PrincipalId::from_uuid(self.uuid()),
            kind: PrincipalKind::User,
            name: name.to_owned(),
            role,
            created_at: at(3),
        }
    }

    pub(crate) async fn add_member(&self, name: &str, role: Role) -> MemberRecord {
        let member = self.new_member(name, role);
        let added = self.store.add_member(self.workspace, member.clone()).await;
        added.expect("the name is free");
        member
    }

    async fn give_token(
        &self,
        member: PrincipalId,
        hash: [u8; 32],
        until: Option<i64>,
    ) -> Result<MemberToken, StoreError> {
        self.give_token_for(member, hash, until, Scopes::unlimited())
            .await
    }

    async fn give_token_for(
        &self,
        member: PrincipalId,
        hash: [u8; 32],
        until: Option<i64>,
        scopes: Scopes,
    ) -> Result<MemberToken, StoreError> {
        let token = MemberToken {
            id: TokenId::from_uuid(self.uuid()),
            principal_id: member,
            label: Some("laptop".to_owned()),
            scopes,
            created_at: at(4),
            expires_at: until.map(at),
        };
        let added = self
            .store
            .add_member_token(self.workspace, token.clone(), hash);
        added.await.map(|()| token)
    }

    async fn role_of(&self, hash: [u8; 32], now: i64) -> Option<Role> {
        let found = self.store.authenticate(hash, at(now)).await;
        found.expect("works").map(|found| found.principal.role)
    }

    async fn set_role(&self, member: PrincipalId, role: Role) -> Result<MemberRecord, StoreError> {
        let change = MemberChange {
            role: Some(role),
            name: None,
        };
        self.store
            .change_member(self.workspace, member, change, at(5))
            .await
    }
}

async fn a_member_has_its_role_with_each_token_at_once(bed: Bed) {
    let grace = bed.add_member("Grace", Role::Viewer).await;
    let found = bed.store.member(bed.workspace, grace.id).await;
    assert_eq!(found.expect("works"), Some(grace.clone()));
    bed.give_token(grace.id, [7; 32], None).await.expect("new");
    bed.give_token(grace.id, [8; 32], Some(50))
        .await
        .expect("new");
    assert_eq!(bed.role_of([7; 32], 10).await, Some(Role::Viewer));
    bed.set_role(grace.id, Role::Member).await.expect("there");
    assert_eq!(bed.role_of([7; 32], 10).await, Some(Role::Member));
    assert_eq!(bed.role_of([8; 32], 49).await, Some(Role::Member));
    assert_eq!(bed.role_of([8; 32], 50).await, None, "it has expired");
    // Those of before are admins.
    assert_eq!(bed.role_of([1; 32], 10).await, Some(Role::Admin));
}

async fn a_token_keeps_its_scopes_and_lets_nobody_sign_in_as_an_admin(bed: Bed) {
    let grace = bed.add_member("Grace", Role::Admin).await;
    let scopes = Scopes::only([Scope::Publish, Scope::Tasks]);
    let given = bed.give_token_for(grace.id, [7; 32], None, scopes.clone());
    let given = given.await.expect("new");
    let found = bed.store.authenticate([7; 32], at(10)).await;
    assert_eq!(found.expect("works").expect("it is known").scopes, scopes);
    let listed = bed.store.member_tokens(bed.workspace, grace.id).await;
    assert_eq!(listed.expect("works"), [given]);
    // The first admin is the only one who can undo what comes next.
    let lowered = bed.set_role(bed.principal, Role::Member).await;
    assert!(matches!(lowered, Err(StoreError::LastAdmin)), "{lowered:?}");
    let wrong = "UPDATE tokens SET scopes = ''";
    assert!(execute(&bed.place, wrong.into()).await.is_err());
}

async fn a_name_is_one_members_alone(bed: Bed) {
    bed.add_member("Grace", Role::Viewer).await;
    let other = bed.add_member("Barbara", Role::Viewer).await;
    let again = bed.new_member("grace", Role::Viewer);
    let again = bed.store.add_member(bed.workspace, again).await;
    assert!(matches!(again, Err(StoreError::NameTaken)), "{again:?}");
    let rename = MemberChange {
        role: None,
        name: Some("GRACE".to_owned()),
    };
    let change = bed
        .store
        .change_member(bed.workspace, other.id, rename, at(5));
    let renamed = change.await;
    assert!(matches!(renamed, Err(StoreError::NameTaken)), "{renamed:?}");
    let mut at_once = JoinSet::new();
    for _ in 0..8 {
        let bed = bed.clone();
        let member = bed.new_member("Ida", Role::Viewer);
        at_once.spawn(async move { bed.store.add_member(bed.workspace, member).await.is_ok() });
    }
    let added = at_once.join_all().await.into_iter().filter(|it| *it);
    assert_eq!(added.count(), 1);
}

async fn whoever_is_removed_is_let_in_no_more(bed: Bed) {
    let grace = bed.add_member("Grace", Role::Admin).await;
    bed.give_token(grace.id, [7; 32], None).await.expect("new");
    let removed = bed
        .store
        .deactivate_member(bed.workspace, grace.id, at(5))
        .await;
    removed.expect("there");
    assert_eq!(bed.role_of([7; 32], 6).await, None);
    let refused = bed.give_token(grace.id, [8; 32], None).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let members = bed.store.members(bed.workspace).await.expect("works");
    let names: Vec<_> = members.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["ada"]);
    let names = bed.store.member_names(bed.workspace).await.expect("works");
    assert_eq!(names.get(&grace.id).map(String::as_str), Some("Grace"));
    let again = bed
        .store
        .deactivate_member(bed.workspace, grace.id, at(6))
        .await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
}

async fn somebody_can_always_sign_in_as_an_admin(bed: Bed) {
    // Of two admins, one has no token that lasts.
    let grace = bed.add_member("Grace", Role::Admin).await;
    bed.give_token(grace.id, [7; 32], Some(5))
        .await
        .expect("new");
    let is_last = |it: &StoreError| matches!(it, StoreError::LastAdmin);
    let lowered = bed.set_role(bed.principal, Role::Member).await;
    assert!(lowered.as_ref().is_err_and(is_last), "{lowered:?}");
    assert_eq!(bed.role_of([1; 32], 6).await, Some(Role::Admin));
    let removed = bed
        .store
        .deactivate_member(bed.workspace, bed.principal, at(6))
        .await;
    assert!(removed.as_ref().is_err_and(is_last), "{removed:?}");
    let tokens = bed.store.member_tokens(bed.workspace, bed.principal).await;
    let [only] = &tokens.expect("works")[..] else {
        panic!("it has one");
    };
    let revoke = async |now| {
        bed.store
            .revoke_member_token(bed.workspace, only.id, at(now))
            .await
    };
    let revoked = revoke(6).await;
    assert!(revoked.as_ref().is_err_and(is_last), "{revoked:?}");
    assert_eq!(bed.role_of([1; 32], 6).await, Some(Role::Admin));
    bed.give_token(grace.id, [8; 32], None).await.expect("new");
    revoke(7).await.expect("Grace has one that lasts");
    assert_eq!(bed.role_of([1; 32], 8).await, None);
}

async fn two_admins_cannot_lower_each_other_at_once(bed: Bed) {
    let grace = bed.add_member("Grace", Role::Admin).await;
    bed.give_token(grace.id, [7; 32], None).await.expect("new");
    let mut at_once = JoinSet::new();
    for member in [grace.id, bed.principal] {
        let bed = bed.clone();
        at_once.spawn(async move { bed.set_role(member, Role::Viewer).await.is_ok() });
    }
    let lowered = at_once.join_all().await.into_iter().filter(|it| *it);
    assert_eq!(lowered.count(), 1);
}

async fn another_workspaces_members_are_not_there(bed: Bed) {
    let other = bed.other_workspace().await;
    let grace = bed.add_member("Grace", Role::Viewer).await;
    let token = bed.give_token(grace.id, [7; 32], None).await.expect("new");
    let found = other.store.member(other.workspace, grace.id).await;
    assert_eq!(found.expect("works"), None);
    let tokens = other.store.member_tokens(other.workspace, grace.id).await;
    assert_eq!(tokens.expect("works"), []);
    for refused in [
        other.set_role(grace.id, Role::Admin).await.map(drop),
        other.give_token(grace.id, [8; 32], None).await.map(drop),
        other
            .store
            .deactivate_member(other.workspace, grace.id, at(5))
            .await,
        other
            .store
            .revoke_member_token(other.workspace, token.id, at(5))
            .await,
    ] {
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(bed.role_of([7; 32], 6).await, Some(Role::Viewer));
}

async fn ending_logins_leaves_the_tokens_of_members(bed: Bed) {
    bed.give_token(bed.principal, [7; 32], Some(100))
        .await
        .expect("new");
    assert!(!bed.store.remove_login([7; 32]).await.expect("works"));
    let ended = bed.store.remove_logins(bed.principal).await;
    assert_eq!(ended.expect("works"), 0);
    assert_eq!(bed.role_of([7; 32], 6).await, Some(Role::Admin));
}

async fn a_role_that_there_is_not_is_refused_by_the_schema(bed: Bed) {
    let wrong = "UPDATE principals SET role = 'owner'";
    assert!(execute(&bed.place, wrong.into()).await.is_err());
}

on_both!(
    a_token_keeps_its_scopes_and_lets_nobody_sign_in_as_an_admin,
    a_member_has_its_role_with_each_token_at_once,
    a_name_is_one_members_alone,
    whoever_is_removed_is_let_in_no_more,
    somebody_can_always_sign_in_as_an_admin,
    two_admins_cannot_lower_each_other_at_once,
    another_workspaces_members_are_not_there,
    ending_logins_leaves_the_tokens_of_members,
    a_role_that_there_is_not_is_refused_by_the_schema,
);
