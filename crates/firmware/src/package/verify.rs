//! From bytes to a package that may be believed, piece by piece and with bounded memory, whatever comes.
//!
//! Bytes go in, a verdict comes out; where they come from is the caller's. Each step gives a type that only it can
//! make: a front is verified before anything behind it is looked at, each part is digested as it comes, and texts are
//! given out by a [`VerifiedPackage`] alone. What was refused once stays refused.

use super::front::VerifiedFront;
use super::keys::{KeyId, TrustedKey};
use super::manifest::{KeyChanges, PARTS, Target};
use super::outline::{Outline, begins_as_a_package};
use super::{HEADER_BYTES, MAX_KEPT_NOTES_BYTES, PackageError};
use crate::digest::{Sha256Digest, Sha256Stream};
use crate::version::Version;

/// Whom a meter believes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The releases compiled into the program, by [`front_digest`](super::front_digest).
    pub fronts: Vec<Sha256Digest>,
    /// The keys in the meter's own list; empty as made.
    pub keys: Vec<TrustedKey>,
}

/// Why a package was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedBy {
    /// It is a release that the program was built with.
    Digest,
    /// This key of the meter's list signed it.
    Key(KeyId),
}

/// A package while it is being verified. It holds its front, of at most
/// [`MAX_FRONT_BYTES`](super::MAX_FRONT_BYTES), and the parts that a meter uses; the notes only if they are short.
pub struct Verifier<'t> {
    trust: &'t Trust,
    meter: Target<'t>,
    /// Bytes taken in.
    taken: u64,
    whole: Sha256Stream,
    step: Step,
}

/// How far it has come.
enum Step {
    Front(Vec<u8>),
    Parts(Box<Parts>),
    Refused(PackageError),
}

impl<'t> Verifier<'t> {
    /// Nothing has come in yet. `meter` is what the package must be made for.
    pub fn new(trust: &'t Trust, meter: Target<'t>) -> Self {
        Self { trust, meter, taken: 0, whole: Sha256Stream::default(), step: Step::Front(Vec::new()) }
    }

