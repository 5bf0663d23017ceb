//! `firedrill sweep`: finds and removes what a killed run left behind.

use super::sealing::end_cut_off;
use crate::archive::evidence::{is_sealed, seal};
use crate::engine::reaper::cut_off;
use crate::error::{Error, Exit};
use crate::output::visible;
use crate::record::RunDir;
use crate::stack::{Fate, Foreign, Platform, StackError, SweepOptions, SweepReport, SweptRun, platform};
use std::path::Path;
use std::time::Duration;

/// The sweep at the start of a run must not hold it up.
const QUICK: Duration = Duration::from_secs(30);

/// Finds and removes what a killed run left behind.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    /// Ids of runs, as their directories are named; every run when none is given.
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Also remove stacks that were kept with `--keep`.
    #[arg(long)]
    kept: bool,
    /// Also remove the images that Firedrill made and no container uses.
    #[arg(long)]
    images: bool,
    /// Only say what would be removed.
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Runs the command. Something that could not be removed is an error of the environment.
pub async fn run(args: SweepArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let options = SweepOptions { kept: args.kept, images: args.images, dry_run: args.dry_run };
    let report = swept(&*platform(), options, &args.runs).await?;
    let problems = end_stories(&report);
    if !globals.quiet {
        let lines = lines(&report, args.dry_run).into_iter().chain(problems);
        crate::output::print(&lines.map(|line| visible(&line) + "\n").collect::<String>())?;
    }
    let left =
        |swept: &SweptRun| matches!(&swept.fate, Fate::Kept { left, .. } | Fate::Removed { left } if !left.is_empty());
    if report.runs.iter().any(left) {
        return Err(Error::harness("something could not be removed or undone").hint(report.look));
    }
    Ok(Exit::Passed)
}

/// Ends the stories of the runs that were removed: when runner and reaper were killed at once, nobody else has. What went
/// wrong, a line each: a record is not worth more than the removal.
fn end_stories(report: &SweepReport) -> Vec<String> {
    let failed = |swept: &SweptRun| {
        let Fate::Removed { left } = &swept.fate else { return None };
        let dir = swept.dir.as_deref().filter(|dir| dir.is_dir())?;
        let problem = end_story(dir, &swept.run, left).err()?;
        Some(format!("the record of {} could not be completed: {problem}", swept.run))
    };
    report.runs.iter().filter_map(failed).collect()
}

fn end_story(dir: &Path, run: &str, left: &[String]) -> std::io::Result<()> {
    // Whoever holds the lock is at it already.
    let Some(run_dir) = RunDir::try_inherit(dir)? else { return Ok(()) };
    if run_dir.id() != run {
        return Ok(());
    }
    run_dir.unmark_kept()?;
    // One that is sealed has its end, and stays as it is.
    if cut_off(&run_dir)?.is_some() && !is_sealed(dir) {
        end_cut_off(&run_dir, left.to_vec(), false)?;
    }
    Ok(())
}

/// Sweeps, and undoes what the ledgers of kept runs have open: a machine that lost power has undone nothing.
async fn swept(platform: &dyn Platform, options: SweepOptions, only: &[String]) -> Result<SweepReport, StackError> {
    let mut report = platform.sweep(options, only).await?;
    for swept in &mut report.runs {
        let Some(dir) = swept.dir.as_deref().filter(|_| !options.dry_run) else { continue };
        let Fate::Kept { undone, left } = &mut swept.fate else { continue };
        let Ok(run_dir) = RunDir::open_own(dir) else { continue };
        let ledger = || std::fs::metadata(run_dir.ledger_path()).map_or(0, |file| file.len());
        let before = ledger();
        match super::undo::undo(&*platform.reopen(run_dir.id()).await?, &run_dir).await {
            Ok(more) => {
                undone.extend(more.done);
                left.extend(more.left);
                // What was undone is noted in the ledger, which is evidence.
                if let Some(Err(error)) = (is_sealed(dir) && ledger() != before).then(|| seal(dir, false)) {
                    left.push(format!("the run could not be sealed again: {error}"));
                }
            }
            // A run that was killed before it had a ledger has broken nothing.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => left.push(format!("{}: {error}", run_dir.ledger_path().display())),
        }
    }
    Ok(report)
}

