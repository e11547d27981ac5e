//! Security User module n: whether USERn is active, and the user's rights. The password is no
//! register: the vault keeps it.

use security::{Account, Right, Rights, UserId};

use crate::kind::Kind;
use crate::register::{Factory, Range, SetupRegister, Value};
use crate::template::{ModuleName, ModuleSetup};

/// The kind's name.
pub const NAME: &str = "Security User";
/// Whether the user can log in at all.
pub const ACTIVE: &str = "Active";

/// The Security User module.
pub struct SecurityUser;

const fn yes_no(name: &'static str) -> SetupRegister {
    SetupRegister { name, unit: "", range: Range::YesNo, factory: Factory::Flag(false), right: Right::SecurityConfig }
}

// The rights' registers carry the names of `Right::label`; a test holds them to it.
static SETUP: [SetupRegister; 7] = [
    yes_no(ACTIVE),
    yes_no("Read"),
    yes_no("Time Sync"),
    yes_no("Peak Demand Reset"),
    yes_no("Test Mode"),
    yes_no("Full Meter Config"),
    yes_no("Security Config"),
];

impl Kind for SecurityUser {
    fn name(&self) -> &'static str {
        NAME
    }

    fn most(&self) -> u8 {
        UserId::COUNT
    }

    fn setup(&self) -> &'static [SetupRegister] {
        &SETUP
    }
}

/// The module of a user.
pub fn module(user: UserId) -> ModuleName {
    ModuleName::new(NAME, user.number()).expect("a meter has a Security User module for each user")
}

/// The account that a module's set-up describes.
pub fn account(setup: &ModuleSetup) -> Account {
    Account {
        active: setup.flag(ACTIVE).unwrap_or(false),
        rights: Right::ALL.into_iter().filter(|right| setup.flag(right.label()).unwrap_or(false)).collect(),
    }
}

/// The set-up that describes an account.
pub fn setup(account: Account) -> ModuleSetup {
    let rights = Right::ALL.map(|right| (right.label().to_owned(), Value::Flag(account.rights.has(right))));
    let active = (ACTIVE.to_owned(), Value::Flag(account.active));
    ModuleSetup { setup: rights.into_iter().chain([active]).collect(), ..ModuleSetup::default() }
}

/// As shipped: USER1 active with all rights, USER2 active with Read, the others inactive.
pub fn as_shipped(user: UserId) -> Account {
    match user.number() {
        1 => Account { active: true, rights: Rights::ALL },
        2 => Account { active: true, rights: Rights::NONE.with(Right::Read) },
        _ => Account::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_named_after_the_rights() {
        let names: Vec<_> = SETUP.iter().skip(1).map(|register| register.name).collect();
        assert_eq!(names, Right::ALL.map(Right::label));
    }

    #[test]
    fn an_account_and_its_module_say_the_same() {
        for user in UserId::all() {
            assert_eq!(account(&setup(as_shipped(user))), as_shipped(user));
        }
    }
}
