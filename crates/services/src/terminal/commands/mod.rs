//! What each command does: words into a question to the gate, the gate's answer into text.

pub(super) mod clock;
pub(super) mod connections;
pub(super) mod demand;
pub(super) mod info;
pub(super) mod log;
pub(super) mod passwd;
mod plan;
pub(super) mod records;
pub(super) mod set;
pub(super) mod show;
pub(super) mod upgrade;
pub(super) mod users;

/// Takes a flag out of a command's words; whether it was there.
fn flag(words: &mut Vec<&str>, flag: &str) -> bool {
    let before = words.len();
    words.retain(|word| *word != flag);
    words.len() < before
}
