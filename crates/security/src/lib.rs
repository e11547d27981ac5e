//! Who may do what: modes, users, rights and the one decision about every access, with the rules and
//! the hashing of passwords beside them.
//!
//! Everything here is a plain function or a value: no I/O, no clock, no randomness of its own. Time,
//! salts and the memory that hashing needs are arguments. The faces of a meter hold no rule about
//! rights; they ask [`decide`](decide::decide), through the meter's gate.

pub mod account;
pub mod chain;
pub mod credential;
pub mod decide;
pub mod lockout;
mod names;
pub mod password;
pub mod phc;
pub mod pressure;
pub mod sealed;
pub mod secret;
pub mod session;
pub mod source;
pub mod ssh_key;
pub mod unseen;
pub mod vault;

pub use account::{Account, AccountId, CredentialKind, Mode, Right, Rights, UserId};
pub use credential::{Credential, StoredError};
pub use decide::{Ask, Path, Policy, Refusal, Who, decide};
pub use lockout::{Attempt, Delay, Limits, LockedUntil, Lockouts, Outcome, Queue};
pub use password::{Grade, PasswordError, PasswordRules, Strength, strength};
pub use secret::{DeviceKey, KeyId, Password, PasswordTooLong, Token};
pub use session::{Session, SessionTable};
pub use source::Source;
pub use ssh_key::{Fingerprint, KeyAlgorithm, PublicKey};
pub use vault::{HashMemory, Verdict, Work};
