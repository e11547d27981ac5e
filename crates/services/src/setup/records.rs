//! Data recorders: what there is of them, and pages of their records.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use meter::{Caller, GateError, MAX_RECORDS_PER_READ, Recorder};

use super::Connection;
use super::asked::{Asker, Queried};
use super::refused::Refused;
use crate::{Site, records as told};

/// Records looked at for one answer: whoever asks for a time that nothing ended in gets an empty page, and asks on from
/// its end.
const LOOKED_AT: usize = 10 * MAX_RECORDS_PER_READ;

pub(super) async fn recorders(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
) -> Result<Json<api::Recorders>, Refused> {
    let list = connection.gate(move |site| all(site, &caller)).await?;
    Ok(Json(list))
}

fn all(site: &Site, caller: &Caller) -> Result<api::Recorders, GateError> {
    let list = site.gate.recorders(caller)?;
    let recorder = |recorder: &Recorder| {
        let epoch = |epoch: &meter::Epoch| {
            told::epoch(epoch, |number| {
                let found = site.gate.interval_records(caller, recorder.module, Some(epoch.number), number, 1);
                match found {
                    // It has made room since the list was made.
                    Err(GateError::NoRecords { .. }) => Ok(None),
                    found => Ok(found?.first().map(|record| record.utc_ms)),
                }
            })
        };
        let epochs = recorder.epochs.iter().map(epoch).collect::<Result<_, GateError>>()?;
        Ok(told::recorder(recorder, epochs))
    };
    Ok(api::Recorders { recorders: list.iter().map(recorder).collect::<Result<_, GateError>>()? })
}

/// Which records are asked for.
struct Asked {
    recorder: u8,
    epoch: Option<u32>,
    from: Option<u64>,
    last: Option<u64>,
    limit: usize,
    since_utc_ms: i64,
    until_utc_ms: i64,
}

impl Asked {
    fn read(asked: &Queried) -> Result<Self, Refused> {
        let number = asked.number("recorder")?.ok_or_else(|| Refused::request("recorder is missing"))?;
        // One that is too large names no recorder either.
        let recorder = u8::try_from(number).unwrap_or(u8::MAX);
        let epoch = asked.number("epoch")?.map(|epoch| u32::try_from(epoch).unwrap_or(u32::MAX));
        let most = api::MOST_RECORDS;
        let limit = asked.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(most);
        let time = |key: &'static str, otherwise| match asked.all(key).last() {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| Refused::request(format!("{key} is a number of milliseconds"))),
        };
        Ok(Self {
            recorder,
            epoch,
            from: asked.number("from")?,
            last: asked.number("last")?,
            limit: limit.clamp(1, most),
            since_utc_ms: time("since", i64::MIN)?,
            until_utc_ms: time("until", i64::MAX)?,
        })
    }
}

pub(super) async fn records(
    State(connection): State<Arc<Connection>>,
    Asker(caller): Asker,
    asked: Queried,
) -> Result<Json<api::Records>, Refused> {
    let asked = Asked::read(&asked)?;
    Ok(Json(connection.gate(move |site| page(site, &caller, &asked)).await?))
}

