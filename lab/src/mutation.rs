//! Known-bad changes of our own code, as data: `mutations.toml`. What they are for is said there.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The list.
const LIST: &str = include_str!("../mutations.toml");

/// A known-bad change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What is wrong then.
    pub name: String,
    /// The file, from the root of the project.
    pub file: String,
    /// What stands there, exactly once.
    pub from: String,
    /// What stands there then.
    pub to: String,
}

/// All of them.
pub fn mutations() -> Vec<Mutation> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        mutation: Vec<Mutation>,
    }
    toml::from_str::<File>(LIST).expect("the list is the laboratory's own").mutation
}

impl Mutation {
    /// The changed file of a tree.
    pub fn changed(&self, root: &Path) -> Result<String, String> {
        let text = fs::read_to_string(root.join(&self.file)).map_err(|error| format!("{}: {error}", self.file))?;
        match text.matches(&self.from).count() {
            1 => Ok(text.replacen(&self.from, &self.to, 1)),
            count => Err(format!("{}: what \"{}\" changes stands there {count} times, not once", self.file, self.name)),
        }
    }
}
