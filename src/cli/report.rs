//! `firedrill report`: makes reports again from what is on disk, for one drill, a game day, or the shards of one.

mod choice;
mod dr;
mod place;

use crate::error::{Error, Exit};
use crate::gameday::exit_of;
use crate::output::{print, print_annotations, print_file, print_json, say_line};
use crate::record::write_atomic;
use crate::report::{self, Drills};
use choice::ReportChoice;
use place::Places;
use std::path::{Path, PathBuf};

/// Makes reports from what is on disk: of one drill, of a game day, of its shards together. Without options the summary, at the
/// terminal. Drills that were cut off are in every report, as `incomplete`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReportArgs {
    #[command(subcommand)]
    kind: Option<ReportKind>,
    /// Run directories, directories of game days, or any that hold some, such as unpacked artifacts of CI
    /// [default: the newest game day or drill in .firedrill].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write HTML to this file: everything about every drill, on one page without network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write Markdown to this file, or to standard output (`-`): for `$GITHUB_STEP_SUMMARY` and pull requests.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write JUnit XML to this file: one suite per drill.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write JSON to this file, or to standard output (`-`): plans, drills, attempts, figures.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write CSV to this file, or to standard output (`-`): a line for each assertion and each SLI of every attempt.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print annotations of GitHub Actions on standard output: what failed, beside its line.
    #[arg(long)]
    annotations: bool,
    /// Exit with the code of what is reported (0, 1, 3 or 130) instead of 0 when the reports were made.
    #[arg(long)]
    exit_code: bool,
}

/// Reports about more than what was run on one occasion.
#[derive(Debug, clap::Subcommand)]
enum ReportKind {
    Dr(dr::DrArgs),
}

/// Prints a report as its format bears it.
type Print = fn(&str) -> Result<(), Error>;

/// Where a report of a format goes (`-` is standard output), what makes it, and how it is printed.
type Format<R, P> = (P, fn(&R) -> Vec<u8>, Print);

/// The reports that were asked for, in the order in which they are written; `printed`: something else goes to standard output.
fn asked<'a, R>(all: &[Format<R, &'a Option<PathBuf>>], printed: bool) -> Result<Vec<Format<R, &'a Path>>, Error> {
    let files: Vec<_> = all.iter().filter_map(|(path, make, print)| Some((path.as_deref()?, *make, *print))).collect();
    let to_stdout = files.iter().filter(|(path, ..)| is_stdout(path)).count() + usize::from(printed);
    if to_stdout > 1 {
        return Err(Error::usage("only one report can go to standard output").hint("give the others a file"));
    }
    Ok(files)
}

/// Writes every report, whatever became of the others: why some could not be.
fn write_all<R>(files: &[Format<R, &Path>], of: &R, globals: &super::Globals) -> Vec<String> {
    let write = |(path, make, print): &Format<R, &Path>| match is_stdout(path) {
        true => print(&String::from_utf8_lossy(&make(of))).err().map(|error| error.message),
        false => write_file(path, &make(of), globals),
    };
    files.iter().filter_map(write).collect()
}

/// Writes a report to a file, and names the file; why it could not be.
fn write_file(path: &Path, bytes: &[u8], globals: &super::Globals) -> Option<String> {
    match write_atomic(path, bytes) {
        Err(error) => return Some(format!("{}: {error}", path.display())),
        Ok(()) if globals.quiet => {}
        Ok(()) => say_line(&path.display().to_string()),
    }
    None
}

fn all_written(failed: &[String]) -> Result<(), Error> {
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::harness(format!("not every report could be written:\n{}", failed.join("\n")))),
    }
}

/// Runs the command.
pub async fn run(args: ReportArgs, globals: &super::Globals) -> Result<Exit, Error> {
    if let Some(ReportKind::Dr(args)) = args.kind {
        return dr::run(args, globals).await;
    }
    // A new format is one line here and one option above.
    let formats: [Format<Drills, _>; 5] = [
        (&args.html, report::html, print_file),
        (&args.markdown, report::markdown, print),
        (&args.junit, report::junit_day, print),
        (&args.json, report::json_day, print_json),
        (&args.csv, report::csv, print),
    ];
    let files = asked(&formats, args.annotations)?;
    let ReportChoice { drills, dirs } = choice::choose(&args.paths, &globals.project)?;
    for problem in &drills.unread {
        say_line(&format!("left out, because it cannot be read: {problem}"));
    }
    for plan in drills.records.iter().filter(|record| record.alive).filter_map(|record| record.plan.as_ref()) {
        let run = &plan.run;
        say_line(&format!("{run} is still under way: what it has come to so far is in the report as `incomplete`"));
    }
    let mut failed = write_all(&files, &drills, globals);
    if args.annotations {
        let places = Places::here(&globals.project);
        let bytes = report::annotations(&drills, &|path| places.at_root(path));
        failed.extend(print_annotations(&String::from_utf8_lossy(&bytes)).err().map(|error| error.message));
    }
    if files.is_empty() && !args.annotations {
        print(&summary(&drills, &dirs, globals))?;
    }
    all_written(&failed)?;
    Ok(if args.exit_code { exit_of(drills.outcome()) } else { Exit::Passed })
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What a person reads: of one drill everything, of several a line for each.
fn summary(drills: &Drills, dirs: &[PathBuf], globals: &super::Globals) -> String {
    let color = globals.stdout_color();
    match (drills.days.as_slice(), drills.records.as_slice(), dirs) {
        _ if !drills.unread.is_empty() => report::overview(drills, color),
        ([], [record], [dir]) => report::summary(record, Some(super::verify::short(dir).as_path()), color),
        ([], [record], _) => report::summary(record, None, color),
        _ => report::overview(drills, color),
    }
}

#[cfg(test)]
mod tests;
