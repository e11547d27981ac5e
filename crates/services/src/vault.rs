//! The queue in front of the password vault: a few checks at once, a few dozen waiting, and a clear
//! "busy" beyond. A check takes 19 MiB and some 20 ms of a core; without bounds, a flood of logins
//! would take the meter's memory and its processor.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firmware::PasswordStorage;
use security::sealed::{PassphraseKey, SALT_BYTES};
use security::{Credential, Delay, DeviceKey, HashMemory, Password, Queue, StoredError};
use tokio::sync::oneshot;

use crate::site::random;

/// Hashes computed at once: one per core of the small machines that meters run on.
pub const CHECKS_AT_ONCE: usize = 2;
/// Of these, how many are never a stranger's: whoever logs in from where he has before finds a place however many
/// strangers wait.
pub const KEPT_FOR_KNOWN: usize = 1;
/// Logins that wait in each of the two queues. At 20 ms a check the last of them waits under a second.
pub const WAITING: usize = 32;

/// Checks and makes passwords.
#[derive(Default)]
pub struct Vault {
    places: Arc<Places>,
}

/// Who computes and who waits.
#[derive(Default)]
struct Places {
    queues: Mutex<Queues>,
    memories: Mutex<Vec<HashMemory>>,
}

#[derive(Default)]
struct Queues {
    running: usize,
    strangers_running: usize,
    known: VecDeque<oneshot::Sender<Place>>,
    strangers: VecDeque<oneshot::Sender<Place>>,
    /// Whose turn it is at a place that is for both, so that neither queue starves the other.
    strangers_next: bool,
}

/// A turn in the vault. Dropping it lets the next one in.
pub struct Turn {
    place: Place,
}

/// One of the places to compute in, given back when it is dropped, wherever that happens: in the check, in a login
/// that was given up while it waited, or in one that was given up as its turn came.
struct Place {
    places: Arc<Places>,
    queue: Queue,
}

impl Queues {
    fn of(&mut self, queue: Queue) -> &mut VecDeque<oneshot::Sender<Place>> {
        match queue {
            Queue::Known => &mut self.known,
            Queue::Strangers => &mut self.strangers,
        }
    }

    /// Whether somebody of this queue may begin now.
    fn has_place(&self, queue: Queue) -> bool {
        let strangers_full = self.strangers_running >= CHECKS_AT_ONCE - KEPT_FOR_KNOWN;
        self.running < CHECKS_AT_ONCE && !(queue == Queue::Strangers && strangers_full)
    }

    fn take(&mut self, places: &Arc<Places>, queue: Queue) -> Place {
        self.running += 1;
        self.strangers_running += usize::from(queue == Queue::Strangers);
        self.strangers_next = queue == Queue::Known;
        Place { places: Arc::clone(places), queue }
    }

    /// The queue to serve next, if anybody waits who may begin.
    fn next(&self) -> Option<Queue> {
        let waits = |queue: Queue| match queue {
            Queue::Known => !self.known.is_empty(),
            Queue::Strangers => !self.strangers.is_empty(),
        };
        let order =
            if self.strangers_next { [Queue::Strangers, Queue::Known] } else { [Queue::Known, Queue::Strangers] };
        order.into_iter().find(|queue| waits(*queue) && self.has_place(*queue))
    }
}

impl Places {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut given_up = Vec::new();
        let mut queues = self.places.queues();
        queues.running -= 1;
        queues.strangers_running -= usize::from(self.queue == Queue::Strangers);
        while let Some(queue) = queues.next() {
            let Some(waiting) = queues.of(queue).pop_front() else { break };
            if waiting.is_closed() {
                continue;
            }
            let place = queues.take(&self.places, queue);
            // Whoever gives up at this very moment gives the place back; below, when the lock is free.
            given_up.extend(waiting.send(place).err());
        }
        drop(queues);
        drop(given_up);
    }
}

