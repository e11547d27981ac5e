//! The pages as HTML. Programs read them: each quantity is one `<tr><td class="l">label</td><td
//! class="v">number unit</td></tr>`, nothing else in a page is a `td`, and what is written into it is escaped
//! by the macro. A page needs no script, no picture and nothing from anywhere else.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use firmware::WebPages;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use meter::View;
use security::Who;
use sha2::{Digest, Sha256};

use super::answer::READINGS;
use super::quantities::{GROUPS, Group};
use crate::info::utc_text;

const STYLE: &str = include_str!("meter.css");
/// How often a page that asks for no login fetches itself anew. (Behind a login it doesn't: a browser left
/// open would log in for ever.)
const REFRESH_SECONDS: u32 = 5;

/// SHA-256 of the style sheet in Base64, as a content security policy names it.
pub(super) fn style_digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| BASE64.encode(Sha256::digest(STYLE)));
    &DIGEST
}

/// `/Operation.html`.
pub(super) fn operation(view: &View, who: Who) -> Markup {
    let open = view.release().web_pages == WebPages::ReadOnly;
    let body = html! {
        main {
            @for group in &GROUPS { (table(view, group)) }
        }
        footer {
            @if open {
                p { "These pages are read-only: the meter is set up with Setup." }
                p { "For programs: " a href=(READINGS) { "readings.json" } }
            } @else {
                @if who != Who::Nobody { p { "Logged in as " (who) "." } }
                p { "This release sends passwords unencrypted: keep it on a network you trust." }
            }
        }
    };
    let title = format!("Operation of {}", view.identity.serial);
    document(view, &title, open.then_some(REFRESH_SECONDS), identity(view), body)
}

/// A page with nothing but a sentence: nothing of the meter that a login should protect.
pub(super) fn notice(view: &View, title: &str, sentence: &str) -> Markup {
    let body = html! {
        main.notice {
            h2 { (title) }
            p { (sentence) "." }
        }
    };
    document(view, title, None, html! {}, body)
}

fn table(view: &View, group: &Group) -> Markup {
    html! {
        section {
            h2 { (group.title) }
            table {
                @for row in group.rows {
                    tr { td.l { (row.label) } td.v { (row.reading(&view.readings)) } }
                }
            }
        }
    }
}

fn identity(view: &View) -> Markup {
    let time = utc_text(view.readings.utc_ms);
    html! {
        dl {
            div { dt { "Serial" } dd { (view.identity.serial) } }
            div { dt { "Release" } dd { (view.release().release) } }
            div { dt { "Source" } dd { (view.identity.source) } }
            div { dt { "Readings of (UTC)" } dd { (time.as_deref().unwrap_or("none yet")) } }
        }
    }
}

fn document(view: &View, title: &str, refresh: Option<u32>, details: Markup, body: Markup) -> Markup {
    let model = &view.release().model;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) " · " (model) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    div.plate {
                        h1 { (model) }
                        p { "Revenue and power-quality meter" }
                    }
                    (details)
                }
                (body)
            }
        }
    }
}
