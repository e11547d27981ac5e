//! The SSH keys of an account: shown, given, taken. What goes to the meter is a public key that has been
//! read here first: a private one, given by mistake, never leaves this machine.

use security::PublicKey;
use security::ssh_key::MAX_LINE_BYTES;
use setup::Client;

use super::session::Session;
use crate::args::setup::{KeysArgs, KeysCommand};
use crate::failure::Failure;
use crate::files;
use crate::output::setup as show;
use crate::screen::Screen;

pub(super) async fn run(
    args: KeysArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let KeysArgs { account, command } = args;
    let keys = match command {
        KeysCommand::List => session.ask(async |client: &mut Client| client.ssh_keys(Some(account)).await).await?,
        KeysCommand::Add { file } => {
            // A file of an RSA key, which has more, still gets the sentence about RSA.
            let text = files::read_text(&file, "a public key", 16 * MAX_LINE_BYTES)?;
            let key: PublicKey = text.parse().map_err(|error| Failure::File(file, Box::new(Failure::SshKey(error))))?;
            session.ask(async |client: &mut Client| client.add_ssh_key(account, &key).await).await?
        }
        KeysCommand::Remove { fingerprint } => {
            session.ask(async |client: &mut Client| client.remove_ssh_key(account, &fingerprint).await).await?
        }
    };
    screen.show(&keys, json, |out, keys| show::ssh_keys(out, account, keys))?;
    Ok(())
}
