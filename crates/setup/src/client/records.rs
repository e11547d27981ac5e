//! Data recorders: what there is of them, and pages of their records.

use api::routes;

use super::{Client, queried};
use crate::error::SetupError;

/// Which records of a recorder are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// n of Data Recorder n.
    pub recorder: u8,
    /// Of this epoch instead of the open one.
    pub epoch: Option<u32>,
    /// The newest, so many.
    pub last: Option<u64>,
    /// What ended at this time or after it, UTC, in milliseconds since 1970.
    pub since_utc_ms: Option<i64>,
    /// What ended at this time or before it.
    pub until_utc_ms: Option<i64>,
}

impl Client {
    /// The data recorders with their epochs.
    pub async fn recorders(&mut self) -> Result<api::Recorders, SetupError> {
        self.get(routes::RECORDERS).await
    }

    /// A page of records: the first one, or the one that begins where another has said that the next one does.
    pub async fn records(&mut self, wanted: &Wanted, from: Option<u64>) -> Result<api::Records, SetupError> {
        let Wanted { recorder, epoch, last, since_utc_ms, until_utc_ms } = *wanted;
        // Newer ones may have come since the first page: it goes on from where that ended.
        let last = last.filter(|_| from.is_none());
        let options = [
            ("epoch", epoch.map(|epoch| epoch.to_string())),
            ("from", from.map(|from| from.to_string())),
            ("last", last.map(|last| last.to_string())),
            ("since", since_utc_ms.map(|since| since.to_string())),
            ("until", until_utc_ms.map(|until| until.to_string())),
        ];
        let options = options.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let query: Vec<_> = std::iter::once(("recorder", recorder.to_string())).chain(options).collect();
        self.get(&queried(routes::RECORDS, &query)).await
    }
}
