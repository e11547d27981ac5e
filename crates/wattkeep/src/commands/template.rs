//! The template that `--template` names, read and checked before anything is sent or planned.

use firmware::{TemplateChoice, TemplateFile};
use framework::dcf::LONGEST_FILE;
use framework::merge::Side;

use crate::args::setup::{TemplateArgs, Wanted};
use crate::failure::Failure;
use crate::files;

/// The choice as a plan takes it.
///
/// # Errors
/// If a file can't be read or can't be a meter's template, or if there is nothing to be decided.
pub fn choice(args: &TemplateArgs) -> Result<TemplateChoice, Failure> {
    if args.conflicts.is_some() && args.template != Wanted::Release {
        let sentence = "--conflicts says who wins when templates are merged: it goes with --template release";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    Ok(match &args.template {
        Wanted::Keep => TemplateChoice::Keep,
        Wanted::Release => TemplateChoice::Release(args.conflicts.map_or(Side::Mine, Side::from)),
        Wanted::File(path) => {
            let bytes = files::read(path, "a template", LONGEST_FILE)?;
            let file = TemplateFile::parse(&bytes).map_err(|error| Failure::InTheWay(error.to_string()));
            TemplateChoice::File(Box::new(file.map_err(Failure::of(path))?))
        }
    })
}
