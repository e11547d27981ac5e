//! A report as one page for browsers, phones and paper: no script, nothing from anywhere else, and all that a meter or
//! a person has written into it escaped by the macro. What differs stands first; words say what colours repeat.

use firmware::report::{Line, Outcome, Report};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::text::printable_lines;

/// The page.
pub fn page(report: &Report) -> String {
    let (facts, notices): (Vec<_>, Vec<_>) = report.lines.iter().partition(|line| line.is_fact());
    let (same, differing): (Vec<_>, Vec<_>) = facts.into_iter().partition(|line| line.same);
    let (class, verdict) = match (report.outcome, report.as_planned) {
        (Outcome::Confirmed, true) => ("good", super::AS_PLANNED),
        (Outcome::Confirmed, false) => ("bad", super::NOT_AS_PLANNED),
        (Outcome::TakenBack, _) => ("bad", super::TAKEN_BACK),
    };
    let about = &report.about;
    let way = super::way(report);
    let title = format!("Change of release of {}", about.serial);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Nothing is loaded or run, whatever should get into it.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(include_str!("report.css"))) }
            }
            body {
                header {
                    p { "Verification report" }
                    h1 { (way) }
                    p { "Meter " (about.serial) }
                }
                main {
                    p.verdict.(class) { (verdict) }
                    @if let Some(reason) = &report.reason { p { (reason) } }
                    @if !differing.is_empty() {
                        h2 { "Not as planned" }
                        (lines(&differing, true))
                    }
                    @if !same.is_empty() {
                        h2 { "As planned" }
                        (lines(&same, false))
                    }
                    @if !report.lines.is_empty() {
                        p { (super::count(report)) }
                    }
                    @if !notices.is_empty() {
                        h2 { (super::NOTICES) }
                        (lines(&notices, false))
                    }
                    h2 { "About this change" }
                    dl {
                        @for (name, fact) in super::about(report) { div { dt { (name) } dd { (fact) } } }
                    }
                }
            }
        }
    };
    // What turns the direction of reading is no markup, so the macro leaves it.
    printable_lines(&page.into_string())
}

fn lines(lines: &[&Line], differing: bool) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "What" }
                    th scope="col" { "Before" }
                    th scope="col" { "Planned" }
                    th scope="col" { @if differing { "FOUND" } @else { "Found" } }
                }
            }
            tbody {
                @for line in lines {
                    tr.differs[differing] {
                        th scope="row" {
                            (line.subject) " "
                            span.about { (line.kind.name()) " · " span class=(line.severity.name()) { (line.severity.name()) } }
                        }
                        td data-name="Before" { (shown(&line.before)) }
                        td data-name="Planned" { (shown(&line.planned)) }
                        td data-name="Found" { (shown(&line.found)) }
                    }
                }
            }
        }
    }
}

fn shown(state: &str) -> &str {
    if state.is_empty() { "–" } else { state }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn b25_a_page_that_holds_what_a_report_says() {
        let page = page(&report());
        for said in
            ["Verification report", "MW-2611A001-01", "4.0.9 → 4.40.1", "USER1", "disabled", super::super::AS_PLANNED]
        {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(!page.contains("Not as planned"));
        assert!(page.contains("3 of 3 lines as planned"), "a notice is no fact");
        let (_, notices) = page.split_once(super::super::NOTICES).unwrap();
        assert!(notices.contains("3.2.30377.02") && notices.contains("data-name=\"Found\">–<"), "{notices}");
    }

    #[test]
    fn b25_whatever_a_meter_says_in_it_runs_nothing_and_loads_nothing() {
        let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>' & \u{202e}";
        let mut attacked = report();
        for text in [
            &mut attacked.user,
            &mut attacked.plan,
            &mut attacked.package,
            &mut attacked.hash_check,
            &mut attacked.about.serial,
            &mut attacked.about.path,
        ] {
            attack.clone_into(text);
        }
        attacked.reason = Some(attack.to_owned());
        attacked.about.peer = Some(attack.to_owned());
        attacked.about.template = Some(attack.to_owned());
        attacked.about.backup = Some(attack.to_owned());
        for line in &mut attacked.lines {
            for text in [&mut line.subject, &mut line.before, &mut line.planned, &mut line.found] {
                attack.clone_into(text);
            }
            line.same = false;
        }
        let page = page(&attacked);
        assert!(page.contains("&lt;script&gt;") && !page.contains('\u{202e}'));
        for tag in ["<script", "<img", "<link", "<iframe", "src=", "href=", "url(", "@import"] {
            let outside = page.replace("src=x onerror", "");
            assert!(!outside.contains(tag), "{tag}");
        }
    }
}
