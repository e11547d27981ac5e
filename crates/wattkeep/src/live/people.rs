//! Who uses the scratch meter: accounts with passwords of their own, drawn for this rehearsal.

use std::collections::BTreeMap;
use std::path::Path;

use firmware::Plan;
use framework::Dcf;
use security::{AccountId, CredentialKind, Mode, Password, Right, UserId};
use setup::Client;
use zeroize::Zeroizing;

use super::Change;
use crate::failure::Failure;
use crate::new_file::{self, For};

/// Users of a rehearsal without settings of its own: all that the field's smaller utilities have.
const USERS: u8 = 6;

/// The accounts of the scratch meter.
pub struct People {
    /// The passwords as they are at the moment.
    passwords: BTreeMap<AccountId, Password>,
    /// The passwords that they were given.
    own: BTreeMap<AccountId, Password>,
    settings: Option<Dcf>,
}

impl People {
    /// Everyone who has a password of their own, each with a new one.
    pub fn new(change: &Change<'_>) -> Result<Self, Failure> {
        let users = |count| (1..=count).filter_map(UserId::new).map(AccountId::User);
        let accounts: Vec<AccountId> = match change.settings.and_then(|file| file.security.as_ref()) {
            None => std::iter::once(AccountId::FrontPanel).chain(users(USERS)).collect(),
            Some(security) => {
                let own = |kind: &CredentialKind| *kind != CredentialKind::Factory;
                let panel = own(&security.front_panel).then_some(AccountId::FrontPanel);
                let users = security.users.iter().filter(|(_, user)| own(&user.credential));
                panel.into_iter().chain(users.map(|(user, _)| AccountId::User(*user))).collect()
            }
        };
        let mut own = BTreeMap::new();
        let mut passwords = BTreeMap::new();
        for account in accounts {
            let (one, same) = draw(account)?;
            own.insert(account, one);
            passwords.insert(account, same);
        }
        Ok(Self { passwords, own, settings: change.settings.cloned() })
    }

    /// Gives the factory-new meter its users.
    pub async fn move_in(&self, client: &mut Client) -> Result<(), Failure> {
        let factory = factory();
        client.login(None, &factory).await?;
        if let Some(panel) = self.own.get(&AccountId::FrontPanel) {
            client.set_password(AccountId::FrontPanel, panel).await?;
            client.login(None, panel).await?;
        }
        for (account, password) in &self.own {
            let AccountId::User(user) = account else { continue };
            let rights = if user.number() == 1 { Right::ALL.to_vec() } else { vec![Right::Read] };
            let request = api::UserRequest { user: *user, active: Some(true), rights: Some(rights), force: false };
            client.set_user(&request, Some(password)).await?;
        }
        match &self.settings {
            // Ports are the scratch meter's own.
            Some(file) => {
                let text = without_ports(file).to_text();
                client.load_template(&text, setup::Load::Force).await?;
            }
            None => {
                let mode = ("Mode".to_owned(), Mode::Advanced.name().to_owned());
                client.set_security(&api::SetRequest { changes: vec![mode], force: false }).await?;
            }
        }
        Ok(())
    }

    /// Everybody.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.passwords.keys().copied()
    }

    /// Somebody's password as it is now.
    pub fn password(&self, account: AccountId) -> Option<&Password> {
        self.passwords.get(&account)
    }

    /// Who changes the release in this mode; nobody needs to where nothing is ever asked.
    pub fn operator(&self, mode: Mode) -> Result<(Option<String>, &Password), Failure> {
        let account = match mode {
            Mode::Advanced => AccountId::User(UserId::new(1).ok_or_else(nobody)?),
            Mode::Standard | Mode::None => AccountId::FrontPanel,
        };
        let password = self.passwords.get(&account).or_else(|| self.passwords.values().next()).ok_or_else(nobody)?;
        Ok(((mode != Mode::None).then(|| account.login()), password))
    }

    /// A change has been carried out: whose password the plan reset has `0` now.
    pub fn after(&mut self, plan: &Plan) {
        for line in plan.consequences.iter().filter(|line| line.kind == firmware::Kind::Account && line.after == "0") {
            if let Ok(account) = line.subject.parse::<AccountId>()
                && let Some(password) = self.passwords.get_mut(&account)
            {
                *password = factory();
            }
        }
    }

    /// Of how many accounts the own password can be found in the files below a folder.
    pub fn readable_in(&self, folder: &Path) -> Result<usize, Failure> {
        let mut found = vec![false; self.own.len()];
        search(folder, &mut |bytes| {
            for (found, password) in found.iter_mut().zip(self.own.values()) {
                let secret = password.expose();
                *found |= bytes.windows(secret.len()).any(|window| window == secret);
            }
        })?;
        Ok(found.into_iter().filter(|found| *found).count())
    }

    /// Writes the passwords down beside the scratch meter, for whoever wants to look at it.
    pub fn write_down(&self, file: &Path) -> Result<(), Failure> {
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push_str("# The scratch meter's passwords. A downgrade has made them 0.\n");
        for (account, password) in &self.own {
            text.push_str(&account.login());
            text.push_str(": ");
            text.extend(password.expose().iter().copied().map(char::from));
            text.push('\n');
        }
        new_file::write(file, text.as_bytes(), For::Owner)
    }
}

fn nobody() -> Failure {
    Failure::InTheWay("these settings have nobody who could change the release".to_owned())
}

fn factory() -> Password {
    Password::new(Password::FACTORY).expect("the factory password is one character long")
}

/// The settings without the ports of the meter they come from.
fn without_ports(file: &Dcf) -> Dcf {
    let mut file = file.clone();
    if let Some(security) = &mut file.security {
        security.options.retain(|register, _| !register.ends_with("Port"));
    }
    file
}

/// A password that every release takes: eight digits for the panel, six characters for a user.
/// Twice, since nothing copies a password by accident.
fn draw(account: AccountId) -> Result<(Password, Password), Failure> {
    const CHARACTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789#";
    let mut random = Zeroizing::new([0_u8; 8]);
    getrandom::fill(random.as_mut()).map_err(|error| Failure::InTheWay(format!("no random bytes: {error}")))?;
    let text: Zeroizing<Vec<u8>> = Zeroizing::new(match account {
        // From 1 to 9, so that none begins with a zero.
        AccountId::FrontPanel => random.iter().map(|byte| b'1' + byte % 9).collect(),
        AccountId::User(_) => {
            // A first letter, so that it is never a number.
            let first = std::iter::once(b'a' + random[0] % 26);
            first.chain(random[1..6].iter().map(|byte| CHARACTERS[usize::from(byte % 32)])).collect()
        }
    });
    let password = || Password::new(&*text).map_err(|error| Failure::InTheWay(error.to_string()));
    Ok((password()?, password()?))
}

fn search(folder: &Path, look: &mut impl FnMut(&[u8])) -> Result<(), Failure> {
    let unreadable = |error| Failure::Read(folder.to_owned(), error);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            search(&path, look)?;
        } else {
            look(&std::fs::read(&path).map_err(|error| Failure::Read(path, error))?);
        }
    }
    Ok(())
}
