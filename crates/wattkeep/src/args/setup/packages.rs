//! Which meters, what is sent to them, and what is done about the packages that wait in one.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use setup::{Address, NotAnAddress};

/// One meter, or several for the commands that take several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meters(Vec<Address>);

/// More than one meter where there may be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this command is for one meter at a time: only `stage` takes several")]
pub struct Several;

/// Words that are no meters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMeters {
    /// One of them is no address.
    #[error(transparent)]
    Address(#[from] NotAnAddress),
    /// One of them is named twice.
    #[error("{0} is named twice")]
    Twice(Address),
}

impl Meters {
    /// The one there is.
    ///
    /// # Errors
    /// If there are several.
    pub fn one(&self) -> Result<&Address, Several> {
        if let [one] = self.0.as_slice() { Ok(one) } else { Err(Several) }
    }

    /// All of them, as they were named.
    pub fn all(&self) -> &[Address] {
        &self.0
    }
}

impl FromStr for Meters {
    type Err = NotMeters;

    fn from_str(text: &str) -> Result<Self, NotMeters> {
        let mut meters = Vec::new();
        for one in text.split(',') {
            let address: Address = one.parse()?;
            if meters.contains(&address) {
                return Err(NotMeters::Twice(address));
            }
            meters.push(address);
        }
        Ok(Self(meters))
    }
}

/// A package to be sent, and how its file is checked.
#[derive(Debug, Args)]
pub struct StageArgs {
    /// A release folder, a .upg, or the version of a shipped release
    #[arg(long, value_name = "BUNDLE")]
    pub to: String,
    /// The list of hashes, if it doesn't lie beside the .upg
    #[arg(long, value_name = "LIST", conflicts_with = "no_hash_list")]
    pub hashes: Option<PathBuf>,
    /// Send a .upg that no list vouches for
    #[arg(long)]
    pub no_hash_list: bool,
}

/// What can be done about packages.
#[derive(Debug, Subcommand)]
pub enum PackagesCommand {
    /// Drop a package that waits, or what has come in of one
    Drop {
        /// Its release if no other package has it, its name, or its digest or
        /// at least 8 digits of that's beginning
        #[arg(value_name = "RELEASE|NAME|DIGEST")]
        package: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_are_named_with_commas_and_each_once() {
        let meters: Meters = "a,b:7701,[::1]:7702".parse().unwrap();
        assert_eq!((meters.all().len(), meters.one()), (3, Err(Several)));
        assert!("a".parse::<Meters>().unwrap().one().is_ok());
        for bad in ["", ",", "a,", "a,,b", "a,b:0", "a,a", "a,a:7700"] {
            assert!(bad.parse::<Meters>().is_err(), "{bad}");
        }
    }
}
