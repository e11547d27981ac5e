//! A form on its way: shown, sent back, checked to be its client's own wish, and put to the gate, which decides,
//! stores and logs. Nothing is changed but by a POST that passes [`same_origin`] and carries the form's mark.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use framework::modules::ethernet;
use framework::{RegisterName, TemplateError};
use meter::{Caller, ChangeSet, Edit, GateError, View};
use security::{Ask, Path, Who};

use super::answer::{Visit, behind_login, no_page};
use super::fields::Fields;
use super::form_page::{MARK, Outcome, STATE, Shown, form_page};
use super::forms::Form;
use super::own::{Foreign, called_by_its_name, same_origin};
use super::page::{Forms, policy};
use super::refused::{Refused, gate_status};
use crate::Site;
use crate::disk::noted;
use crate::setup::told_of_change;

/// What was typed, by register.
type Typed = BTreeMap<RegisterName, String>;

/// Said above a form in which a value isn't taken.
const NOT_TAKEN: &str = "nothing was saved: beside the field stands what it takes";

/// The form, for whoever may use it.
pub(super) async fn show(form: Form, visit: Arc<Visit>, headers: HeaderMap) -> Response {
    if !behind_login(&visit.site.view()) {
        return no_page(&visit.site.view());
    }
    let shown = async {
        let (view, who) = visit.admit(&headers, Ask::ReadSetup).await?;
        view.may(Path::Web, who, form.ask())?;
        Ok::<_, Refused>(visit.page(form, who, StatusCode::OK, &Typed::new(), Outcome::Shown))
    };
    shown.await.unwrap_or_else(|refused| refused.answer(&visit.site.view()))
}

/// The form, sent back.
pub(super) async fn submit(form: Form, visit: Arc<Visit>, request: Request) -> Response {
    visit.submit(form, request).await.unwrap_or_else(|refused| refused.answer(&visit.site.view()))
}

impl Visit {
    async fn submit(&self, form: Form, request: Request) -> Result<Response, Refused> {
        let (head, body) = request.into_parts();
        let (view, who) = self.admit(&head.headers, Ask::ReadSetup).await?;
        let caller = Caller::on(Path::Web, who, self.peer);
        let own = same_origin(&head).and_then(|()| called_by_its_name(&head.headers, host_name(&view)));
        self.own_wish(form, caller, own).await?;
        self.gate(move |site| site.gate.ask(site.now(), &caller, form.ask())).await??;
        let mut fields = Fields::read(&head.headers, body).await?;
        let (state, mark) = (fields.take(STATE).unwrap_or_default(), fields.take(MARK).unwrap_or_default());
        let sealed = self.seal.fits(form, who, &state, &mark);
        self.own_wish(form, caller, if sealed { Ok(()) } else { Err(Foreign::Seal) }).await?;
        let view = self.site.view();
        let typed = typed(form, &view, &mut fields);
        fields.nothing_else()?;
        let done = if state != state_of(form, &view) {
            Err(GateError::SettingsChanged)
        } else {
            self.carry_out(form, caller, &view, &typed).await?
        };
        match done {
            Ok(outcome) => Ok(self.page(form, who, StatusCode::OK, &Typed::new(), outcome)),
            Err(GateError::Refused(refusal)) => Err(refusal.into()),
            Err(error) => {
                let error = noted(error);
                let why = match error {
                    // Each field says what it takes.
                    GateError::Template(TemplateError::Value { .. }) => NOT_TAKEN.to_owned(),
                    ref other => other.to_string(),
                };
                Ok(self.page(form, who, gate_status(&error), &typed, Outcome::Refused(why)))
            }
        }
    }

    /// Refuses what isn't its client's own wish, as an event.
    async fn own_wish(&self, form: Form, caller: Caller, own: Result<(), Foreign>) -> Result<(), Refused> {
        let Err(foreign) = own else { return Ok(()) };
        let why = foreign.to_string();
        self.gate(move |site| Ok(site.gate.note_foreign(site.now(), &caller, form.ask(), &why)?)).await??;
        Err(foreign.into())
    }

    /// What a form asks for, as of the view that it was shown with.
    async fn carry_out(
        &self,
        form: Form,
        caller: Caller,
        before: &View,
        typed: &Typed,
    ) -> Result<Result<Outcome, GateError>, Refused> {
        if form == Form::DemandReset {
            let resets = before.demand().resets;
            let reset = move |site: &Site| site.gate.reset_demand_as_of(site.now(), &caller, resets);
            return Ok(self.gate(reset).await?.map(|_| Outcome::Reset));
        }
        let change = ChangeSet { edits: edits(form, before, typed), force: false };
        let generation = before.generation;
        let edited = self.gate(move |site| site.gate.apply_as_of(site.now(), &caller, generation, change)).await?;
        Ok(edited.map(|edited| {
            if edited.registers.is_empty() {
                return Outcome::Same;
            }
            let remarks = told_of_change(before, &self.site.view(), &edited);
            Outcome::Changed(edited, remarks)
        }))
    }

    /// Asks the gate for something that may wait for the disk, off the network's threads.
    async fn gate<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Site) -> Result<T, GateError> + Send + 'static,
    ) -> Result<Result<T, GateError>, Refused> {
        let site = Arc::clone(&self.site);
        tokio::task::spawn_blocking(move || ask(&site)).await.map_err(|_| Refused::Broken)
    }

    /// The page with the form, as the meter is now.
    fn page(&self, form: Form, who: Who, status: StatusCode, typed: &Typed, outcome: Outcome) -> Response {
        let view = self.site.view();
        let state = state_of(form, &view);
        let mark = self.seal.mark(form, who, &state);
        let page = form_page(&view, &Shown { form, who, state, mark, typed, outcome });
        let policy = policy(&view, Forms::ToItself);
        (status, [(CONTENT_SECURITY_POLICY, policy)], Html(page.into_string())).into_response()
    }
}

/// What must not have changed between showing a form and carrying it out: the settings, and for a demand reset the
/// number of resets besides, so that one click is one reset.
fn state_of(form: Form, view: &View) -> String {
    let resets = (form == Form::DemandReset).then(|| view.demand().resets).flatten();
    format!("{}.{}", view.generation, resets.unwrap_or_default())
}

/// The name that the meter goes by on its network.
fn host_name(view: &View) -> &str {
    let mut modules = view.settings.template.modules.iter();
    modules
        .find(|(name, _)| name.kind().name() == ethernet::NAME)
        .map_or("", |(_, setup)| setup.text(ethernet::HOST_NAME))
}

/// Takes what was typed for a form's registers out of the fields.
fn typed(form: Form, view: &View, fields: &mut Fields) -> Typed {
    let registers = form.modules(view).into_iter().flat_map(|module| module.registers);
    registers.filter_map(|(name, _, _)| Some((name.clone(), fields.take(&name.to_string())?))).collect()
}

/// The wishes: what was typed differently from what is there.
fn edits(form: Form, view: &View, typed: &Typed) -> Vec<Edit> {
    let registers = form.modules(view).into_iter().flat_map(|module| module.registers);
    registers
        .filter_map(|(name, _, value)| {
            let wish = typed.get(&name).filter(|typed| **typed != value.to_string())?;
            Some(Edit::Register(name.to_string(), wish.clone()))
        })
        .collect()
}
