//! `firedrill report dr`: the quarterly report about DR drills.

mod gather;
mod intact;
mod pdf;

use super::{Format, all_written, asked, is_stdout, write_all, write_file};
use crate::cli::Globals;
use crate::error::{Error, Exit};
use crate::output::{print, print_file, print_json, say_line};
use crate::record::utc_now;
use crate::report::{DrReport, Quarter, dr_html, dr_json, dr_markdown};
use std::path::PathBuf;

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

/// Runs the command.
pub async fn run(args: DrArgs, globals: &Globals) -> Result<Exit, Error> {
    let formats: [Format<DrReport<'_>, _>; 3] =
        [(&args.html, dr_html, print_file), (&args.markdown, dr_markdown, print), (&args.json, dr_json, print_json)];
    let files = asked(&formats, false)?;
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
    let mut failed = write_all(&files, &report, globals);
    if let (Some(path), Some(browser)) = (&args.pdf, &browser) {
        failed.extend(match pdf::print(browser, &dr_html(&report)).await {
            Ok(bytes) => write_file(path, &bytes, globals),
            Err(error) => Some(format!("{}: {error}", path.display())),
        });
    }
    if files.is_empty() && args.pdf.is_none() {
        print(&String::from_utf8_lossy(&dr_markdown(&report)))?;
    }
    all_written(&failed)?;
    Ok(Exit::Passed)
}
