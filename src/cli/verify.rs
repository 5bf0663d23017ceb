//! `firedrill verify`: holds runs to their manifests, and manifests to the chain beside them.

use super::evidence::runs_of;
use crate::archive;
use crate::archive::evidence::{self, Digest, Head, SealState, Verification};
use crate::error::{Error, Exit};
use crate::output::{print, say_line, visible};
use crate::source::tidy;
use std::path::{Path, PathBuf};

const NAME_A_RUN: &str = "name a run directory, or one that holds some, such as unpacked artifacts of CI";

/// Verifies that runs are as they were when they ended: every file against the manifest of its run, every record against its
/// events, every manifest against the chain beside the runs. Names what was changed, removed or added.
///
/// What this proves: nobody has changed a part of it without changing the rest accordingly. Whoever can write every file, the
/// manifests and the chain can write all of them again. What shows that as well is the head of the chain, printed at the end, or the
/// SHA-256 of a run's manifest: keep it where that person cannot write (a report, the log of a CI job, a signed message), and hand it
/// to `--head` or `--manifest-sha256` later.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Run directories, directories that hold some, unpacked artifacts of CI, at any depth
    /// [default: .firedrill of the project].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A head that was written down earlier: it must still be in a chain. May be given several times.
    #[arg(long, value_name = "N:HASH", value_parser = str::parse::<Head>)]
    head: Vec<Head>,
    /// The SHA-256 of a `manifest.json` that was written down earlier: it must be the manifest of one of the runs. May be given
    /// several times.
    #[arg(long, value_name = "HEX", value_parser = digest)]
    manifest_sha256: Vec<Digest>,
    /// Seal what was never sealed, such as runs of older versions, and say so in the chain: from now on it can be verified, and
    /// nothing says what happened to it before.
    #[arg(long)]
    seal: bool,
    /// Compute each drill again from its `events.jsonl` alone, by the definitions, and compare every figure and the verdict with
    /// what the run says: its events, its `record.json`, its `junit.xml`, its `report.html`. With `--quiet` only what
    /// differs is printed.
    #[arg(long, conflicts_with_all = ["seal", "head", "manifest_sha256"])]
    recompute: bool,
}

/// Runs the command.
pub async fn run(args: VerifyArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let mut paths = runs_of(&args.paths, &globals.project);
    if paths.is_empty() {
        // That it is not there is the error.
        paths.push(tidy(&globals.project.join(".firedrill")));
    }
    if args.recompute {
        return recompute(&paths, globals.quiet);
    }
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
    let kept = evidence::kept(&args.head, &args.manifest_sha256, &report);
    print(&evidence::text(&report, &kept, globals.quiet, &short))?;
    if !failed.is_empty() {
        return Err(Error::harness(format!("not everything could be sealed:\n{}", failed.join("\n"))));
    }
    Ok(match () {
        () if report.is_changed() || kept.iter().any(|(found, _)| !found) => Exit::Failed,
        () if report.is_unreadable() => Exit::Harness,
        () => Exit::Passed,
    })
}

/// Computes every drill below the paths again. Runbooks that were followed alone have no figures.
fn recompute(paths: &[PathBuf], quiet: bool) -> Result<Exit, Error> {
    let found = archive::find(paths).map_err(|error| Error::usage(error.to_string()).hint(NAME_A_RUN))?;
    if found.runs.is_empty() {
        return Err(Error::usage("there is no run to compute again").hint(NAME_A_RUN));
    }
    let mut exit = Exit::Passed;
    for dir in &found.runs {
        let name = archive::run_id(dir).unwrap_or_else(|| dir.display().to_string());
        if archive::is_under_way(dir) {
            say_line(&format!("{name} is still under way, and left out"));
            continue;
        }
        let rows = match evidence::recompute(dir) {
            // A runbook that was followed alone has no figures.
            Ok(rows) if rows.is_empty() => continue,
            Ok(rows) => rows,
            // A file that cannot be read, or other rules: nobody can say.
            Err(error) => {
                say_line(&format!("{name} cannot be computed again: {error}"));
                exit = if exit == Exit::Passed { Exit::Harness } else { exit };
                continue;
            }
        };
        let differ = rows.iter().filter(|row| !row.is_same()).count();
        if differ > 0 {
            exit = Exit::Failed;
        }
        let shown: Vec<&evidence::Recomputed> = rows.iter().filter(|row| !quiet || !row.is_same()).collect();
        if !quiet || differ > 0 {
            print(&format!("{}: {} figures computed again, {differ} differ\n", visible(&name), rows.len()))?;
        }
        let width = shown.iter().map(|row| row.figure.chars().count()).max().unwrap_or_default();
        for row in shown {
            let text = match row.is_same() {
                true => format!("same    {:width$}  {}", row.figure, row.recomputed),
                false => {
                    format!("DIFFERS {:width$}  recomputed {}, recorded {}", row.figure, row.recomputed, row.recorded)
                }
            };
            print(&format!("  {}\n", visible(&text)))?;
        }
    }
    Ok(exit)
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text.trim()).ok_or_else(|| {
        format!("`{text}` is no SHA-256: 64 hexadecimal digits, as `sha256sum manifest.json` prints them")
    })
}

fn verified(paths: &[PathBuf]) -> Result<Verification, Error> {
    evidence::verify(paths).map_err(|error| Error::usage(error.to_string()).hint(NAME_A_RUN))
}

/// Seals what was never sealed; what failed, a line each. Runs go before the game days that they are part of.
fn seal(report: &Verification) -> Vec<String> {
    let unsealed = report.runs.iter().filter(|run| run.state == SealState::NeverSealed);
    let mut dirs: Vec<&Path> = unsealed.map(|run| run.place.dir.as_path()).collect();
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
    let mut failed = Vec::new();
    for dir in dirs {
        match evidence::seal(dir, true) {
            Ok(sealed) => sealed.notes.iter().for_each(|note| say_line(note)),
            Err(error) => failed.push(format!("{}: {error}", dir.display())),
        }
    }
    failed
}

/// Below the current directory from there on, as it was typed.
pub(super) fn short(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(std::fs::canonicalize).ok();
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short.unwrap_or_else(|| path.to_path_buf())
}
