//! What a client has sent and nobody has taken yet: typed bytes, the window's size, what its terminal does,
//! ctrl-C. Filling it never waits, so that a command that waits for room to answer can't keep a face from
//! reading that there is room; it is bounded, and what it drops is told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::editor::Kind;

/// Bytes that wait: commands of a script that is sent faster than it is carried out, or keys pressed while
/// a command runs.
pub(crate) const TYPED_AHEAD: usize = 1 << 20;
/// Bytes are kept in pieces of at least this much room, however small those are that come.
const PIECE: usize = 512;
/// The memory that pieces may hold. One that has no room for what comes is more than half full together with the
/// next; only what a terminal says of itself between two bytes makes them emptier.
const HELD: usize = 2 * TYPED_AHEAD + PIECE;
const CTRL_C: u8 = 3;

/// One client's input.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    news: Notify,
    taken: Notify,
}

#[derive(Default)]
struct State {
    /// Whatever is typed may be a password: a piece never grows beyond its room, and is wiped.
    pieces: VecDeque<Item>,
    waiting: usize,
    overflowed: bool,
    /// The end of a line was among what there was no room for while a command ran.
    line_overflowed: bool,
    window: Option<(u32, u32)>,
    /// A command runs that ctrl-C stops.
    running: bool,
    interrupted: bool,
    /// Nobody is there any more who could stop a command.
    hung_up: bool,
    ended: bool,
}

/// What is taken in the order in which it came.
enum Item {
    Typed(Piece),
    Terminal(Kind),
}

/// What stops a command that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopsBy {
    /// Ctrl-C.
    Key,
    /// Any line as well, where no key comes alone. A return that ended the command itself may have its other half to
    /// come.
    Line { after_return: bool },
}

/// What there is to take.
pub(crate) enum News {
    /// Typed bytes.
    Typed(Piece),
    /// The terminal does this much from here on.
    Terminal(Kind),
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
pub(crate) struct Piece {
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
    /// Bytes have come. Where somebody has a keyboard, ctrl-C among them stops the command that runs.
    pub fn typed(&self, data: &[u8], has_keyboard: bool) {
        self.state().typed(data, has_keyboard);
        self.news.notify_one();
    }

    /// The window has another size.
    pub fn resized(&self, columns: u32, rows: u32) {
        self.state().window = Some((columns, rows));
        self.news.notify_one();
    }

    /// The terminal does this much from here on.
    pub fn terminal(&self, kind: Kind) {
        let mut state = self.state();
        // However often a client thinks better of it, only the last word between two bytes is kept.
        if let Some(Item::Terminal(last)) = state.pieces.back_mut() {
            *last = kind;
        } else {
            state.pieces.push_back(Item::Terminal(kind));
        }
        drop(state);
        self.news.notify_one();
    }

    /// The command that runs is to stop, by other means than a key.
    pub fn interrupt(&self) {
        self.state().interrupt();
        self.news.notify_one();
        self.taken.notify_one();
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.state().ended = true;
        self.news.notify_one();
    }

    /// Nothing more will come, and nobody waits for a command that goes on.
    pub fn hang_up(&self) {
        self.state().hung_up = true;
        self.end();
    }

    /// Returns when what waits holds less memory than this: for faces that can leave their clients' bytes in the
    /// network. While a command runs they can't, or nobody would read what stops it.
    pub async fn has_room(&self, most: usize) {
        while !self.state().takes_more(most) {
            self.taken.notified().await;
        }
    }