/// The sweep at the start of a run: removes what dead runs left and says so, one line each. Never fails the run.
pub async fn quick_sweep(platform: &dyn Platform) -> Vec<String> {
    match tokio::time::timeout(QUICK, swept(platform, SweepOptions::default(), &[])).await {
        Ok(Ok(report)) => {
            let (many, lists) = (report.foreign.len(), "may be somebody else's and stays: `firedrill sweep` lists it");
            let foreign = (many > 0).then(|| format!("{many} of what has the label of a run {lists}"));
            let is_told = |swept: &&SweptRun| match &swept.fate {
                Fate::Kept { undone, left } => !undone.is_empty() || !left.is_empty(),
                fate => matches!(fate, Fate::Removed { .. }),
            };
            let notes = report.runs.iter().filter(is_told).map(|swept| visible(&line(swept)));
            notes.chain(foreign).chain(end_stories(&report)).collect()
        }
        Ok(Err(error)) => vec![format!("could not look for what earlier runs left: {error}")],
        Err(_) => vec![format!("looking for what earlier runs left was given up after {} s", QUICK.as_secs())],
    }
}

/// What was found of a run, and done about it.
fn line(swept: &SweptRun) -> String {
    let (run, things) = (&swept.run, swept.things.join(", "));
    match &swept.fate {
        Fate::Alive => format!("running  {run}: left alone"),
        Fate::Unseen { why } => format!("unknown  {run}: left alone: {why}"),
        Fate::Kept { left, .. } if !left.is_empty() => format!("BROKEN   {run}: {}", left.join(", ")),
        Fate::Kept { undone, .. } => {
            let what = if undone.is_empty() { things } else { undone.join(", ") };
            format!("kept     {run}: {what}; `firedrill sweep --kept` removes it")
        }
        Fate::WouldRemove => format!("would remove  {run}: {things}"),
        Fate::Removed { left } if left.is_empty() => format!("removed  {run}: {things}"),
        Fate::Removed { left } => format!("LEFT     {run}: {}", left.join(", ")),
    }
}

/// What was found and done, a line for each run and image.
fn lines(report: &SweepReport, dry_run: bool) -> Vec<String> {
    let mut lines: Vec<String> = report.runs.iter().map(line).collect();
    lines.extend(report.foreign.iter().map(|Foreign { run, thing, why, by_hand }| {
        format!("IN DOUBT {run}: {thing} stays: {why}; `{by_hand}` removes it")
    }));
    let verb = if dry_run { "would remove" } else { "removed" };
    lines.extend(report.images.iter().map(|image| format!("{verb}  image {image}")));
    if lines.is_empty() {
        lines.push("nothing was left behind".into());
    }
    // Anybody can write a label.
    lines.iter().map(|line| visible(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_its_line() {
        let swept = |run: &str, fate| SweptRun {
            run: run.into(),
            dir: None,
            things: vec!["container fd-x-db-1".into(), "network fd-x_default".into()],
            fate,
        };
        let report = SweepReport {
            runs: vec![
                swept("a", Fate::Alive),
                swept("i", Fate::Unseen { why: "the machine `one` has started it".into() }),
                swept("b", Fate::Kept { undone: vec![], left: vec![] }),
                swept("c", Fate::Kept { undone: vec!["unpaused fd-x-db-1".into()], left: vec![] }),
                swept("g", Fate::Kept { undone: vec![], left: vec!["fault kill: no".into()] }),
                swept("d", Fate::Removed { left: vec![] }),
                swept("e", Fate::Removed { left: vec!["volume fd-x_data".into()] }),
                swept("f", Fate::WouldRemove),
            ],
            foreign: vec![Foreign {
                run: "h\u{1b}[2J".into(),
                thing: "container brave_curie".into(),
                why: "it has the label of the run from its image".into(),
                by_hand: "docker rm --force 0123456789ab".into(),
            }],
            images: vec!["firedrill-agent:0123".into()],
            look: "",
        };
        insta::assert_snapshot!(lines(&report, false).join("\n"), @r"
        running  a: left alone
        unknown  i: left alone: the machine `one` has started it
        kept     b: container fd-x-db-1, network fd-x_default; `firedrill sweep --kept` removes it
        kept     c: unpaused fd-x-db-1; `firedrill sweep --kept` removes it
        BROKEN   g: fault kill: no
        removed  d: container fd-x-db-1, network fd-x_default
        LEFT     e: volume fd-x_data
        would remove  f: container fd-x-db-1, network fd-x_default
        IN DOUBT h␛[2J: container brave_curie stays: it has the label of the run from its image; `docker rm --force 0123456789ab` removes it
        removed  image firedrill-agent:0123
        ");
        assert_eq!(lines(&SweepReport::default(), false), ["nothing was left behind"]);
    }
}
