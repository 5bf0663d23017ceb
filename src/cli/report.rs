//! `firedrill report`: makes reports again from what is on disk, for one drill, a game day, or the shards of one.

mod dr;

use super::evidence::found_runs;
use crate::archive;
use crate::error::{Error, Exit};
use crate::gameday::exit_of;
use crate::output::{print, print_annotations, print_file, print_json, say_line};
use crate::record::write_atomic;
use crate::report::{self, Drills};
use crate::source::{clean, tidy};
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
    let told = || Error::harness(format!("not every report could be written:\n{}", failed.join("\n")));
    if failed.is_empty() { Ok(()) } else { Err(told()) }
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
    let (drills, dirs) = choose(&args.paths, &globals.project)?;
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

/// The game days and drills below `paths`; without any, the newest of the project. With the run directories that were looked at. Nothing at all is an error.
fn choose(paths: &[PathBuf], project: &Path) -> Result<(Drills, Vec<PathBuf>), Error> {
    if !paths.is_empty() {
        let drills = archive::read_all(paths).map_err(|error| Error::usage(error.to_string()))?;
        return if drills.is_empty() { Err(nothing(paths, &drills.unread)) } else { Ok((drills, runs_below(paths))) };
    }
    let found = found_runs(&[], project)?;
    for candidate in newest_first(&found) {
        let candidate = [candidate];
        let Ok(mut drills) = archive::read_all(&candidate) else { continue };
        // A runbook that was followed alone is no drill: then the one before it is meant. What cannot be read may be one.
        match (drills.is_empty(), drills.unread.is_empty()) {
            (true, true) => continue,
            (true, false) => return Err(nothing(&candidate, &drills.unread)),
            // What could not be looked into may be newer.
            (false, _) => drills.unread.extend(found.problems),
        }
        return Ok((drills, runs_below(&candidate)));
    }
    Err(nothing(&[tidy(&project.join(".firedrill"))], &found.problems))
}

fn runs_below(paths: &[PathBuf]) -> Vec<PathBuf> {
    archive::find(paths).map(|found| found.runs).unwrap_or_default()
}

/// Game days, and the runs that belong to none; ids sort by time.
fn newest_first(found: &archive::FoundRuns) -> Vec<PathBuf> {
    let own = found.runs.iter().filter(|run| !found.days.iter().any(|day| run.starts_with(day)));
    let mut all: Vec<PathBuf> = found.days.iter().chain(own).cloned().collect();
    all.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
    all
}

fn nothing(paths: &[PathBuf], problems: &[String]) -> Error {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mut message = format!("there is neither a drill nor a game day in {}", names.join(", "));
    message.extend(problems.iter().map(|problem| format!("\n{problem}")));
    Error::usage(message).hint("name a directory that holds some; `firedrill scenario NAME` makes a drill")
}

/// Where paths of records may begin, and where the repository does.
struct Places {
    /// The directory that the command was started in, and the project's: drills may have been started in either.
    starts: Vec<PathBuf>,
    /// The root of the repository, when there is one.
    root: Option<PathBuf>,
}

impl Places {
    /// As seen from the current directory.
    fn here(project: &Path) -> Places {
        let here = std::env::current_dir().and_then(std::fs::canonicalize).ok();
        let project = std::fs::canonicalize(project).ok();
        Places::new(here.into_iter().chain(project).collect())
    }

    fn new(starts: Vec<PathBuf>) -> Places {
        let above = starts.first().into_iter().flat_map(|start| start.ancestors());
        // A file in a work tree, a directory elsewhere.
        let root = above.into_iter().find(|dir| dir.join(".git").exists()).map(Path::to_path_buf);
        Places { starts, root }
    }

    /// The path from the root of the repository; as it is, where that cannot be told.
    fn at_root(&self, path: &str) -> String {
        let Some(root) = &self.root else { return path.to_string() };
        // The file may be gone.
        let candidates = self.starts.iter().map(|start| clean(&start.join(path)));
        let found = candidates.into_iter().find(|candidate| candidate.starts_with(root) && candidate.is_file());
        let first = self.starts.first().map(|start| clean(&start.join(path)));
        let full = found.or(first.filter(|full| full.starts_with(root)));
        match full.as_deref().and_then(|full| full.strip_prefix(root).ok()) {
            Some(path) => path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"),
            None => path.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod place_tests {
    use super::*;
    use std::fs;

    #[test]
    fn paths_begin_at_the_root_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("services/shop/runbooks")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join("services/shop/runbooks/a.md"), "").unwrap();
        let shop = Places::new(vec![root.join("services/shop")]);
        assert_eq!(shop.at_root("runbooks/a.md"), "services/shop/runbooks/a.md");
        assert_eq!(shop.at_root("./runbooks/../runbooks/a.md"), "services/shop/runbooks/a.md");
        assert_eq!(shop.at_root("runbooks/gone.md"), "services/shop/runbooks/gone.md");
        let absolute = root.join("services/shop/runbooks/a.md");
        assert_eq!(shop.at_root(&absolute.to_string_lossy()), "services/shop/runbooks/a.md");
        assert_eq!(shop.at_root("/elsewhere/a.md"), "/elsewhere/a.md");
        // Reported at the root, drilled in the project.
        let both = Places::new(vec![root.clone(), root.join("services/shop")]);
        assert_eq!(both.at_root("runbooks/a.md"), "services/shop/runbooks/a.md");
        assert_eq!(both.at_root("services/shop/runbooks/a.md"), "services/shop/runbooks/a.md");
    }

    #[test]
    fn without_a_repository_paths_stay() {
        let places = Places { starts: vec![PathBuf::from("/x")], root: None };
        assert_eq!(places.at_root("runbooks/a.md"), "runbooks/a.md");
    }
}
