//! `firedrill verify`: holds runs to their manifests, and manifests to the chain beside them.

use super::output::print;
use crate::error::{Error, Exit};
use crate::evidence::{self, Head, Report, State};
use crate::source::tidy;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Verifies that runs are as they were when they ended: every file against the manifest of its run, every record against its
/// events, every manifest against the chain beside the runs. Names what was changed, removed or added.
///
/// What this proves: nobody has changed a part of it without changing the rest accordingly. Whoever can write every file, the
/// manifests and the chain can write all of them anew. What shows that as well is the head of the chain, printed at the end: keep it
/// where that person cannot write (a report, the log of a CI job, a signed message), and hand it to `--head` later.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Run directories, directories that hold some, unpacked artifacts of CI, at any depth
    /// [default: .firedrill/runs and .firedrill/gamedays of the project].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A head that was written down earlier: it must still be in a chain. May be given several times.
    #[arg(long, value_name = "N:HASH", value_parser = str::parse::<Head>)]
    head: Vec<Head>,
    /// Seal what was never sealed, such as runs of older versions, and say so in the chain: from now on it can be verified, and
    /// nothing says what happened to it before.
    #[arg(long)]
    seal: bool,
    /// Reports (pages, JUnit) that differ from what was sealed count as changed as well.
    #[arg(long)]
    strict: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// JSON, described in docs/evidence.md.
    Json,
}

/// Runs the command.
pub async fn run(args: VerifyArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let paths = match args.paths.as_slice() {
        [] => own(&globals.project)?,
        named => named.to_vec(),
    };
    let mut report = verified(&paths)?;
    if report.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::usage(format!("there is neither a run nor a chain in {}", names.join(", ")))
            .hint("name a directory that holds some, such as unpacked artifacts of CI"));
    }
    let mut failed = Vec::new();
    if args.seal {
        failed = seal(&report);
        report = verified(&paths)?;
    }
    let heads: Vec<(Head, bool)> = args.head.into_iter().map(|head| (head.clone(), report.has(&head))).collect();
    let text = match args.format {
        Format::Json => String::from_utf8_lossy(&evidence::json(&report, &heads)).into_owned(),
        Format::Human => evidence::text(&report, &heads, globals.quiet, &short),
    };
    print(&text)?;
    if !failed.is_empty() {
        return Err(Error::harness(format!("not everything could be sealed:\n{}", failed.join("\n"))));
    }
    Ok(match () {
        () if report.is_changed() || heads.iter().any(|(_, found)| !found) => Exit::Failed,
        () if args.strict && report.reports() > 0 => Exit::Failed,
        () if report.is_unreadable() => Exit::Harness,
        () => Exit::Passed,
    })
}

fn verified(paths: &[PathBuf]) -> Result<Report, Error> {
    evidence::verify(paths).map_err(|error| {
        Error::usage(error.to_string())
            .hint("name a run directory, or one that holds some, such as unpacked artifacts of CI")
    })
}

/// The roots of the project.
fn own(project: &Path) -> Result<Vec<PathBuf>, Error> {
    let home = tidy(&project.join(".firedrill"));
    let roots: Vec<PathBuf> =
        ["runs", "gamedays"].map(|name| home.join(name)).into_iter().filter(|p| p.is_dir()).collect();
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(Error::usage(format!("there are no runs in {}", home.display()))
            .hint("name a directory that holds some; `firedrill scenario NAME` makes a drill")),
    }
}

/// Seals what was never sealed; what failed, a line each. Runs go before the game days that they are part of.
fn seal(report: &Report) -> Vec<String> {
    let mut dirs: Vec<&Path> =
        report.runs.iter().filter(|run| run.state == State::NeverSealed).map(|run| run.dir.as_path()).collect();
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
    let mut failed = Vec::new();
    for dir in dirs {
        match evidence::seal(dir, true) {
            Ok(sealed) => sealed.notes.iter().for_each(|note| tell(note)),
            Err(error) => failed.push(format!("{}: {error}", dir.display())),
        }
    }
    failed
}

fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Below the current directory from there on, as it was typed.
fn short(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(std::fs::canonicalize).ok();
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short.unwrap_or_else(|| path.to_path_buf())
}
