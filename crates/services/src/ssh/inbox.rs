//! What a client has sent and nobody has taken yet: typed bytes, the window's size, ctrl-C. Filling it
//! never waits, so that a command that waits for room to answer can't keep the library from reading
//! that there is room; it is bounded, and what it drops is told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use russh::{ChannelMsg, ChannelReadHalf, Sig};
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// Bytes that wait: commands of a script that is sent faster than it is carried out, or keys pressed while
/// a command runs.
pub(super) const TYPED_AHEAD: usize = 1 << 20;
/// Bytes are kept in pieces of at least this much room, however small those are that come.
const PIECE: usize = 4096;
const CTRL_C: u8 = 3;

/// One channel's input.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Whatever is typed may be a password: a piece never grows beyond its room, and is wiped.
    pieces: VecDeque<Piece>,
    waiting: usize,
    overflowed: bool,
    window: Option<(u32, u32)>,
    /// A command runs that ctrl-C stops.
    running: bool,
    interrupted: bool,
    ended: bool,
}

/// What there is to take.
pub(super) enum News {
    /// Typed bytes.
    Typed(Piece),
    /// The window has so many columns and rows now.
    Window(u32, u32),
    /// More was sent than there was room for; it is lost.
    Overflowed,
    /// Nothing more will come.
    Ended,
}

/// Bytes that came together, and how many of them have been used. What is used up is not copied away: a piece of
/// nothing but line ends would be copied once for each.
#[derive(Default)]
pub(super) struct Piece {
    bytes: Zeroizing<Vec<u8>>,
    used: usize,
}

impl Piece {
    /// What hasn't been used.
    pub fn left(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// So many more have been used.
    pub fn used(&mut self, count: usize) {
        self.used = self.bytes.len().min(self.used + count);
    }
}

impl Inbox {
    /// Takes every message of a channel until the client closes it.
    pub async fn fill(&self, mut messages: ChannelReadHalf, watches_keys: bool) {
        while let Some(message) = messages.wait().await {
            match message {
                ChannelMsg::Data { data } => self.state().typed(&data, watches_keys),
                ChannelMsg::WindowChange { col_width, row_height, .. } => {
                    self.state().window = Some((col_width, row_height));
                }
                ChannelMsg::Signal { signal: Sig::INT } => self.state().interrupt(),
                ChannelMsg::Eof => self.state().ended = true,
                ChannelMsg::Close => return,
                _ => continue,
            }
            self.news.notify_one();
        }
    }

    /// The next thing to take, in the order of importance. Dropping the future loses nothing.
    pub async fn next(&self) -> News {
        loop {
            if let Some(news) = self.state().take() {
                return news;
            }
            self.news.notified().await;
        }
    }

    /// Gives back what was taken and not used.
    pub fn give_back(&self, piece: Piece) {
        if !piece.left().is_empty() {
            let mut state = self.state();
            state.waiting += piece.left().len();
            state.pieces.push_front(piece);
        }
    }

    /// Takes what a client has sent.
    #[cfg(test)]
    pub fn send(&self, data: &[u8]) {
        self.state().typed(data, false);
        self.news.notify_one();
    }

    /// A command begins or ends: while it runs, ctrl-C is for it.
    pub fn runs(&self, running: bool) {
        let mut state = self.state();
        state.running = running;
        state.interrupted = false;
    }

    /// Returns when ctrl-C was typed while a command runs.
    pub async fn interrupted(&self) {
        loop {
            if self.state().interrupted {
                return;
            }
            self.news.notified().await;
        }
    }

    /// The window's newest size, if it has changed.
    pub fn window(&self) -> Option<(u32, u32)> {
        self.state().window.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn typed(&mut self, mut data: &[u8], watches_keys: bool) {
        if self.running
            && watches_keys
            && let Some(at) = data.iter().rposition(|byte| *byte == CTRL_C)
        {
            self.interrupt();
            data = &data[at + 1..];
        }
        if self.waiting + data.len() > TYPED_AHEAD {
            self.overflowed = true;
            return;
        }
        self.waiting += data.len();
        if let Some(last) = self.pieces.back_mut()
            && last.bytes.capacity() - last.bytes.len() >= data.len()
        {
            last.bytes.extend_from_slice(data);
            return;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(data.len().max(PIECE)));
        bytes.extend_from_slice(data);
        self.pieces.push_back(Piece { bytes, used: 0 });
    }

    /// What was typed ahead is no longer wanted either.
    fn interrupt(&mut self) {
        self.interrupted = true;
        self.pieces.clear();
        self.waiting = 0;
    }

    fn take(&mut self) -> Option<News> {
        if let Some((columns, rows)) = self.window.take() {
            return Some(News::Window(columns, rows));
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.waiting -= piece.left().len();
            return Some(News::Typed(piece));
        }
        if std::mem::take(&mut self.overflowed) {
            return Some(News::Overflowed);
        }
        self.ended.then_some(News::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(state: &mut State) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(News::Typed(piece)) = state.take() {
            all.extend_from_slice(piece.left());
        }
        all
    }

    #[test]
    fn what_waits_is_bounded_however_small_the_pieces_are() {
        let mut state = State::default();
        for _ in 0..2 * TYPED_AHEAD {
            state.typed(b"x", true);
        }
        assert_eq!(state.waiting, TYPED_AHEAD);
        assert!(state.pieces.len() <= TYPED_AHEAD / PIECE);
        assert_eq!(typed(&mut state).len(), TYPED_AHEAD);
        assert!(state.waiting == 0);
    }

    #[test]
    fn overflow_is_told_after_what_came_before_it_and_the_end_comes_last() {
        let mut state = State { ended: true, ..State::default() };
        state.typed(&vec![b'x'; TYPED_AHEAD], false);
        state.typed(b"y", false);
        assert!(matches!(state.take(), Some(News::Typed(_))));
        assert!(matches!(state.take(), Some(News::Overflowed)));
        assert!(matches!(state.take(), Some(News::Ended)));
    }

    #[test]
    fn ctrl_c_is_for_the_command_that_runs_and_drops_what_was_typed_ahead() {
        let mut state = State { running: true, ..State::default() };
        state.typed(b"show\r", true);
        state.typed(b"set a 1\r\x03info\r", true);
        assert!(state.interrupted);
        assert_eq!(typed(&mut state), b"info\r");
        let mut at_rest = State::default();
        at_rest.typed(b"a\x03b", true);
        assert!(!at_rest.interrupted);
        assert_eq!(typed(&mut at_rest), b"a\x03b");
        let mut file = State { running: true, ..State::default() };
        file.typed(b"a\x03b", false);
        assert!(!file.interrupted);
    }
}
