//! `firedrill sweep`: finds and removes what a killed run left behind.

use crate::error::{Error, Exit};
use crate::stack::docker::{Endpoint, Fate, SweepOptions, SweepReport, SweptRun, sweep_some};

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
    let endpoint = Endpoint::resolve().await?;
    let wanted = |run: &str| args.runs.is_empty() || args.runs.iter().any(|wanted| wanted == run);
    let report = sweep_some(&endpoint, options, wanted).await?;
    if !globals.quiet {
        for line in lines(&report, args.dry_run) {
            println!("{line}");
        }
    }
    let left = |swept: &SweptRun| matches!(&swept.fate, Fate::Removed { left } if !left.is_empty());
    if report.runs.iter().any(left) {
        return Err(Error::harness("something could not be removed").hint(
            "`docker ps -a --filter label=dev.firedrill.run` shows the containers; is another program using them?",
        ));
    }
    Ok(Exit::Passed)
}

/// What was found and done, a line for each run and image.
fn lines(report: &SweepReport, dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for swept in &report.runs {
        let (run, things) = (&swept.run, swept.things.join(", "));
        lines.push(match &swept.fate {
            Fate::Alive => format!("running  {run}: left alone"),
            Fate::Kept { unpaused } if unpaused.is_empty() => {
                format!("kept     {run}: {things}; `firedrill sweep --kept` removes it")
            }
            Fate::Kept { unpaused } => {
                format!("kept     {run}: unpaused {}; `firedrill sweep --kept` removes it", unpaused.join(", "))
            }
            Fate::WouldRemove => format!("would remove  {run}: {things}"),
            Fate::Removed { left } if left.is_empty() => format!("removed  {run}: {things}"),
            Fate::Removed { left } => format!("LEFT     {run}: {}", left.join(", ")),
        });
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    lines.extend(report.images.iter().map(|image| format!("{verb}  image {image}")));
    if lines.is_empty() {
        lines.push("nothing was left behind".into());
    }
    lines
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
                swept("b", Fate::Kept { unpaused: vec![] }),
                swept("c", Fate::Kept { unpaused: vec!["fd-x-db-1".into()] }),
                swept("d", Fate::Removed { left: vec![] }),
                swept("e", Fate::Removed { left: vec!["volume fd-x_data".into()] }),
                swept("f", Fate::WouldRemove),
            ],
            images: vec!["firedrill-agent:0123".into()],
        };
        insta::assert_snapshot!(lines(&report, false).join("\n"), @r"
        running  a: left alone
        kept     b: container fd-x-db-1, network fd-x_default; `firedrill sweep --kept` removes it
        kept     c: unpaused fd-x-db-1; `firedrill sweep --kept` removes it
        removed  d: container fd-x-db-1, network fd-x_default
        LEFT     e: volume fd-x_data
        would remove  f: container fd-x-db-1, network fd-x_default
        removed  image firedrill-agent:0123
        ");
        assert_eq!(lines(&SweepReport::default(), false), ["nothing was left behind"]);
    }
}
