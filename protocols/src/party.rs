//! Who takes part, and who talks to whom.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One of the three parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// P0: holds the weights.
    ModelOwner,
    /// P1: holds the input and alone learns the result.
    DataOwner,
    /// P2: holds no input; supplies correlated randomness.
    CryptoProducer,
}

impl Role {
    /// All roles, P0 first.
    pub const ALL: [Role; 3] = [Role::ModelOwner, Role::DataOwner, Role::CryptoProducer];

    /// 0, 1 or 2: the number in "P0", "P1", "P2".
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The two other parties, in order.
    pub const fn others(self) -> [Role; 2] {
        match self {
            Role::ModelOwner => [Role::DataOwner, Role::CryptoProducer],
            Role::DataOwner => [Role::ModelOwner, Role::CryptoProducer],
            Role::CryptoProducer => [Role::ModelOwner, Role::DataOwner],
        }
    }

    /// The name that configs, certificates and the command line use.
    pub const fn name(self) -> &'static str {
        match self {
            Role::ModelOwner => "model-owner",
            Role::DataOwner => "data-owner",
            Role::CryptoProducer => "crypto-producer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Role::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| {
            format!("unknown role '{name}': use model-owner, data-owner or crypto-producer")
        })
    }
}

/// A directed pair of parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The sender.
    pub from: Role,
    /// The receiver.
    pub to: Role,
}

impl Link {
    /// All six links: P0->P1, P0->P2, P1->P0, P1->P2, P2->P0, P2->P1.
    pub const ALL: [Link; 6] = {
        use Role::*;
        [
            Link { from: ModelOwner, to: DataOwner },
            Link { from: ModelOwner, to: CryptoProducer },
            Link { from: DataOwner, to: ModelOwner },
            Link { from: DataOwner, to: CryptoProducer },
            Link { from: CryptoProducer, to: ModelOwner },
            Link { from: CryptoProducer, to: DataOwner },
        ]
    };

    /// The link from one party to another.
    ///
    /// # Panics
    /// If both are the same party.
    pub fn new(from: Role, to: Role) -> Link {
        assert_ne!(from, to, "a party sends nothing to itself");
        Link { from, to }
    }

    /// The place in [`Link::ALL`].
    pub fn index(self) -> usize {
        let (from, to) = (self.from.index(), self.to.index());
        2 * from + to - usize::from(to > from)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}->P{}", self.from.index(), self.to.index())
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Link::ALL
            .into_iter()
            .find(|link| link.to_string() == text)
            .ok_or_else(|| format!("unknown link '{text}': use P0->P1 and so on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_roles_survive_their_names() {
        for (index, link) in Link::ALL.into_iter().enumerate() {
            assert_eq!(link.index(), index);
            assert_eq!(link.to_string().parse(), Ok(link));
        }
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert!(!role.others().contains(&role));
        }
        assert!("p9".parse::<Role>().is_err());
    }
}