impl Vault {
    /// Waits for a turn. `None` when the queue is full: say so at once rather than let it grow.
    pub async fn wait(&self, delay: &Delay) -> Option<Turn> {
        // Whoever has to wait as a penalty takes no place while waiting; the faces' own limits bound how many
        // wait.
        if delay.millis > 0 {
            tokio::time::sleep(Duration::from_millis(u64::from(delay.millis))).await;
        }
        let turn = {
            let mut queues = self.places.queues();
            if queues.of(delay.queue).is_empty() && queues.has_place(delay.queue) {
                return Some(Turn { place: queues.take(&self.places, delay.queue) });
            }
            let queue = queues.of(delay.queue);
            if queue.len() >= WAITING {
                // Those who hung up while waiting hold nobody's place.
                queue.retain(|waiting| !waiting.is_closed());
            }
            if queue.len() >= WAITING {
                return None;
            }
            let (sender, turn) = oneshot::channel();
            queue.push_back(sender);
            turn
        };
        turn.await.ok().map(|place| Turn { place })
    }

    /// The key of a passphrase, for whoever has been let through the gate.
    pub async fn passphrase_key(
        &self,
        passphrase: Password,
        salt: [u8; SALT_BYTES],
    ) -> Result<PassphraseKey, MakeError> {
        let turn = self.wait(&Delay { millis: 0, queue: Queue::Known }).await.ok_or(MakeError::Busy)?;
        let made = turn.run(move |memory| PassphraseKey::derive(&passphrase, &salt, memory)).await;
        made.ok_or(MakeError::Busy)
    }

    /// The stored form of a new password under a release. Whoever asks has been let through the gate.
    pub async fn make(
        &self,
        password: Password,
        storage: PasswordStorage,
        key: Option<Arc<DeviceKey>>,
    ) -> Result<Credential, MakeError> {
        match storage {
            PasswordStorage::Readable => Ok(Credential::readable(password)?),
            PasswordStorage::Hashed => {
                let key = key.ok_or(MakeError::KeyLost)?;
                let turn = self.wait(&Delay { millis: 0, queue: Queue::Known }).await.ok_or(MakeError::Busy)?;
                let salt = *random();
                turn.run(move |memory| security::vault::hash(&password, salt, &key, memory))
                    .await
                    .ok_or(MakeError::Busy)
            }
        }
    }
}

impl Turn {
    /// Runs a check off the network's threads, in memory of the pool. `None` if it could not run.
    pub async fn run<T: Send + 'static>(self, check: impl FnOnce(&mut HashMemory) -> T + Send + 'static) -> Option<T> {
        // The turn goes with the check: whoever stops waiting for the answer does not let another in early.
        let checked = tokio::task::spawn_blocking(move || {
            let memories = &self.place.places.memories;
            let pooled = memories.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = pooled.unwrap_or_default();
            let result = check(&mut memory);
            memories.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            result
        });
        checked.await.ok()
    }
}