    /// The next thing to take, in the order of importance. Dropping the future loses nothing.
    pub async fn next(&self) -> News {
        loop {
            if let Some(news) = self.state().take() {
                self.taken.notify_one();
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
            state.pieces.push_front(Item::Typed(piece));
        }
    }

    /// A command begins or ends: while it runs, ctrl-C is for it.
    pub fn runs(&self, running: bool) {
        let mut state = self.state();
        state.running = running;
        state.interrupted = false;
        state.line_overflowed = false;
        drop(state);
        self.taken.notify_one();
    }

    /// Returns when the command that runs is to stop.
    pub async fn interrupted(&self, by: StopsBy) {
        loop {
            let stops = self.state().stops(by);
            // A line may have been dropped.
            self.taken.notify_one();
            if stops {
                return;
            }
            self.news.notified().await;
        }
    }

    /// The window's newest size, if it has changed.
    pub fn window(&self) -> Option<(u32, u32)> {
        self.state().window.take()
    }

    /// The memory that what was typed holds.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.state().held()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

impl State {
    fn typed(&mut self, mut data: &[u8], has_keyboard: bool) {
        if self.running
            && has_keyboard
            && let Some(at) = data.iter().rposition(|byte| *byte == CTRL_C)
        {
            self.interrupt();
            data = &data[at + 1..];
        }
        if data.is_empty() {
            return;
        }
        if self.waiting + data.len() > TYPED_AHEAD {
            self.overflow(data);
            return;
        }
        if let Some(Item::Typed(last)) = self.pieces.back_mut()
            && last.bytes.capacity() - last.bytes.len() >= data.len()
        {
            last.bytes.extend_from_slice(data);
            self.waiting += data.len();
            return;
        }
        let room = data.len().max(PIECE);
        if self.held() + room > HELD {
            self.overflow(data);
            return;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        bytes.extend_from_slice(data);
        self.waiting += data.len();
        self.pieces.push_back(Item::Typed(Piece { bytes, used: 0 }));
    }

    /// There is no room for these: they are lost, but not what they mean to the command that runs.
    fn overflow(&mut self, data: &[u8]) {
        self.overflowed = true;
        self.line_overflowed |= self.running && data.iter().any(is_end);
    }

    /// The memory that the pieces hold, used or not.
    fn held(&self) -> usize {
        let room = |item: &Item| match item {
            Item::Typed(piece) => piece.bytes.capacity(),
            Item::Terminal(_) => 0,
        };
        self.pieces.iter().map(room).sum()
    }

    fn takes_more(&self, most: usize) -> bool {
        self.running || self.held() < most
    }

    /// What was typed ahead is no longer wanted either.
    fn interrupt(&mut self) {
        self.interrupted = true;
        self.drop_all();
    }

    fn drop_all(&mut self) {
        let kind = self.pieces.drain(..).rev().find(|item| matches!(item, Item::Terminal(_)));
        self.pieces.extend(kind);
        self.waiting = 0;
    }

    fn stops(&mut self, by: StopsBy) -> bool {
        let stopped = self.interrupted || self.hung_up;
        match by {
            StopsBy::Key => stopped,
            StopsBy::Line { after_return } => stopped || self.drop_line(after_return),
        }
    }

    /// Drops what was typed up to the end of a line, if there is one.
    fn drop_line(&mut self, after_return: bool) -> bool {
        if after_return
            && let Some(Item::Typed(first)) = self.pieces.front_mut()
            && matches!(first.left(), [b'\n' | 0, ..])
        {
            first.used(1);
            self.waiting -= 1;
        }
        let has_end = |item: &Item| matches!(item, Item::Typed(piece) if piece.left().iter().any(is_end));
        if !self.pieces.iter().any(has_end) {
            // What waits is the beginning of a line whose end there was no room for.
            let lost = std::mem::take(&mut self.line_overflowed);
            if lost {
                self.drop_all();
            }
            return lost;
        }
        let mut kind = None;
        while let Some(item) = self.pieces.pop_front() {
            let Item::Typed(mut piece) = item else {
                kind = Some(item);
                continue;
            };
            let left = piece.left();
            let end = left.iter().position(is_end);
            // CR LF and CR NUL are one end.
            let rest = end.map(|at| usize::from(left[at] == b'\r' && matches!(left.get(at + 1), Some(b'\n' | 0))));
            let used = end.zip(rest).map_or(left.len(), |(at, rest)| at + 1 + rest);
            self.waiting -= used;
            piece.used(used);
            if end.is_some() {
                if !piece.left().is_empty() {
                    self.pieces.push_front(Item::Typed(piece));
                }
                break;
            }
        }
        kind.into_iter().for_each(|kind| self.pieces.push_front(kind));
        true
    }

    fn take(&mut self) -> Option<News> {
        if let Some((columns, rows)) = self.window.take() {
            return Some(News::Window(columns, rows));
        }
        match self.pieces.pop_front() {
            Some(Item::Typed(piece)) => {
                self.waiting -= piece.left().len();
                return Some(News::Typed(piece));
            }
            Some(Item::Terminal(kind)) => return Some(News::Terminal(kind)),
            None => {}
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
    fn what_is_held_is_bounded_whatever_a_terminal_says_between_two_bytes() {
        let inbox = Inbox::default();
        for _ in 0..3 * HELD / PIECE {
            inbox.typed(b"", true);
            inbox.terminal(Kind::Dumb);
        }
        assert_eq!(inbox.state().pieces.len(), 1);
        assert_eq!(inbox.held(), 0);
        for _ in 0..=HELD / PIECE {
            inbox.typed(b"x", true);
            inbox.terminal(Kind::Dumb);
        }
        let state = inbox.state();
        assert!(state.held() <= HELD && state.pieces.len() <= 2 * HELD / PIECE + 1);
        assert!(state.overflowed);
    }

    #[test]
    fn what_there_is_no_room_for_stops_a_command_all_the_same() {
        let line = StopsBy::Line { after_return: false };
        let full = || {
            let mut state = State { running: true, ..State::default() };
            state.typed(&vec![b'x'; TYPED_AHEAD], true);
            state.typed(b"y", true);
            assert!(!state.stops(line));
            state
        };
        let mut lines = full();
        lines.typed(b"z\r\n", true);
        assert!(!lines.stops(StopsBy::Key));
        assert!(lines.stops(line));
        assert_eq!((lines.waiting, lines.held()), (0, 0));
        assert!(!lines.stops(line), "once");
        let mut keys = full();
        keys.typed(b"z\x03", true);
        assert!(keys.stops(StopsBy::Key));
        assert_eq!((keys.waiting, keys.held()), (0, 0));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_hears_of_it_however_it_came() {
        const MOST: usize = 4 * PIECE;
        let line = StopsBy::Line { after_return: false };
        for way in 0..4 {
            let inbox = Inbox::default();
            inbox.typed(&[b'x'; MOST - 1], true);
            inbox.typed(b"\n", true);
            let frees = async {
                match way {
                    0 => inbox.interrupt(),
                    1 => inbox.interrupted(line).await,
                    2 => inbox.runs(true),
                    _ => drop(inbox.next().await),
                }
            };
            let both = async {
                // The one that waits is asked first.
                tokio::join!(biased; inbox.has_room(MOST), frees)
            };
            let in_time = tokio::time::timeout(std::time::Duration::from_secs(30), both).await;
            assert!(in_time.is_ok(), "way {way}");
        }
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

    #[test]
    fn where_no_key_comes_alone_a_line_stops_a_command_and_nothing_behind_it_is_lost() {
        let mut state = State { running: true, ..State::default() };
        state.typed(b"no end", true);
        let line = StopsBy::Line { after_return: false };
        assert!(!state.stops(line));
        state.pieces.push_back(Item::Terminal(Kind::Usual));
        state.typed(b"\r\nshow\n", true);
        assert!(!state.stops(StopsBy::Key));
        assert!(state.stops(line));
        assert_eq!(state.waiting, b"show\n".len());
        assert!(matches!(state.take(), Some(News::Terminal(Kind::Usual))));
        assert_eq!(typed(&mut state), b"show\n");
        // The other half of the return that ended the command stops nothing.
        state.typed(b"\n", true);
        assert!(!state.stops(StopsBy::Line { after_return: true }));
        assert_eq!(state.waiting, 0);
        state.typed(b"\r\n", true);
        assert!(state.stops(StopsBy::Line { after_return: true }));
    }

    #[tokio::test]
    async fn whoever_has_hung_up_stops_what_goes_on_but_what_was_said_before_is_heard() {
        let inbox = Inbox::default();
        inbox.typed(b"show\n", true);
        inbox.hang_up();
        inbox.runs(true);
        inbox.interrupted(StopsBy::Key).await;
        assert!(matches!(inbox.next().await, News::Typed(_)));
        assert!(matches!(inbox.next().await, News::Ended));
    }
}
