//! The event log: more of it than one answer holds, and whether it is as it was written.

use api::routes;

use super::Client;
use crate::error::SetupError;

/// Events that one answer holds at most.
const PAGE: usize = 500;

/// Which part of the log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From this number on, at most so many.
    From(u64, usize),
    /// The newest, so many.
    Newest(usize),
}

impl Client {
    /// A part of the log, the oldest first, asked for in pages.
    pub async fn log(&mut self, part: Part) -> Result<api::Events, SetupError> {
        let (mut log, wanted) = match part {
            Part::From(from, count) => (api::Events { events: Vec::new(), next: from }, count),
            Part::Newest(count) => {
                let newest = self.events(None, Some(count.min(PAGE))).await?;
                if count <= PAGE {
                    return Ok(newest);
                }
                (api::Events { events: Vec::new(), next: newest.next.saturating_sub(count as u64) }, count)
            }
        };
        while log.events.len() < wanted {
            let page = self.events(Some(log.next), Some(PAGE.min(wanted - log.events.len()))).await?;
            if page.events.is_empty() {
                break;
            }
            if page.next <= log.next {
                return Err(SetupError::Answer("the events after some of the log are those before".to_owned()));
            }
            log.next = page.next;
            log.events.extend(page.events);
        }
        Ok(log)
    }

    /// Has the meter look through its whole log for what isn't as it was logged.
    pub async fn verify_log(&mut self) -> Result<api::LogVerified, SetupError> {
        self.get(routes::EVENTS_VERIFY).await
    }
}
