//! Data recorders as every face tells of them: the meter's own types made into those of the wire.

use jiff::Timestamp;
use meter::{Epoch, IntervalRecord, Recorder, Source};

/// A recorder without what takes reading its records.
pub(crate) fn recorder(recorder: &Recorder, epochs: Vec<api::Epoch>) -> api::Recorder {
    let Recorder { module, label, depth, .. } = recorder;
    api::Recorder { recorder: *module, label: label.clone(), depth: *depth, epochs }
}

/// An epoch; when its oldest and newest records were is told by `utc_ms`.
pub(crate) fn epoch<E>(epoch: &Epoch, mut utc_ms: impl FnMut(u64) -> Result<Option<i64>, E>) -> Result<api::Epoch, E> {
    let mut ends = |number: Option<u64>| {
        let Some(number) = number else { return Ok(None) };
        Ok(utc_ms(number)?.map(|utc_ms| api::Ends { number, utc_ms }))
    };
    Ok(api::Epoch {
        epoch: epoch.number,
        open: epoch.closed_utc_ms.is_none(),
        period_s: epoch.period_s,
        records: count(epoch),
        oldest: ends(epoch.first)?,
        newest: ends(epoch.last)?,
        opened_utc_ms: epoch.opened_utc_ms,
        closed_utc_ms: epoch.closed_utc_ms,
        sources: sources(epoch),
    })
}

/// How many records an epoch has; none is missing between the oldest and the newest.
pub(crate) fn count(epoch: &Epoch) -> u64 {
    epoch.first.zip(epoch.last).map_or(0, |(first, last)| last - first + 1)
}

pub(crate) fn sources(epoch: &Epoch) -> Vec<api::RecordSource> {
    let source = |Source { register, label, unit, decimals }: &Source| api::RecordSource {
        label: label.clone(),
        register: register.to_string(),
        unit: unit.clone(),
        decimals: *decimals,
    };
    epoch.sources.iter().map(source).collect()
}

pub(crate) fn record(record: IntervalRecord) -> api::Record {
    let IntervalRecord { number, utc_ms, status, values } = record;
    api::Record { number, utc_ms, status: status.words().map(str::to_owned).collect(), values }
}

/// A time as CSV files have it: ISO 8601, to the millisecond. One that no calendar has is shown as the number it is.
pub(crate) fn iso_time(utc_ms: i64) -> String {
    Timestamp::from_millisecond(utc_ms).map_or_else(|_| utc_ms.to_string(), |time| format!("{time:.3}"))
}
