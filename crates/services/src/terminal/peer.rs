//! Whoever typed a command, as the commands meet them: text goes out, further questions are answered.
//! Channels, prompts, echoes and line ends are the faces' business.

use zeroize::Zeroizing;

/// The client is gone: there is nobody to talk to any more.
#[derive(Debug, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// One end of a conversation. Text has line feeds and nothing else in it that isn't a printable character;
/// the implementations see to that.
pub(crate) trait Peer {
    /// The columns of a window; none where there is no window, so that nothing is folded.
    fn columns(&self) -> Option<usize>;

    /// Whether somebody sits there who can be asked twice.
    fn is_person(&self) -> bool;

    /// Says what a command has done.
    fn say(&mut self, text: &str) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Says why a command wasn't done.
    fn refuse(&mut self, sentence: &str) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Asks for a line; none where it was given up.
    fn answer(&mut self, question: &str) -> impl Future<Output = Result<Option<String>, Gone>> + Send;

    /// Asks for a password, which is shown nowhere; none where it was given up.
    fn secret(&mut self, question: &str) -> impl Future<Output = Result<Option<Zeroizing<Vec<u8>>>, Gone>> + Send;

    /// Returns when a command that goes on is to stop.
    fn interrupted(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;
}
