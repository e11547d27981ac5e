//! Hashing passwords and checking them (B29), as plain functions over memory that the caller lends.
//!
//! Where a release hashes, a check costs one Argon2id computation whoever is claimed: an unknown user,
//! a factory `0`, a readable password or a hash. How many checks run at once is the caller's bound: one
//! [`HashMemory`] is one check at a time.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::credential::Credential;
use crate::phc::{HASH_BYTES, LANES, MEMORY_KIB, PASSES, PasswordHash, SALT_BYTES};
use crate::secret::{DeviceKey, Password};

/// The 19 MiB that one computation works in, kept for the next one: allocating them for each login left
/// a meter with gigabytes resident under load.
///
/// They are taken at the first computation, so that a legacy meter, which hashes nothing, never pays.
/// They are wiped after each: filled blocks are made of the password, and a pool would otherwise keep
/// them for the process's whole life, in swap and core dumps too. Wiping takes
/// about a fourteenth of the computation's own time.
#[derive(Default)]
pub struct HashMemory {
    blocks: Vec<Block>,
    computations: u64,
}

impl HashMemory {
    /// What one of them holds in bytes, once used.
    pub const BYTES: usize = MEMORY_KIB as usize * Block::SIZE;

    /// Memory that takes no room before its first use.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many hashes have been computed in it.
    pub fn computations(&self) -> u64 {
        self.computations
    }

    fn argon2id(
        &mut self,
        password: &Password,
        salt: &[u8; SALT_BYTES],
        key: &[u8; DeviceKey::BYTES],
    ) -> Zeroizing<[u8; HASH_BYTES]> {
        self.compute(password, salt, key, PASSES)
    }

    /// A key made of a passphrase, which no device key helps: in the same memory, with the passes it is given.
    pub(crate) fn derive(
        &mut self,
        passphrase: &Password,
        salt: &[u8; SALT_BYTES],
        passes: u32,
    ) -> Zeroizing<[u8; HASH_BYTES]> {
        self.compute(passphrase, salt, &[], passes)
    }

    fn compute(
        &mut self,
        password: &Password,
        salt: &[u8; SALT_BYTES],
        key: &[u8],
        passes: u32,
    ) -> Zeroizing<[u8; HASH_BYTES]> {
        let params = Params::new(MEMORY_KIB, passes, LANES, Some(HASH_BYTES)).expect("the constants are in range");
        self.blocks.resize(params.block_count(), Block::default());
        let mut hash = Zeroizing::new([0; HASH_BYTES]);
        Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, params)
            .and_then(|argon2| {
                argon2.hash_password_into_with_memory(password.expose(), salt, hash.as_mut(), &mut self.blocks)
            })
            .expect("all lengths are fixed by types and constants, and within Argon2's");
        self.blocks.iter_mut().zeroize();
        self.computations += 1;
        hash
    }
}

/// The password as a hashing release keeps it. The factory password stays the factory state.
///
/// `salt` must be random and fresh.
pub fn hash(password: &Password, salt: [u8; SALT_BYTES], key: &DeviceKey, memory: &mut HashMemory) -> Credential {
    if password.is_factory() {
        return Credential::Factory;
    }
    let hash = *memory.argon2id(password, &salt, key.expose());
    Credential::Hashed(PasswordHash { key: key.id(), salt, hash })
}

/// How a release checks, which is how long a check takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The release hashes: one computation for every check, so that its time tells nothing.
    Hashing,
    /// A legacy release: a computation only where a hash is kept after all.
    Plain,
}

/// What a check found. Only `Right` opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is the account's.
    Right,
    /// It isn't, or there is no such account.
    Wrong,
    /// Nothing can be said: the meter's device key is missing.
    KeyMissing,
    /// Nothing can be said: the hash was made with another device key.
    OtherKey,
}

impl Verdict {
    /// What to tell whoever logs in, and the log, in the same words on every face; `None` if it is right.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Right => None,
            Self::Wrong => Some("the user name or the password is wrong"),
            Self::KeyMissing => Some(
                "the meter's device key is missing, so no password can be checked: put its file back, or reset the passwords at the meter",
            ),
            Self::OtherKey => Some(
                "this password was stored under another device key than the meter has now: put that key's file back, or reset the password at the meter",
            ),
        }
    }

    /// Whether the try counts against a lock-out: a meter that has lost its key punishes nobody for it.
    pub fn counts_as_bad_try(self) -> bool {
        self == Self::Wrong
    }
}

