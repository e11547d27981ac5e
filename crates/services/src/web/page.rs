//! The pages as HTML. Programs read them: each quantity is one `<tr><td class="l">label</td><td
//! class="v">number unit</td></tr>`, nothing else in a page is a `td`, and what is written into it is escaped
//! by the macro. A page needs no script, no picture and nothing from anywhere else.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use firmware::WebPages;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use meter::View;
use security::{Ask, Path, Right, Who};
use sha2::{Digest, Sha256};

use super::answer::{READINGS, behind_login};
use super::forms::Form;
use super::pages::{Line, Page, Section};
use crate::info::utc_text;

/// How often a page that asks for no login fetches itself anew. (Behind a login it doesn't: a browser left
/// open would log in for ever.)
const REFRESH_SECONDS: u32 = 5;

/// What the pages of a release look like: those with a login as such pages did when they were new.
struct Look {
    style: &'static str,
    /// SHA-256 of the style sheet in Base64, as a content security policy names it.
    digest: String,
}

impl Look {
    fn new(style: &'static str) -> Self {
        Self { style, digest: BASE64.encode(Sha256::digest(style)) }
    }

    fn of(view: &View) -> &'static Self {
        static OPEN: LazyLock<Look> = LazyLock::new(|| Look::new(include_str!("meter.css")));
        static LEGACY: LazyLock<Look> = LazyLock::new(|| Look::new(include_str!("legacy.css")));
        match view.release().web_pages {
            WebPages::ReadOnly => &OPEN,
            WebPages::Login => &LEGACY,
        }
    }
}

/// Where a page may send forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    Nowhere,
    ToItself,
}

/// The policy of the pages: nothing is loaded, run or framed; the one style sheet in the page is let in by its digest.
pub(super) fn policy(view: &View, forms: Forms) -> HeaderValue {
    let style = &Look::of(view).digest;
    let forms = if forms == Forms::ToItself { "'self'" } else { "'none'" };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// A page as somebody sees it on the web; as nobody in particular does, where it is a file.
pub(super) fn page(view: &View, page: Page, seen_by: Option<Who>) -> Markup {
    let body = html! {
        main.operation[page == Page::Operation] {
            @for one in page.sections(view) { (section(&one)) }
            @if let (Page::Setup, true, Some(who)) = (page, behind_login(view), seen_by) { (configuration(view, who)) }
        }
        (footer(view, seen_by.unwrap_or(Who::Nobody)))
    };
    let refresh = (!behind_login(view) && page != Page::Setup).then_some(REFRESH_SECONDS);
    document(view, page.title(), Some(page), refresh, body)
}

/// A page with nothing but a sentence: nothing of the meter that a login should protect.
pub(super) fn notice(view: &View, title: &str, sentence: &str) -> Markup {
    let body = html! {
        main.notice {
            h2 { (title) }
            p { (sentence) "." }
        }
    };
    document(view, title, None, None, body)
}

/// A heading with its lines: quantities as the rows that programs read, everything else as terms and descriptions.
pub(super) fn section(section: &Section) -> Markup {
    let quantities = || {
        section.lines.iter().filter_map(|line| match line {
            Line::Quantity(label, value) => Some((label, value)),
            Line::Text(..) => None,
        })
    };
    let texts = || {
        section.lines.iter().filter_map(|line| match line {
            Line::Text(label, text) => Some((label, text)),
            Line::Quantity(..) => None,
        })
    };
    html! {
        section {
            h2 { (section.title) }
            @if quantities().next().is_some() {
                table {
                    @for (label, value) in quantities() { tr { td.l { (label) } td.v { (value) } } }
                }
            }
            @if texts().next().is_some() {
                dl {
                    @for (label, text) in texts() { div { dt { (label) } dd { (text) } } }
                }
            }
            @if let Some(remark) = section.remark { p.remark { (remark) } }
        }
    }
}

/// The forms that somebody may use, or why there are none.
fn configuration(view: &View, who: Who) -> Markup {
    let may = |form: &Form| view.may(Path::Web, who, form.ask()).is_ok();
    html! {
        section {
            h2 { "Configuration" }
            @match view.may(Path::Web, who, Ask::Do(Right::FullConfig)) {
                Ok(()) => ul { @for form in Form::ALL.iter().filter(|form| may(form)) {
                    li { a href=(relative(form.path())) { (form.title()) } }
                } },
                Err(refusal) => p.remark { (refusal.to_string()) "." },
            }
        }
    }
}

pub(super) fn footer(view: &View, who: Who) -> Markup {
    html! {
        footer {
            @if !behind_login(view) {
                p { "These pages are read-only: the meter is set up with Setup." }
                p { "For programs: " a href=(relative(READINGS)) { "readings.json" } }
            } @else {
                @if who != Who::Nobody { p { "Logged in as " (who) "." } }
                p { "This release sends passwords unencrypted: keep it on a network you trust." }
            }
        }
    }
}

/// All pages lie side by side, on the web as in the file tree.
pub(super) fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
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

/// A whole page, at its place among the pages. One that has none says nothing of the meter but what model it is.
pub(super) fn document(view: &View, title: &str, page: Option<Page>, refresh: Option<u32>, body: Markup) -> Markup {
    let model = &view.release().model;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) @if page.is_some() { " of " (view.identity.serial) } " · " (model) }
                style { (PreEscaped(Look::of(view).style)) }
            }
            body {
                header {
                    div.plate {
                        h1 { (model) }
                        p { "Revenue and power-quality meter" }
                    }
                    @if page.is_some() { (identity(view)) }
                }
                nav {
                    @for one in Page::ALL {
                        a href=(relative(one.path())) aria-current=[(page == Some(one)).then_some("page")] { (one.title()) }
                    }
                }
                (body)
            }
        }
    }
}
