//! Members and their tokens.

use reqwest::Method;

use super::error::ClientError;
use super::http::{Call, Client};
use crate::member::{
    MadeMemberToken, Member, MemberChange, MemberToken, NewMember, NewMemberToken,
};
use crate::page::Page;

const MEMBERS: [&str; 3] = ["api", "v1", "members"];

impl Client {
    /// The members of the workspace, by name.
    pub async fn members(&self) -> Result<Page<Member>, ClientError> {
        let url = self.url(&MEMBERS, &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Adds a member.
    pub async fn add_member(&self, new: &NewMember) -> Result<Member, ClientError> {
        let url = self.url(&MEMBERS, &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// Changes a member.
    pub async fn change_member(
        &self,
        id: &str,
        change: &MemberChange,
    ) -> Result<Member, ClientError> {
        let url = self.url(&[&MEMBERS[..], &[id]].concat(), &[]);
        self.json(Call::new(Method::PATCH, url).json(change)).await
    }

    /// Removes a member.
    pub async fn remove_member(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&[&MEMBERS[..], &[id]].concat(), &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }

    /// The tokens of a member, the newest first.
    pub async fn member_tokens(&self, member: &str) -> Result<Page<MemberToken>, ClientError> {
        let url = self.url(&[&MEMBERS[..], &[member, "tokens"]].concat(), &[]);
        self.json(Call::new(Method::GET, url)).await
    }

    /// Makes a token for a member.
    pub async fn make_member_token(
        &self,
        member: &str,
        new: &NewMemberToken,
    ) -> Result<MadeMemberToken, ClientError> {
        let url = self.url(&[&MEMBERS[..], &[member, "tokens"]].concat(), &[]);
        self.json(Call::new(Method::POST, url).json(new).once())
            .await
    }

    /// Takes a token of a member back.
    pub async fn revoke_member_token(&self, id: &str) -> Result<(), ClientError> {
        let url = self.url(&["api", "v1", "tokens", id], &[]);
        self.send(Call::new(Method::DELETE, url)).await.map(drop)
    }
}
