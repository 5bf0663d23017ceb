//! `firedrill gameday`: runs many drills as one occasion.

use super::conduct::{self, DayOptions};
use super::key_value;
use crate::error::{Error, Exit};
use crate::gameday::{self, Shard};
use crate::spec::{self, GameDay};
use crate::stack::platform;

/// Runs a game day: many drills side by side, as one occasion with one report.
#[derive(clap::Args)]
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
    let path = spec::find_game_day(&args.gameday, &globals.project)?;
    let mut file = globals.fit(spec::load_game_day(&path, &overrides))?;
    args.change(&mut file);
    let affected = |revision: &str| gameday::affected(revision, &file, &*platform(), &globals.project);
    let affected_by = args.affected_by.as_deref().map(affected).transpose()?;
    let asked = gameday::PlanOptions { shard: args.shard, affected_by, ..gameday::PlanOptions::default() };
    let (notified, overrides) = (args.notify.ready()?, globals.overrides(args.vars));
    let wanted = DayOptions { globals: globals.clone(), notified, overrides, ..args.options };
    conduct::day(file, asked, &wanted).await
}

impl GamedayArgs {
    /// Whatever is given here wins over the file.
    fn change(&self, file: &mut GameDay) {
        if let Some(repeat) = self.repeat {
            file.repeat = repeat;
            file.scenarios.iter_mut().for_each(|scenario| scenario.repeat = None);
        }
        file.retry = self.retry.unwrap_or(file.retry);
        file.parallel = self.parallel.or(file.parallel);
        file.fail_fast |= self.fail_fast;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: GamedayArgs,
    }

    #[test]
    fn the_command_line_wins() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("gamedays/nightly.yaml");
        let (file, diagnostics) = spec::load_game_day(&path, &spec::Overrides::default());
        let mut file = file.unwrap_or_else(|| panic!("{diagnostics:?}"));
        file.scenarios[0].repeat = Some(4);
        let parsed = |options: &[&str]| Line::try_parse_from([&["gameday", "x"], options].concat()).unwrap().args;
        let (before, nothing) = (file.clone(), parsed(&[]));
        nothing.change(&mut file);
        assert_eq!((file.repeat, file.retry, file.parallel), (before.repeat, before.retry, before.parallel));
        assert_eq!((file.fail_fast, file.scenarios[0].repeat), (before.fail_fast, Some(4)));
        parsed(&["--repeat", "2", "--retry", "3", "--fail-fast", "--parallel", "8"]).change(&mut file);
        assert_eq!((file.repeat, file.retry, file.parallel), (2, 3, Some(8)));
        assert_eq!((file.fail_fast, file.scenarios[0].repeat), (true, None));
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
