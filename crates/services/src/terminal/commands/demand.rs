//! `demand`: the demand, its maxima and when it was reset; resetting it.

use meter::{Demand, DemandMaximum};
use security::Ask;

use crate::info::utc_text;
use crate::terminal::plain::table;
use crate::terminal::{Desk, Failed, table as commands};

/// Stands for what there isn't yet.
const NOTHING: &str = "-";

pub(in crate::terminal) async fn demand(desk: &Desk, words: &[&str], columns: Option<usize>) -> Result<String, Failed> {
    let width = columns.unwrap_or(usize::MAX);
    match words {
        [] => show(desk, width),
        ["reset"] => {
            let ended = desk.gate(|gate, now, caller| gate.reset_demand(now, caller)).await?;
            Ok(format!("demand is reset; the maxima were\n{}", maxima(&ended, width)))
        }
        _ => Err(commands::usage("demand").into()),
    }
}

fn show(desk: &Desk, width: usize) -> Result<String, Failed> {
    let view = desk.view();
    desk.may(&view, Ask::Read)?;
    let demand = view.demand();
    if demand.demands.is_empty() && demand.maxima.is_empty() {
        return Err("this meter's template has no demand: load one with Sliding Window Demand modules".into());
    }
    let mut rows = vec![["demand", "last", "predicted", "unit", "time left"].map(str::to_owned)];
    rows.extend(demand.demands.iter().map(|one: &Demand| {
        let left = one.left_s.map_or_else(|| NOTHING.to_owned(), |left| format!("{left:.0} s"));
        let value = |value| number(value, one.decimals);
        [one.label.clone(), value(one.value), value(one.predicted), one.unit.to_owned(), left]
    }));
    let mut text = table(&rows, width);
    text.push_str(&maxima(&demand.maxima, width));
    if let Some(resets) = demand.resets {
        let last = demand.last_reset_utc_ms.and_then(utc_text);
        let last = last.map_or_else(String::new, |last| format!(", last {last} UTC"));
        text.push_str(&format!("reset {resets} times{last}\n"));
    }
    Ok(text)
}

fn maxima(maxima: &[DemandMaximum], width: usize) -> String {
    let mut rows = vec![["maximum", "value", "unit", "at (UTC)"].map(str::to_owned)];
    rows.extend(maxima.iter().map(|one| {
        let at = one.utc_ms.and_then(utc_text).unwrap_or_else(|| NOTHING.to_owned());
        [one.label.clone(), number(one.value, one.decimals), one.unit.to_owned(), at]
    }));
    table(&rows, width)
}

fn number(value: Option<f64>, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.decimals$}"))
}
