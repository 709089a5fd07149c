//! What a process does of all that Suanpan does.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};

/// A part of Suanpan's work. One process may do all of it, or many processes a part each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes events and puts them into the log.
    Gateway,
    /// Brings events from the log into the warehouse.
    Pipeline,
    /// Answers questions.
    Answers,
    /// Manages apps, keys, plans and rules, and shows how everything stands.
    Server,
    /// Does what must be done from time to time, by one process at a time: retention, deletions, accounts.
    Watch,
}

impl Role {
    /// All roles, in the order of an event's journey.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Pipeline, Self::Answers, Self::Server, Self::Watch];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Pipeline => "pipeline",
            Self::Answers => "answers",
            Self::Server => "server",
            Self::Watch => "watch",
        }
    }
}

/// The roles of a process: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles([bool; Role::ALL.len()]);

impl Roles {
    /// Every role.
    pub const ALL: Self = Self([true; Role::ALL.len()]);

    /// Whether it is one of them.
    pub fn has(self, role: Role) -> bool {
        self.0[role as usize]
    }

    /// Whether one of them speaks to the warehouse: all but the gateway do.
    pub fn need_warehouse(self) -> bool {
        Role::ALL.into_iter().any(|role| role != Role::Gateway && self.has(role))
    }

    /// Whether one of them speaks to the log: all but answers do.
    pub fn need_log(self) -> bool {
        Role::ALL.into_iter().any(|role| role != Role::Answers && self.has(role))
    }

    /// Whether one of them takes events, or takes refused ones again.
    pub fn need_gateway(self) -> bool {
        self.has(Role::Gateway) || self.has(Role::Server)
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for Roles {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut roles = [false; Role::ALL.len()];
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let Some(role) = Role::ALL.into_iter().find(|role| role.name() == name) else {
                bail!("{name:?} is no role; there are {}", Self::ALL);
            };
            roles[role as usize] = true;
        }
        ensure!(roles.contains(&true), "no role is named; there are {}", Self::ALL);
        Ok(Self(roles))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Role::ALL.into_iter().filter(|role| self.has(*role)).map(Role::name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_and_written() {
        let roles: Roles = "server, gateway".parse().unwrap();
        assert_eq!(roles.to_string(), "gateway,server");
        assert!(roles.has(Role::Server) && !roles.has(Role::Pipeline));
        assert!(roles.need_warehouse() && roles.need_gateway());
        let gateway: Roles = "gateway".parse().unwrap();
        assert!(!gateway.need_warehouse());
        for bad in ["", "gateways", "gateway,flink"] {
            let told = bad.parse::<Roles>().unwrap_err().to_string();
            assert!(told.contains("gateway,pipeline,answers,server,watch"), "{told}");
        }
    }
}