    /// Takes in what comes next, of any length. Fails as soon as the package can't be a good one any more.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), PackageError> {
        while !bytes.is_empty() {
            match self.take(bytes) {
                Ok(taken) => bytes = &bytes[taken..],
                Err(error) => {
                    self.step = Step::Refused(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Takes in the first of some bytes, at least one; says how many.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, PackageError> {
        let taken = match &mut self.step {
            Step::Refused(error) => return Err(error.clone()),
            Step::Parts(parts) => parts.take(bytes)?,
            Step::Front(front) => {
                let wanted = match front.first_chunk() {
                    Some(header) => Outline::read(header)?.front(),
                    None => HEADER_BYTES,
                };
                let (taken, _) = bytes.split_at(bytes.len().min(wanted - front.len()));
                front.extend(taken);
                begins_as_a_package(front)?;
                if let Some(header) = front.first_chunk() {
                    let outline = Outline::read(header)?;
                    if front.len() == outline.front() {
                        let front = VerifiedFront::verify(outline, front, self.trust, self.meter)?;
                        self.step = Step::Parts(Box::new(Parts::of(front)?));
                    }
                }
                taken.len()
            }
        };
        self.taken += taken as u64;
        self.whole.update(&bytes[..taken]);
        Ok(taken)
    }

    /// The front, once it is there: the package is somebody's whom the meter trusts and for this meter.
    pub fn front(&self) -> Option<&VerifiedFront> {
        match &self.step {
            Step::Parts(parts) => Some(&parts.front),
            Step::Front(_) | Step::Refused(_) => None,
        }
    }

    /// Nothing more comes.
    pub fn finish(self) -> Result<VerifiedPackage, PackageError> {
        let missing = |wanted: u64| PackageError::Truncated { missing: wanted.saturating_sub(self.taken) };
        match self.step {
            Step::Refused(error) => Err(error),
            Step::Front(front) => Err(missing(match front.first_chunk() {
                Some(header) => Outline::read(header)?.length,
                None => HEADER_BYTES as u64,
            })),
            Step::Parts(parts) => {
                let length = parts.front.length();
                let Parts { front, done: Some([Some(release_toml), Some(template_dcf), notes_md]), .. } = *parts else {
                    return Err(missing(length));
                };
                Ok(VerifiedPackage { front, digest: self.whole.finish(), release_toml, template_dcf, notes_md })
            }
        }
    }
}

/// Verifies a package that is in memory as a whole.
pub fn verify_package(bytes: &[u8], trust: &Trust, meter: Target<'_>) -> Result<VerifiedPackage, PackageError> {
    let mut verifier = Verifier::new(trust, meter);
    verifier.push(bytes)?;
    verifier.finish()
}

/// The texts of a package's parts; none of one that isn't kept.
type Texts = [Option<String>; PARTS.len()];

/// The parts as they come, held against their front.
struct Parts {
    front: VerifiedFront,
    texts: Texts,
    at: usize,
    part: Body,
    /// The texts, when every part is there.
    done: Option<Texts>,
}

/// One part as it comes.
struct Body {
    left: u64,
    digest: Sha256Digest,
    so_far: Sha256Stream,
    kept: Option<Vec<u8>>,
}

impl Body {
    /// A part of this place. Its length is within its bound; notes that nobody would read on a screen aren't kept.
    fn new(at: usize, (left, digest): (u64, Sha256Digest)) -> Self {
        let is_notes = at + 1 == PARTS.len();
        let kept = (!is_notes || left <= MAX_KEPT_NOTES_BYTES as u64).then(Vec::new);
        Self { left, digest, so_far: Sha256Stream::default(), kept }
    }
}

impl Parts {
    fn of(front: VerifiedFront) -> Result<Self, PackageError> {
        let first = front.part(0).expect("PARTS names at least one");
        let mut parts = Self { front, texts: Texts::default(), at: 0, part: Body::new(0, first), done: None };
        parts.close_what_is_whole()?;
        Ok(parts)
    }

    /// Takes in the first of some bytes, at least one; says how many.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, PackageError> {
        if self.done.is_some() {
            return Err(PackageError::TrailingBytes);
        }
        let most = usize::try_from(self.part.left).unwrap_or(usize::MAX);
        let (taken, _) = bytes.split_at(bytes.len().min(most));
        self.part.so_far.update(taken);
        if let Some(kept) = &mut self.part.kept {
            kept.extend(taken);
        }
        self.part.left -= taken.len() as u64;
        self.close_what_is_whole()?;
        Ok(taken.len())
    }

    /// Compares each part that is there with its digest, and goes on to the next; parts may be empty.
    fn close_what_is_whole(&mut self) -> Result<(), PackageError> {
        while self.part.left == 0 && self.done.is_none() {
            let name = PARTS[self.at];
            if std::mem::take(&mut self.part.so_far).finish() != self.part.digest {
                return Err(PackageError::PartAltered { part: name });
            }
            let text = self.part.kept.take().map(String::from_utf8).transpose();
            self.texts[self.at] = text.map_err(|_| PackageError::NotText { part: name })?;
            self.at += 1;
            match self.front.part(self.at) {
                Some(next) => self.part = Body::new(self.at, next),
                None => self.done = Some(std::mem::take(&mut self.texts)),
            }
        }
        Ok(())
    }
}

/// A package that is whole, for this meter, and from somebody it trusts. Made only by [`Verifier::finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPackage {
    front: VerifiedFront,
    digest: Sha256Digest,
    release_toml: String,
    template_dcf: String,
    notes_md: Option<String>,
}

impl VerifiedPackage {
    /// The release it holds, as its manifest says; [`Self::release_toml`] must say the same.
    pub fn release(&self) -> &Version {
        self.front.release()
    }

    /// SHA-256 of the whole file: what it is stored under.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Why it was believed.
    pub fn trusted_by(&self) -> TrustedBy {
        self.front.trusted_by()
    }

    /// What it wants changed in the meter's list of keys.
    pub fn key_changes(&self) -> &KeyChanges {
        self.front.key_changes()
    }

    /// What the release is, as data.
    pub fn release_toml(&self) -> &str {
        &self.release_toml
    }

    /// The template it brings.
    pub fn template_dcf(&self) -> &str {
        &self.template_dcf
    }

    /// What's new in it, in Markdown, if it has at most [`MAX_KEPT_NOTES_BYTES`].
    pub fn notes_md(&self) -> Option<&str> {
        self.notes_md.as_deref()
    }
}
