//! Which time a game day takes place, and which runs are controls for it: counted, so that every n-th run is one although a
//! runner of CI remembers nothing.

use crate::spec::ControlRuns;

/// Where CI systems say the number of their own run: GitHub Actions, GitLab CI, Jenkins and what follows its customs.
const NUMBERS: [&str; 3] = ["GITHUB_RUN_NUMBER", "CI_PIPELINE_IID", "BUILD_NUMBER"];

/// Which time a game day takes place, from 1: the number of CI's own run where there is one, otherwise one more than the game
/// days of this name that were found on disk. All shards of one run of CI agree on it.
pub fn occasion(env: impl Fn(&str) -> Option<String>, earlier: u64) -> u64 {
    let number = NUMBERS.iter().find_map(|name| env(name)?.trim().parse::<u64>().ok());
    number.filter(|number| *number > 0).unwrap_or_else(|| earlier.saturating_add(1))
}

/// Which run of CI this is, so that shards of different nights are not taken for one game day: of GitHub Actions with the
/// attempt (`8123/2`), of GitLab CI the pipeline, of Jenkins and what follows its customs the tag of the build.
pub fn run_of_ci(env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let env = |name: &str| env(name).map(|text| text.trim().to_string()).filter(|text| !text.is_empty());
    let github = env("GITHUB_RUN_ID").map(|run| match env("GITHUB_RUN_ATTEMPT") {
        Some(attempt) => format!("{run}/{attempt}"),
        None => run,
    });
    github.or_else(|| env("CI_PIPELINE_ID")).or_else(|| env("BUILD_TAG"))
}

/// Whether a run is a control. Runs of a scenario are counted over all occasions and repetitions; its place in the file is
/// added, so that scenarios take turns.
pub fn is_control(controls: ControlRuns, place: usize, occasion: u64, repeat: u32, repetition: u32) -> bool {
    match controls {
        ControlRuns::Never => false,
        ControlRuns::Always => true,
        ControlRuns::Every(every) => {
            let before = u128::from(occasion.saturating_sub(1)) * u128::from(repeat);
            let run = before + u128::from(repetition);
            (run + place as u128).is_multiple_of(u128::from(every.max(1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ci_counts_for_us() {
        let env = |name: &str| (name == "CI_PIPELINE_IID").then(|| "41".to_string());
        assert_eq!(occasion(env, 3), 41);
        assert_eq!(occasion(|_| None, 3), 4);
        assert_eq!(occasion(|_| Some("x".into()), 0), 1);
        assert_eq!(occasion(|_| Some("0".into()), 0), 1);
        assert_eq!(occasion(|_| None, u64::MAX), u64::MAX);
    }

    #[test]
    fn ci_says_which_run_it_is() {
        let told = |all: &[(&str, &str)]| {
            run_of_ci(|name| all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(told(&[("GITHUB_RUN_ID", "8123"), ("GITHUB_RUN_ATTEMPT", "2")]).as_deref(), Some("8123/2"));
        assert_eq!(told(&[("GITHUB_RUN_ID", ""), ("CI_PIPELINE_ID", "77")]).as_deref(), Some("77"));
        assert_eq!(told(&[("BUILD_TAG", "jenkins-gameday-12")]).as_deref(), Some("jenkins-gameday-12"));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn all_or_none() {
        assert!(is_control(ControlRuns::Always, 3, 1, 1, 1));
        assert!(!is_control(ControlRuns::Never, 0, 7, 1, 1));
    }

    proptest! {
        #[test]
        fn of_any_n_runs_in_a_row_one_is_a_control(
            every in 2u32..20, place in 0usize..50, repeat in 1u32..6, from in 1u64..1000
        ) {
            let runs = (from..from + 40).flat_map(|occasion| (1..=repeat).map(move |repetition| (occasion, repetition)));
            let controls: Vec<bool> = runs
                .map(|(occasion, repetition)| is_control(ControlRuns::Every(every), place, occasion, repeat, repetition))
                .collect();
            for window in controls.windows(every as usize) {
                prop_assert_eq!(window.iter().filter(|control| **control).count(), 1);
            }
        }
    }
}
