//! Logins with keys: right ones, a token's, forged ones, and those of others. Clients that nobody here wrote
//! do the same in the whole-system tests.

use meter::{ChangeSet, Edit};
use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::HashAlg;
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, signature::Signer as _};
use security::AccountId;
use sha2::{Digest, Sha256};

use super::*;

fn new_key() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::random(&mut russh_keys::key::safe_rng(), Algorithm::Ed25519).unwrap())
}

fn give(bench: &Bench, account: &str, line: &str) {
    let edits = vec![Edit::AddKey(AccountId::from_login(account).unwrap(), line.parse().unwrap())];
    bench.site.gate.apply(bench.site.now(), &Caller::meter(), ChangeSet { edits, force: false }).unwrap();
}

fn line(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

async fn log_in(address: SocketAddr, name: &str, key: &Arc<PrivateKey>) -> bool {
    let mut connection = connect(address).await;
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
    connection.authenticate_publickey(name, key).await.unwrap().success()
}

/// Signs as it is told to: with a key, and in the way of a token or in the usual one.
struct Forger {
    key: Arc<PrivateKey>,
    /// What a token signs for, its flags and its counter; `None` is a plain key.
    token: Option<(&'static [u8], [u8; 5])>,
}

impl Signer for Forger {
    type Error = russh::SendError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, russh::SendError> {
        let (name, signed, trailer): (&[u8], Vec<u8>, Vec<u8>) = match self.token {
            None => (b"ssh-ed25519", to_sign.clone(), Vec::new()),
            Some((application, trailer)) => {
                let (application, message) = (Sha256::digest(application), Sha256::digest(&to_sign));
                let signed = [application.as_slice(), &trailer, message.as_slice()].concat();
                (b"sk-ssh-ed25519@openssh.com", signed, trailer.to_vec())
            }
        };
        let signature = self.key.try_sign(&signed).unwrap();
        let blob = [string(name), string(signature.as_bytes()), trailer].concat();
        to_sign.extend(string(&blob));
        Ok(to_sign)
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The line of a token's key.
fn token_line(key: &PrivateKey, application: &[u8]) -> String {
    use base64::Engine as _;
    let public = key.public_key().key_data().ed25519().unwrap().0;
    let blob = [string(b"sk-ssh-ed25519@openssh.com"), string(&public), string(application)].concat();
    format!("sk-ssh-ed25519@openssh.com {}", base64::engine::general_purpose::STANDARD.encode(blob))
}

#[tokio::test]
async fn a_key_opens_the_session_of_its_account_and_the_event_names_it() {
    let (bench, address) = advanced(&[("SSH", "yes")]).await;
    let (own, other) = (new_key(), new_key());
    give(&bench, "USER1", &line(&own));
    give(&bench, "8650", &line(&other));
    assert!(log_in(address, "User01", &own).await);
    for (name, key) in [("USER1", &other), ("8650", &other), ("USER2", &own), ("root", &own)] {
        assert!(!log_in(address, name, key).await, "{name}");
    }
    let mut connection = connect(address).await;
    let key = PrivateKeyWithHashAlg::new(Arc::clone(&own), None);
    assert!(connection.authenticate_publickey("USER1", key).await.unwrap().success());
    let (out, _, status) = exec(&connection, "info").await;
    assert!(status == 0 && out.contains("MW-2611A001-01"), "{out}");
    let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
    assert!(
        events.iter().any(|event| event.user == "USER1" && event.path == "ssh" && event.effect == "valid, by SSH key")
    );

    // Removed while the session lasts, it ends the session.
    let print = own.public_key().fingerprint(HashAlg::Sha256).to_string().parse().unwrap();
    let edits = vec![Edit::RemoveKey(AccountId::from_login("USER1").unwrap(), print)];
    bench.site.gate.apply(bench.site.now(), &Caller::meter(), ChangeSet { edits, force: false }).unwrap();
    let (_, said, status) = exec(&connection, "info").await;
    assert!(status != 0 && said.contains("log in again"), "{said}");
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_locks_nobody_out() {
    let (bench, address) = advanced(&[]).await;
    let (own, other) = (new_key(), new_key());
    give(&bench, "USER1", &line(&own));
    for _ in 0..10 {
        let mut connection = connect(address).await;
        let mut forger = Forger { key: Arc::clone(&other), token: None };
        let public = own.public_key().clone();
        let answer = connection.authenticate_publickey_with("USER1", public, None, &mut forger).await.unwrap();
        assert!(!answer.success());
    }
    assert!(try_login(address, "USER1", "abc").await.is_some(), "nobody is locked out");
    assert!(log_in(address, "USER1", &own).await);
}

#[tokio::test]
async fn a_tokens_key_is_verified_with_what_it_signs_for() {
    const TOUCHED: [u8; 5] = [1, 0, 0, 0, 7];
    let (bench, address) = advanced(&[]).await;
    let own = new_key();
    let token = token_line(&own, b"ssh:");
    give(&bench, "USER1", &token);
    let public = PublicKey::from_openssh(&token).unwrap();
    for (token, opens) in [(Some((b"ssh:".as_slice(), TOUCHED)), true), (Some((b"web:", TOUCHED)), false)] {
        let mut connection = connect(address).await;
        let mut forger = Forger { key: Arc::clone(&own), token };
        let answer = connection.authenticate_publickey_with("USER1", public.clone(), None, &mut forger).await.unwrap();
        assert_eq!(answer.success(), opens, "{token:?}");
    }
}

#[tokio::test]
async fn offers_have_an_end_and_are_one_event_when_nothing_came_of_them() {
    let (bench, address) = advanced(&[]).await;
    let mut connection = connect(address).await;
    for _ in 0..3 * AUTH_TRIES {
        let key = PrivateKeyWithHashAlg::new(new_key(), None);
        let answer = connection.authenticate_publickey("USER1", key).await;
        assert!(!answer.is_ok_and(|answer| answer.success()));
    }
    drop(connection);
    let entry = format!("invalid: SSH keys offered {AUTH_TRIES}, none taken");
    let told = async {
        while !bench.site.gate.events(&Caller::meter(), 0, 100).unwrap().iter().any(|event| event.effect == entry) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("the connection's end is told");
    assert!(try_login(address, "USER1", "abc").await.is_some(), "nobody is locked out");
}