fn page(site: &Site, caller: &Caller, asked: &Asked) -> Result<api::Records, GateError> {
    let Asked { recorder, epoch, .. } = *asked;
    let list = site.gate.recorders(caller)?;
    let missing = || GateError::NoRecords { recorder, epoch };
    let known = list.iter().find(|known| known.module == recorder).ok_or_else(missing)?;
    let found = known.epoch(epoch).ok_or_else(missing)?;
    let end = found.last.map_or(0, |last| last + 1);
    let newest = asked.last.map(|last| end.saturating_sub(last));
    let mut from = asked.from.max(newest).max(found.first).unwrap_or(0);
    let mut records = Vec::new();
    let mut looked_at = 0;
    while from < end && records.len() < asked.limit && looked_at < LOOKED_AT {
        let some = site.gate.interval_records(caller, recorder, Some(found.number), from, MAX_RECORDS_PER_READ)?;
        let Some(last) = some.last() else { break };
        (from, looked_at) = (last.number + 1, looked_at + some.len());
        let wanted = |utc_ms| (asked.since_utc_ms..=asked.until_utc_ms).contains(&utc_ms);
        let mut wanted = some.into_iter().filter(|record| record.number < end && wanted(record.utc_ms));
        records.extend(wanted.by_ref().take(asked.limit - records.len()).map(told::record));
        if let Some(next) = wanted.next() {
            from = next.number;
        }
    }
    Ok(api::Records {
        recorder,
        label: known.label.clone(),
        epoch: found.number,
        open: found.closed_utc_ms.is_none(),
        period_s: found.period_s,
        sources: told::sources(found),
        records,
        next: (from < end).then_some(from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    fn asked(recorder: u8) -> Asked {
        let (since_utc_ms, until_utc_ms) = (i64::MIN, i64::MAX);
        Asked { recorder, epoch: None, from: None, last: None, limit: 500, since_utc_ms, until_utc_ms }
    }

    fn numbers(page: &api::Records) -> Vec<u64> {
        page.records.iter().map(|record| record.number).collect()
    }

    #[test]
    fn pages_follow_each_other_to_the_end_and_times_leave_out_the_rest() {
        let bench = Bench::new("4.40.1");
        bench.set(&[("Periodic Timer 1/Period", "1")]);
        (0..21).for_each(|_| bench.tick(1000));
        let ask = |asked: &Asked| page(&bench.site, &Caller::meter(), asked).unwrap();
        let whole = ask(&asked(1));
        assert_eq!((whole.records.len(), whole.next), (20, None), "{:?}", numbers(&whole));
        let first = ask(&Asked { limit: 12, ..asked(1) });
        assert_eq!((numbers(&first).len(), first.next), (12, Some(13)));
        let second = ask(&Asked { limit: 12, from: first.next, ..asked(1) });
        assert_eq!((numbers(&second), second.next), ((13..=20).collect(), None));
        assert_eq!(numbers(&ask(&Asked { last: Some(3), ..asked(1) })), [18, 19, 20]);
        assert_eq!(numbers(&ask(&Asked { last: Some(99), ..asked(1) })).len(), 20);
        let (since_utc_ms, until_utc_ms) = (whole.records[4].utc_ms, whole.records[7].utc_ms);
        let times = Asked { since_utc_ms, until_utc_ms, ..asked(1) };
        assert_eq!(numbers(&ask(&times)), [5, 6, 7, 8]);
        let some = ask(&Asked { limit: 3, ..times });
        assert_eq!((numbers(&some), some.next), (vec![5, 6, 7], Some(8)));
        for odd in [Asked { from: Some(u64::MAX), ..asked(1) }, Asked { last: Some(0), ..asked(1) }] {
            assert_eq!((numbers(&ask(&odd)), ask(&odd).next), (vec![], None));
        }
        for missing in [asked(9), Asked { epoch: Some(3), ..asked(1) }] {
            let refused = page(&bench.site, &Caller::meter(), &missing);
            assert!(matches!(refused, Err(GateError::NoRecords { .. })), "{refused:?}");
        }
    }

    #[test]
    fn closed_epochs_are_listed_with_when_their_records_were() {
        let bench = Bench::new("4.40.1");
        bench.set(&[("Periodic Timer 1/Period", "1")]);
        (0..6).for_each(|_| bench.tick(1000));
        bench.set(&[("Data Recorder 1/Depth", "100")]);
        let list = all(&bench.site, &Caller::meter()).unwrap();
        let recorder = &list.recorders[0];
        assert_eq!((recorder.recorder, recorder.label.as_str(), recorder.depth), (1, "Revenue Log", 100));
        let [closed, open] = &recorder.epochs[..] else { panic!("{recorder:?}") };
        assert_eq!((closed.records, closed.open, open.records, open.open), (5, false, 0, true));
        let (oldest, newest) = (closed.oldest.unwrap(), closed.newest.unwrap());
        assert_eq!((oldest.number, newest.number, newest.utc_ms - oldest.utc_ms), (1, 5, 4000));
        assert_eq!((open.oldest, closed.sources.len(), closed.sources[0].unit.as_str()), (None, 12, "kWh"));
        let page = page(&bench.site, &Caller::meter(), &Asked { epoch: Some(2), ..asked(1) }).unwrap();
        assert_eq!((page.records.len(), page.open), (5, false));
    }
}
