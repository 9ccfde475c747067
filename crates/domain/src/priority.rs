//! How urgent a task is, against the other tasks that wait.

/// Lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// When nothing else waits, and for a fixed share of the time.
    Low,
    /// Unless somebody said otherwise.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// Every priority, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The priority of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// The number in the database: 0, 1 or 2.
    pub const fn rank(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
        }
    }

    /// The priority of that number.
    pub fn from_rank(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.rank() == rank)
    }
}
