//! `firedrill report dr`: the quarterly report about DR drills.

mod gather;
mod intact;
mod pdf;

use super::{Print, is_stdout};
use crate::cli::Globals;
use crate::error::{Error, Exit};
use crate::output::{print, print_file, print_json, say_line};
use crate::record::{utc_now, write_atomic};
use crate::report::{DrReport, Quarter, dr_html, dr_json, dr_markdown};
use std::path::{Path, PathBuf};

/// Makes the report of a quarter's DR drills for auditors: verdicts, figures, timeline, follow-up, coverage, attestation. Without
/// a format: Markdown on standard output.
#[derive(Debug, clap::Args)]
pub struct DrArgs {
    /// Directories that hold runs or game days, at any depth; also those of the quarters before, for the trend
    /// [default: .firedrill of the project].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The quarter, in UTC [default: the current one].
    #[arg(long, value_name = "YYYYQn", value_parser = Quarter::parse)]
    quarter: Option<Quarter>,
    /// Write HTML to this file: made for A4, without network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write Markdown to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a PDF to this file, through a headless Chromium (`CHROMIUM` names it).
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// Write JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The folder with what only people know [default: drill-notes of the project].
    #[arg(long, value_name = "DIR")]
    notes: Option<PathBuf>,
    /// The file that lists the critical services [default: services.yaml of the project].
    #[arg(long, value_name = "FILE")]
    services: Option<PathBuf>,
}

/// What makes a report.
type MakeDrReport = fn(&DrReport) -> Vec<u8>;

/// Runs the command.
pub async fn run(args: DrArgs, globals: &Globals) -> Result<Exit, Error> {
    let formats: [(&Option<PathBuf>, MakeDrReport, Print); 3] =
        [(&args.html, dr_html, print_file), (&args.markdown, dr_markdown, print), (&args.json, dr_json, print_json)];
    let files: Vec<(&Path, MakeDrReport, Print)> =
        formats.into_iter().filter_map(|(path, make, print)| Some((path.as_deref()?, make, print))).collect();
    if files.iter().filter(|(path, ..)| is_stdout(path)).count() > 1 {
        return Err(Error::usage("only one report can go to standard output").hint("give the others a file"));
    }
    if args.pdf.as_deref().is_some_and(is_stdout) {
        return Err(Error::usage("a PDF goes to a file, not to standard output").hint("write `--pdf FILE`"));
    }
    // Looked for before anything is read: whoever wants a PDF should know soon.
    let browser = args.pdf.as_ref().map(|_| pdf::browser()).transpose()?;
    let quarter = args.quarter.unwrap_or_else(|| Quarter::of(utc_now()));
    let input = gather::gather(&args, quarter, globals)?;
    let report = DrReport::new(&input);
    for problem in report.evidence.problems.iter().chain(&report.problems) {
        say_line(&format!("warning: {problem}"));
    }
    if report.drills.is_empty() && report.incomplete.is_empty() {
        say_line(&format!("warning: there is no DR drill in {quarter}: the report says so"));
    }
    let mut failed = Vec::new();
    for (path, make, print) in &files {
        let bytes = make(&report);
        let written = match is_stdout(path) {
            true => print(&String::from_utf8_lossy(&bytes)).map_err(|error| error.message),
            false => write_atomic(path, &bytes).map_err(|error| format!("{}: {error}", path.display())),
        };
        done(written, path, globals, &mut failed);
    }
    if let (Some(path), Some(browser)) = (&args.pdf, &browser) {
        let written = match pdf::print(browser, &dr_html(&report)).await {
            Ok(bytes) => write_atomic(path, &bytes).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        };
        done(written, path, globals, &mut failed);
    }
    if files.is_empty() && args.pdf.is_none() {
        print(&String::from_utf8_lossy(&dr_markdown(&report)))?;
    }
    match failed.is_empty() {
        true => Ok(Exit::Passed),
        false => Err(Error::harness(format!("not every report could be written:\n{}", failed.join("\n")))),
    }
}

fn done(written: Result<(), String>, path: &Path, globals: &Globals, failed: &mut Vec<String>) {
    match written {
        Ok(()) if globals.quiet || is_stdout(path) => {}
        Ok(()) => say_line(&path.display().to_string()),
        Err(error) => failed.push(error),
    }
}