/// Whether `password` is the claimed account's; `None` claims an account that doesn't exist or isn't active.
///
/// Without a device key only a password that isn't hashed can be right; any other check, of an unknown
/// user too, says that the key is missing.
pub fn verify(
    claim: Option<&Credential>,
    password: &Password,
    key: Option<&DeviceKey>,
    memory: &mut HashMemory,
    work: Work,
) -> Verdict {
    // Stand-ins where there is nothing real to compute with: the result is thrown away.
    const NO_SALT: [u8; SALT_BYTES] = [0; SALT_BYTES];
    const NO_KEY: [u8; DeviceKey::BYTES] = [0; DeviceKey::BYTES];
    let stored = match claim {
        Some(Credential::Hashed(stored)) => Some(stored),
        _ => None,
    };
    let computed = (stored.is_some() || work == Work::Hashing).then(|| {
        memory.argon2id(
            password,
            stored.map_or(&NO_SALT, |stored| &stored.salt),
            key.map_or(&NO_KEY, DeviceKey::expose),
        )
    });
    let right = match claim {
        None => false,
        Some(Credential::Factory) => password.is_factory(),
        Some(Credential::Readable(readable)) => readable.same_as(password),
        Some(Credential::Hashed(stored)) => {
            let same = computed.is_some_and(|hash| hash.ct_eq(&stored.hash).into());
            same && key.is_some_and(|key| key.id() == stored.key)
        }
    };
    match (right, key, stored) {
        (true, ..) => Verdict::Right,
        (false, None, stored) if stored.is_some() || work == Work::Hashing => Verdict::KeyMissing,
        (false, Some(key), Some(stored)) if key.id() != stored.key => Verdict::OtherKey,
        _ => Verdict::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use argon2::ParamsBuilder;

    use super::*;

    fn password(typed: &str) -> Password {
        Password::new(typed).unwrap()
    }

    fn counting_bytes<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|i| from + u8::try_from(i).unwrap())
    }

    /// RFC 9106, 5.3: the one vector with a secret.
    #[test]
    fn b29_keyed_argon2id_is_that_of_the_rfc() {
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(argon2::AssociatedData::new(&[4; 12]).unwrap());
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params.build().unwrap()).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        assert_eq!(hex::encode(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    /// Made with the reference C library (through argon2-cffi's `core`, with `secret` set in its context):
    /// key 00…1f, salt 64…73, Argon2id v=19, m=19456, t=2, p=1, 32 bytes.
    #[test]
    fn b29_our_hashes_are_those_of_the_reference_library() {
        let (key, mut memory) = (DeviceKey::new(&counting_bytes(0)), HashMemory::new());
        for (typed, expected) in [
            ("1234", "ece5eb23f09829a6d28e91a0f05106e0242fd6486cd92559d935db105d0d3ce6"),
            ("aB3$xy", "d68a4d3a99d01e5b4bed1acbac4423c65cf2a8e41bdf80e5fdf2b68c7c4b2c20"),
            ("12345678", "ee03bc65554363468d695c340fdc31be6ed6a99c4fa723020620b59d56e212c4"),
        ] {
            let Credential::Hashed(made) = hash(&password(typed), counting_bytes(100), &key, &mut memory) else {
                panic!("{typed} is hashed");
            };
            assert_eq!(hex::encode(made.hash), expected, "{typed}");
        }
        let stored = hash(&password("1234"), counting_bytes(100), &key, &mut memory).to_stored();
        assert_eq!(
            stored.as_str(),
            "$argon2id$v=19$m=19456,t=2,p=1,keyid=621759ed$ZGVmZ2hpamtsbW5vcHFycw$7OXrI/CYKabSjpGg8FEG4CQv1khs2SVZ2TXbEF0NPOY"
        );
    }

    #[test]
    fn b29_every_check_computes_one_hash_where_the_release_hashes_whoever_is_claimed() {
        let (key, other, mut memory) = (DeviceKey::new(&[1; 32]), DeviceKey::new(&[2; 32]), HashMemory::new());
        let readable = Credential::readable(password("4711")).unwrap();
        let hashed = hash(&password("4711"), [9; 16], &key, &mut memory);
        let (plain, keyed, lost, swapped) = (Work::Plain, Some(&key), None, Some(&other));
        let hashing = Work::Hashing;
        type Row<'a> = (Option<&'a Credential>, &'a str, Option<&'a DeviceKey>, Work, Verdict, u64);
        let rows: &[Row<'_>] = &[
            (None, "4711", keyed, hashing, Verdict::Wrong, 1),
            (None, "0", keyed, hashing, Verdict::Wrong, 1),
            (Some(&Credential::Factory), "0", keyed, hashing, Verdict::Right, 1),
            (Some(&Credential::Factory), "1", keyed, hashing, Verdict::Wrong, 1),
            (Some(&readable), "4711", keyed, hashing, Verdict::Right, 1),
            (Some(&readable), "4712", keyed, hashing, Verdict::Wrong, 1),
            (Some(&hashed), "4711", keyed, hashing, Verdict::Right, 1),
            (Some(&hashed), "4712", keyed, hashing, Verdict::Wrong, 1),
            (Some(&hashed), "", keyed, hashing, Verdict::Wrong, 1),
            // The key is lost, or another one.
            (None, "4711", lost, hashing, Verdict::KeyMissing, 1),
            (Some(&hashed), "4711", lost, hashing, Verdict::KeyMissing, 1),
            (Some(&hashed), "4712", lost, hashing, Verdict::KeyMissing, 1),
            (Some(&Credential::Factory), "0", lost, hashing, Verdict::Right, 1),
            (Some(&Credential::Factory), "1", lost, hashing, Verdict::KeyMissing, 1),
            (Some(&hashed), "4711", swapped, hashing, Verdict::OtherKey, 1),
            // Legacy.
            (None, "4711", lost, plain, Verdict::Wrong, 0),
            (Some(&Credential::Factory), "0", lost, plain, Verdict::Right, 0),
            (Some(&Credential::Factory), "00", lost, plain, Verdict::Wrong, 0),
            (Some(&readable), "4711", lost, plain, Verdict::Right, 0),
            (Some(&readable), "471", lost, plain, Verdict::Wrong, 0),
            (Some(&hashed), "4711", keyed, plain, Verdict::Right, 1),
            (Some(&hashed), "4711", lost, plain, Verdict::KeyMissing, 1),
        ];
        for (claim, typed, key, work, verdict, computed) in rows {
            let before = memory.computations();
            assert_eq!(
                verify(*claim, &password(typed), *key, &mut memory, *work),
                *verdict,
                "{claim:?} {typed} {work:?}"
            );
            assert_eq!(memory.computations() - before, *computed, "{claim:?} {typed} {work:?}");
        }
    }

    #[test]
    fn b29_a_hash_made_with_the_stand_in_key_opens_nothing_when_the_key_is_lost() {
        let (zeros, mut memory) = (DeviceKey::new(&[0; 32]), HashMemory::new());
        let planted = hash(&password("4711"), [0; 16], &zeros, &mut memory);
        let verdict = verify(Some(&planted), &password("4711"), None, &mut memory, Work::Hashing);
        assert_eq!(verdict, Verdict::KeyMissing);
    }

    #[test]
    fn b29_memory_is_bounded_taken_late_and_left_clean() {
        let mut memory = HashMemory::new();
        assert_eq!(hash(&password("0"), [1; 16], &DeviceKey::new(&[1; 32]), &mut memory).kind().name(), "factory");
        assert_eq!((memory.blocks.capacity(), memory.computations()), (0, 0), "a factory zero costs nothing");
        for _ in 0..2 {
            let _ = hash(&password("77"), [1; 16], &DeviceKey::new(&[1; 32]), &mut memory);
            assert_eq!(size_of_val(memory.blocks.as_slice()), HashMemory::BYTES);
            assert_eq!(HashMemory::BYTES, 19 << 20);
            assert!(memory.blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        }
    }

    #[test]
    fn the_same_password_with_another_salt_or_key_is_another_hash() {
        let mut memory = HashMemory::new();
        let mut stored = |salt, key: u8| {
            hash(&password("77"), [salt; 16], &DeviceKey::new(&[key; 32]), &mut memory)
                .to_stored()
                .rsplit('$')
                .next()
                .map(str::to_owned)
        };
        let (one, salted, keyed) = (stored(1, 1), stored(2, 1), stored(1, 2));
        assert!(one != salted && one != keyed && salted != keyed);
    }
}
