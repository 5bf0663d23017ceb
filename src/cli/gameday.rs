//! `firedrill gameday`: runs many drills as one occasion.

use super::conduct::{self, DayOptions, RemoteOptions};
use super::key_value;
use crate::error::{Error, Exit};
use crate::gameday::{self, Shard};
use crate::spec;
use crate::stack::{REMOTE_SITES, platform};

/// Runs a game day: many drills side by side, as one occasion with one report.
#[derive(Debug, clap::Args)]
pub struct GamedayArgs {
    /// The game day: a name (`nightly` is `gamedays/nightly.yaml`) or a path.
    gameday: String,
    /// Gives an input of the runbooks its value, in every drill.
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = key_value)]
    vars: Vec<(String, String)>,
    /// Only this part of the drills: `2/4` is the second of four, for matrices of CI.
    #[arg(long, value_name = "PART")]
    shard: Option<Shard>,
    /// Drill each scenario so often.
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=i64::from(spec::MOST_REPEATS)))]
    repeat: Option<u32>,
    /// Run a drill that failed again, so often at most; one that then passes is flaky.
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(0..=i64::from(spec::MOST_RETRIES)))]
    retry: Option<u32>,
    /// Start nothing more once a drill has failed.
    #[arg(long)]
    fail_fast: bool,
    /// Only scenarios of which something has changed since this revision of Git: scenario, runbook or stack.
    #[arg(long, value_name = "REV")]
    affected_by: Option<String>,
    /// So many drills at once at most; without it as many as there is room for.
    #[arg(long, value_name = "DRILLS", value_parser = clap::value_parser!(u32).range(1..=i64::from(spec::MOST_PARALLEL)))]
    parallel: Option<u32>,
    /// Carry the drills out elsewhere: `kubernetes` makes a Job of each in the cluster of their stacks.
    #[arg(long, value_name = "PLACE", value_parser = clap::builder::PossibleValuesParser::new(REMOTE_SITES))]
    on: Option<String>,
    #[command(flatten)]
    options: DayOptions,
    #[command(flatten)]
    notify: super::notify::Notify,
    #[command(flatten)]
    allow: super::consent::Allow,
}

/// Runs the command.
pub async fn run(args: GamedayArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let overrides = args.allow.overrides(globals, args.vars.clone());
    let (file, diagnostics) = spec::load_game_day(&spec::find_game_day(&args.gameday, &globals.project)?, &overrides);
    let file = globals.fit(file, &diagnostics)?;
    let affected = |revision: &str| gameday::affected(revision, &file, &*platform(), &globals.project);
    let affected_by = args.affected_by.as_deref().map(affected).transpose()?;
    let plan = gameday::PlanOptions {
        shard: args.shard,
        repeat: args.repeat,
        retry: args.retry,
        fail_fast: args.fail_fast,
        parallel: args.parallel,
        affected_by,
        ..gameday::PlanOptions::default()
    };
    let wanted = DayOptions { globals: globals.clone(), notified: args.notify.ready()?, ..args.options };
    let elsewhere = args.on.map(|site| RemoteOptions { site, overrides: globals.overrides(args.vars) });
    conduct::day(&file, plan, elsewhere, &wanted).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        _args: GamedayArgs,
    }

    #[test]
    fn the_command_line_goes_as_far_as_the_file() {
        let limits =
            [("--repeat", spec::MOST_REPEATS), ("--retry", spec::MOST_RETRIES), ("--parallel", spec::MOST_PARALLEL)];
        for (option, most) in limits {
            let parses = |value: u32| Line::try_parse_from(["gameday", "x", option, &value.to_string()]).is_ok();
            assert!(parses(most), "{option} {most}");
            assert!(!parses(most + 1), "{option} {}", most + 1);
        }
    }
}
