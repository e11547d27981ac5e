//! Reports of changes of release: listed, shown, and written to files. They say who has which rights and whose password
//! is `0`, so the files are for their owner alone.

use std::path::{Path, PathBuf};

use firmware::report::Report;
use setup::Client;

use super::session::Session;
use crate::args::setup::ReportArgs;
use crate::failure::Failure;
use crate::new_file::{self, For, NewFile};
use crate::output::report as show;
use crate::output::text::counted;
use crate::screen::{self, Screen};

pub(super) async fn run(
    args: &ReportArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let reports = session.ask(async |client: &mut Client| client.reports().await).await?;
    let all = args.number.is_none() && !args.last;
    let wanted = reports.get(usize::from(args.number.unwrap_or(1)) - 1);
    let to_files = args.html.is_some() || args.text.is_some();
    let Some(report) = wanted else {
        if all && !to_files {
            if json {
                screen.json(&api::Reports { reports })?;
            } else {
                writeln!(screen.out, "This meter's release has not been changed yet.")?;
            }
            return Ok(());
        }
        return Err(Failure::InTheWay(no_such(args.number.unwrap_or(1), reports.len())));
    };
    for (file, form) in [(&args.html, Form::Html), (&args.text, Form::Text)] {
        if let Some(file) = file {
            new_file::write(file, &form.write(report)?, For::Owner)?;
        }
    }
    let saved: Vec<&PathBuf> = args.html.iter().chain(&args.text).collect();
    if json && all {
        screen.json(&api::Reports { reports: reports.clone() })?;
    } else if json {
        screen.json(report)?;
    } else if !saved.is_empty() {
        for file in saved {
            writeln!(screen.out, "The report is saved in {}.", file.display())?;
        }
    } else {
        if all {
            show::list(screen.out, &reports)?;
            writeln!(screen.out)?;
        }
        show::write(screen.out, report)?;
    }
    Ok(())
}

fn no_such(number: u8, kept: usize) -> String {
    format!("the meter keeps {}: there is no number {number}", counted(kept, "report"))
}

/// How a report is written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Text,
    Json,
}

impl Form {
    fn of(file: &Path) -> Result<Self, Failure> {
        let extension = file.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("html" | "htm") => Ok(Self::Html),
            Some("txt") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            _ => Err(Failure::Usage(format!("{}: a report's name ends in .html, .txt or .json", file.display()))),
        }
    }

    fn write(self, report: &Report) -> Result<Vec<u8>, Failure> {
        Ok(match self {
            Self::Html => show::html::page(report).into_bytes(),
            Self::Text => {
                let mut text = anstream::StripStream::new(Vec::new());
                show::write(&mut text, report)?;
                text.into_inner()
            }
            Self::Json => screen::json(report)?.into_bytes(),
        })
    }
}

/// A file that a report will be written to. What could stand in its way is found before the change.
pub(super) struct Destination {
    form: Form,
    file: NewFile,
}

impl Destination {
    pub fn reserve(file: &Option<PathBuf>) -> Result<Option<Self>, Failure> {
        let Some(file) = file else { return Ok(None) };
        Ok(Some(Self { form: Form::of(file)?, file: NewFile::create(file, For::Owner)? }))
    }

    pub fn write(self, report: &Report) -> Result<(), Failure> {
        self.file.finish_with(&self.form.write(report)?)
    }
}
