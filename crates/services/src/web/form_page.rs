//! The pages with forms as HTML: what a form sets and what it holds now, beside each field what it takes and what is
//! wrong with what was typed, and after a change what has changed. Whatever came from a person is escaped by the macro.

use std::collections::BTreeMap;

use framework::{Range, RegisterName, SetupRegister, TemplateError, Value};
use maud::{Markup, html};
use meter::{Edited, View};
use security::Who;

use super::forms::{Form, Module};
use super::page::{document, footer, relative, section};
use super::pages::{Page, maxima};

/// The field that says as of which state of the meter a form was shown.
pub(super) const STATE: &str = "state";
/// The field with the form's mark.
pub(super) const MARK: &str = "mark";

/// What came of a form.
#[derive(Default)]
pub(super) enum Outcome {
    /// It is shown for the first time.
    #[default]
    Shown,
    /// Nothing was done, in a sentence of whoever decided.
    Refused(String),
    /// Nothing was different.
    Same,
    /// It was done.
    Changed(Edited, Vec<String>),
    /// The demand was reset.
    Reset,
}

/// A form as it is to be shown.
pub(super) struct Shown<'a> {
    pub form: Form,
    pub who: Who,
    /// As of which state of the meter, and the mark for it.
    pub state: String,
    pub mark: String,
    /// What was typed, where something was.
    pub typed: &'a BTreeMap<RegisterName, String>,
    pub outcome: Outcome,
}

/// The page.
pub(super) fn form_page(view: &View, shown: &Shown<'_>) -> Markup {
    let Shown { form, who, state, mark, typed, outcome } = shown;
    let modules = form.modules(view);
    let body = html! {
        main.form {
            h2 { (form.title()) }
            (told(outcome))
            form method="post" action=(relative(form.path())) autocomplete="off" {
                input type="hidden" name=(STATE) value=(state);
                input type="hidden" name=(MARK) value=(mark);
                @if *form == Form::DemandReset {
                    (section(&maxima(&view.demand())))
                    p { "A reset begins the maxima anew and is counted. What they were stays in the event log." }
                    button type="submit" { "Reset demand" }
                } @else {
                    @for (at, module) in modules.iter().enumerate() { (fieldset(at, module, typed)) }
                    button type="submit" { "Save" }
                }
            }
            p { a href="Setup.html" { "Back to Setup" } }
        }
        (footer(view, *who))
    };
    document(view, form.title(), Some(Page::Setup), None, body)
}

fn told(outcome: &Outcome) -> Markup {
    html! {
        @match outcome {
            Outcome::Shown => {}
            Outcome::Refused(why) => p.wrong role="alert" { (why) "." },
            Outcome::Same => p.done { "Nothing is different: the registers had these values." },
            Outcome::Reset => p.done { "The demand is reset." },
            Outcome::Changed(edited, remarks) => {
                p.done { "Saved." }
                ul.done {
                    @for (register, before, after) in &edited.registers {
                        li { (register) ": " (before) " → " (after) }
                    }
                }
                @for remark in remarks { p.remark { (remark) } }
            }
        }
    }
}

fn fieldset(at: usize, module: &Module, typed: &BTreeMap<RegisterName, String>) -> Markup {
    html! {
        fieldset {
            legend { (module.title) }
            @for (number, (name, register, value)) in module.registers.iter().enumerate() {
                (field(&format!("f{at}-{number}"), name, register, value, typed.get(name).map(String::as_str)))
            }
        }
    }
}

/// One register. What was typed stays; where that isn't what the register holds, the page says what that is.
fn field(id: &str, name: &RegisterName, register: &SetupRegister, value: &Value, typed: Option<&str>) -> Markup {
    let current = value.to_string();
    let content = typed.unwrap_or(&current);
    let wrong = typed.and_then(|typed| wrong(name, register, &current, typed));
    let hint = format!("{id}-hint");
    html! {
        div.field {
            label for=(id) { (register.name) }
            @match register.range {
                Range::YesNo => (select(id, name, &["yes", "no"], content)),
                Range::Choice(words) => (select(id, name, words, content)),
                Range::Number { .. } => {
                    input id=(id) name=(name) value=(content) inputmode="decimal" aria-describedby=(hint);
                }
                Range::Text(_) => input.long id=(id) name=(name) value=(content) aria-describedby=(hint);
            }
            span.unit { (register.unit) }
            @if !matches!(register.range, Range::YesNo | Range::Choice(_)) {
                p.hint id=(hint) { (register.range.to_string()) }
            }
            @if let Some(sentence) = wrong { p.wrong { (sentence) "." } }
            @if content != current { p.hint { "The register holds " b { (current) } " now." } }
        }
    }
}

fn select(id: &str, name: &RegisterName, words: &[&str], content: &str) -> Markup {
    html! {
        select id=(id) name=(name) {
            @for word in words { option selected[*word == content] { (word) } }
        }
    }
}

/// Why a register doesn't take what was typed, as the gate words it.
fn wrong(name: &RegisterName, register: &SetupRegister, current: &str, typed: &str) -> Option<String> {
    if typed == current {
        return None;
    }
    let source = register.parse(typed).err()?;
    Some(TemplateError::Value { module: name.module, source }.to_string())
}