/// Why a password can't be stored.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// No key to hash with.
    #[error("passwords can't be stored without the meter's device key, which is missing")]
    KeyLost,
    /// Too many wait.
    #[error("the meter is busy with logins: try again in a few seconds")]
    Busy,
    /// A form that can't be stored.
    #[error(transparent)]
    Stored(#[from] StoredError),
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    const NOW: fn(Queue) -> Delay = |queue| Delay { millis: 0, queue };

    type Wait = std::pin::Pin<Box<dyn Future<Output = Option<Turn>>>>;

    /// Waits that are looked at and never slept for.
    #[derive(Default)]
    struct Line {
        vault: Arc<Vault>,
        waiting: Vec<(Queue, Wait)>,
        turns: Vec<(Queue, Turn)>,
        busy: usize,
    }

    impl Line {
        fn ask(&mut self, queue: Queue) {
            let vault = Arc::clone(&self.vault);
            self.waiting.push((queue, Box::pin(async move { vault.wait(&NOW(queue)).await })));
            self.look();
        }

        fn look(&mut self) {
            let mut context = Context::from_waker(Waker::noop());
            for (queue, mut wait) in std::mem::take(&mut self.waiting) {
                match wait.as_mut().poll(&mut context) {
                    Poll::Ready(Some(turn)) => self.turns.push((queue, turn)),
                    Poll::Ready(None) => self.busy += 1,
                    Poll::Pending => self.waiting.push((queue, wait)),
                }
            }
        }

        fn finish(&mut self, at: usize) {
            drop(self.turns.remove(at));
            self.look();
        }

        fn running(&self, queue: Queue) -> usize {
            self.turns.iter().filter(|(one, _)| *one == queue).count()
        }
    }

    #[test]
    fn however_many_strangers_wait_a_known_login_has_its_place_at_once() {
        let mut line = Line::default();
        for _ in 0..WAITING + 20 {
            line.ask(Queue::Strangers);
        }
        assert_eq!((line.running(Queue::Strangers), line.waiting.len(), line.busy), (1, WAITING, 19));
        line.ask(Queue::Known);
        assert_eq!(line.running(Queue::Known), 1, "it waits for nobody");
        line.ask(Queue::Known);
        assert_eq!(line.running(Queue::Known), 1);
        line.finish(0);
        assert_eq!(line.running(Queue::Known) + line.running(Queue::Strangers), CHECKS_AT_ONCE);
    }

    #[test]
    fn known_logins_without_end_leave_strangers_every_other_turn() {
        let mut line = Line::default();
        for _ in 0..10 {
            line.ask(Queue::Known);
            line.ask(Queue::Strangers);
        }
        let mut served = Vec::new();
        while !line.turns.is_empty() {
            served.push(line.turns[0].0);
            line.finish(0);
        }
        let strangers = served.iter().take(10).filter(|queue| **queue == Queue::Strangers).count();
        assert!(strangers >= 4, "{served:?}");
        assert_eq!(served.len(), 20);
    }

    #[test]
    fn who_hangs_up_while_waiting_holds_no_place_and_a_turn_that_came_too_late_goes_on_to_the_next() {
        let mut line = Line::default();
        for _ in 0..=WAITING {
            line.ask(Queue::Strangers);
        }
        line.waiting.clear();
        line.ask(Queue::Strangers);
        assert_eq!(line.busy, 0, "the queue has room again");
        // Given a turn, and dropped before it has looked.
        drop(line.turns.remove(0));
        line.waiting.clear();
        line.ask(Queue::Strangers);
        assert_eq!(line.turns.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_penalty_is_waited_out_before_the_queue() {
        let vault = Vault::default();
        let start = tokio::time::Instant::now();
        let turn = vault.wait(&Delay { millis: 15_000, queue: Queue::Strangers }).await;
        assert!(turn.is_some() && start.elapsed() == Duration::from_secs(15));
    }

    #[tokio::test]
    async fn a_check_whose_asker_is_gone_keeps_its_place_until_it_is_over() {
        let vault = Vault::default();
        let turn = vault.wait(&NOW(Queue::Strangers)).await.unwrap();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        {
            let mut asked = pin!(turn.run(move |_| ends.recv()));
            assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let stranger = NOW(Queue::Strangers);
        let mut next = pin!(vault.wait(&stranger));
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        end.send(()).unwrap();
        assert!(next.await.is_some());
    }

    proptest! {
        #[test]
        fn places_are_never_too_many_nor_lost(steps in prop::collection::vec((0u8..5, any::<prop::sample::Index>()), 0..200)) {
            let mut line = Line::default();
            for (step, at) in steps {
                match step {
                    0 => line.ask(Queue::Known),
                    1 => line.ask(Queue::Strangers),
                    2 if !line.waiting.is_empty() => drop(line.waiting.remove(at.index(line.waiting.len()))),
                    _ if !line.turns.is_empty() => line.finish(at.index(line.turns.len())),
                    _ => {}
                }
                prop_assert!(line.turns.len() <= CHECKS_AT_ONCE);
                prop_assert!(line.running(Queue::Strangers) <= CHECKS_AT_ONCE - KEPT_FOR_KNOWN);
            }
            line.waiting.clear();
            line.turns.clear();
            for _ in 0..CHECKS_AT_ONCE {
                line.ask(Queue::Known);
            }
            prop_assert_eq!(line.turns.len(), CHECKS_AT_ONCE);
        }
    }
}
