//! What a token may at most, whatever the role of whoever it speaks for.

use std::fmt;

/// A kind of thing that is done with a token. Every token may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To read, and nothing else.
    Read,
    /// To comment and to approve.
    Review,
    /// To give tasks and all that belongs to them.
    Tasks,
    /// To publish results.
    Publish,
    /// To say how environments run.
    Settings,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Review,
        Self::Tasks,
        Self::Publish,
        Self::Settings,
        Self::Admin,
    ];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Review => "review",
            Self::Tasks => "tasks",
            Self::Publish => "publish",
            Self::Settings => "settings",
            Self::Admin => "admin",
        }
    }

    /// The scope of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// The scopes of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// No limit: a token that was made without scopes, or before there were any.
    pub const fn unlimited() -> Self {
        Self(Vec::new())
    }

    /// No more than these; none means no limit.
    pub fn only(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes)
    }

    /// Whether it may do what needs that scope.
    pub fn allow(&self, needed: Scope) -> bool {
        let has = |scope| self.0.contains(&scope);
        self.0.is_empty() || needed == Scope::Read || has(Scope::Admin) || has(needed)
    }

    /// Which, in their order; none: there is no limit.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        self.0.is_empty()
    }

    /// From what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let scopes = text.split_whitespace().map(Scope::parse);
        scopes.collect::<Option<Vec<_>>>().map(Self::only)
    }
}

/// Their names, with spaces between them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_read_and_what_its_scopes_say() {
        let scopes = Scopes::only([Scope::Publish, Scope::Tasks, Scope::Publish]);
        let may: Vec<Scope> = Scope::ALL
            .into_iter()
            .filter(|scope| scopes.allow(*scope))
            .collect();
        assert_eq!(may, [Scope::Read, Scope::Tasks, Scope::Publish]);
        assert_eq!(scopes.to_string(), "tasks publish");
        assert_eq!(Scopes::parse("publish tasks"), Some(scopes));
        assert_eq!(Scopes::parse("tasks everything"), None);
        for all in [Scopes::unlimited(), Scopes::only([Scope::Admin])] {
            assert!(Scope::ALL.into_iter().all(|scope| all.allow(scope)));
        }
        let read = Scopes::only([Scope::Read]);
        assert!(read.allow(Scope::Read) && !read.allow(Scope::Review));
    }
}
