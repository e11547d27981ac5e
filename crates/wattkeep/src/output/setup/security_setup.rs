//! Security set-up: mode, switches, users, who may do what, and the keys that are trusted.

use std::io::{self, Write};

use api::{AccountKey, Keys, Security, Trusted, User};
use owo_colors::OwoColorize;
use security::AccountId;

use super::super::style;
use super::super::table::{Align, Cell, Table};
use super::super::text::{counted, heading};

/// Security set-up, for whoever may read it.
///
/// # Errors
/// Those of the stream.
pub fn security_setup(out: &mut dyn Write, security: &Security) -> io::Result<()> {
    writeln!(out, "Security mode: {}", security.mode.style(style::HEADING))?;
    let (password, colour) = password(security.front_panel_factory_password);
    writeln!(out, "Front-panel password: {}", password.style(colour))?;
    heading(out, "Security Options")?;
    let mut table = Table::new([("register", Align::Left), ("value", Align::Right)]);
    for (register, value) in &security.options {
        table.row([register.into(), value.into()]);
    }
    table.write(out)?;
    heading(out, "Users")?;
    users(out, &security.users)?;
    if !security.ssh_keys.is_empty() {
        heading(out, "SSH keys")?;
        key_table(out, &security.ssh_keys)?;
    }
    heading(out, "Who may do what, where")?;
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for (login, allowed) in &security.access {
        table.row([login.into(), allowed.into()]);
    }
    table.write(out)
}

fn password(factory: bool) -> (&'static str, owo_colors::Style) {
    if factory { ("factory 0", style::DANGER) } else { ("own", style::PLAIN) }
}

/// The users.
///
/// # Errors
/// Those of the stream.
pub fn users(out: &mut dyn Write, users: &[User]) -> io::Result<()> {
    let columns = [("user", Align::Left), ("active", Align::Left), ("password", Align::Left), ("rights", Align::Left)];
    let mut table = Table::new(columns);
    for User { user, active, rights, factory_password, ssh_keys } in users {
        let (password, colour) = password(*factory_password);
        let keys = if ssh_keys.is_empty() { String::new() } else { format!(", {}", counted(ssh_keys.len(), "key")) };
        let password = format!("{password}{keys}");
        // A password that nobody can log in with endangers nobody.
        let password = Cell::styled(password, if *active { colour } else { style::PLAIN });
        let rights: Vec<_> = rights.iter().map(|right| right.name()).collect();
        let rights = if rights.is_empty() { "none".to_owned() } else { rights.join(", ") };
        table.row([user.to_string().into(), if *active { "yes" } else { "no" }.into(), password, rights.into()]);
    }
    table.write(out)
}

/// An account's SSH keys.
///
/// # Errors
/// Those of the stream.
pub fn ssh_keys(out: &mut dyn Write, account: AccountId, keys: &Keys) -> io::Result<()> {
    if keys.keys.is_empty() {
        return writeln!(out, "{} has no SSH key: only its password opens it.", account.login());
    }
    key_table(out, &keys.keys)
}

fn key_table(out: &mut dyn Write, keys: &[AccountKey]) -> io::Result<()> {
    let columns = [("user", Align::Left), ("fingerprint", Align::Left), ("type and comment", Align::Left)];
    let mut table = Table::new(columns);
    for AccountKey { account, algorithm, fingerprint, comment } in keys {
        let what = format!("{algorithm} {comment}");
        table.row([account.login().into(), fingerprint.to_string().into(), what.trim_end().into()]);
    }
    table.write(out)
}

/// The keys that may sign releases for a meter.
///
/// # Errors
/// Those of the stream.
pub fn trusted(out: &mut dyn Write, trusted: &Trusted) -> io::Result<()> {
    if trusted.keys.is_empty() {
        return writeln!(out, "No key is trusted: the meter takes only releases its program was built with.");
    }
    let mut table = Table::new([("key", Align::Left), ("comment", Align::Left)]);
    for (id, comment) in &trusted.keys {
        table.row([id.into(), comment.into()]);
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use security::{Mode, PublicKey, Right, UserId};

    use super::*;
    use crate::screen::tests::{harmless, shown};

    #[test]
    fn security_set_up_at_a_glance() {
        let key: PublicKey = KEY.parse().unwrap();
        let user = |number, active, factory_password, rights: &[Right]| User {
            user: UserId::new(number).unwrap(),
            active,
            rights: rights.to_vec(),
            factory_password,
            ssh_keys: if number == 1 { vec![key.fingerprint()] } else { Vec::new() },
        };
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let sample = Security {
            mode: Mode::Advanced,
            front_panel_factory_password: true,
            options: pairs(&[("Allow Modbus Programming", "no"), ("Lock-out Minutes", "15"), ("SSH", "yes")]),
            users: vec![
                user(1, true, false, &Right::ALL),
                user(2, true, true, &[Right::Read]),
                user(9, false, true, &[]),
            ],
            ssh_keys: vec![AccountKey {
                account: AccountId::User(UserId::new(1).unwrap()),
                algorithm: key.algorithm().name().to_owned(),
                fingerprint: key.fingerprint(),
                comment: key.comment().to_owned(),
            }],
            access: pairs(&[
                ("modbus: anyone", "read, read setup"),
                ("sftp: USER1", "everything"),
                ("sftp: USER2", "read, read setup, time-sync, demand-reset, test-mode, full-config"),
            ]),
        };
        insta::assert_snapshot!(shown(|out| security_setup(out, &sample)));
        harmless(&sample, |out, sample| security_setup(out, sample));
    }

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB laptop, Nord depot";

    #[test]
    fn an_account_without_a_key_says_so() {
        insta::assert_snapshot!(
            shown(|out| ssh_keys(out, AccountId::FrontPanel, &Keys::default())),
            @"8650 has no SSH key: only its password opens it."
        );
    }

    #[test]
    fn trusted_keys() {
        let keys = vec![("0011223344556677".to_owned(), "Utility North, releases".to_owned())];
        let sample = Trusted { keys };
        insta::assert_snapshot!("trusted", shown(|out| trusted(out, &sample)));
        harmless(&sample, |out, sample| trusted(out, sample));
        insta::assert_snapshot!("nobody_trusted", shown(|out| trusted(out, &Trusted::default())));
    }
}
