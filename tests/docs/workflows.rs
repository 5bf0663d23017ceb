//! The files of CI servers, ours and those that the documentation shows: they have the shape that the server wants, every
//! command in them parses, every target of make and every job that is named exists, and nothing that somebody types in is put
//! into the text of a script.

use crate::pages::{blocks, firedrill, in_line, page, root, words};
use github_actions_models::action::{Action, Runs, StepBody};
use github_actions_models::common::{Permissions, Uses};
use github_actions_models::workflow::job::{RunStep, Step};
use github_actions_models::workflow::{Job, Workflow};
use std::collections::BTreeSet;

/// Whether the program understands these arguments. Whatever comes before `--help` is parsed as it stands; then the help ends
/// the program before anything is done.
pub fn parses(arguments: &[String]) -> Result<(), String> {
    // Behind `--` the help would be a value.
    let before = arguments.iter().filter(|argument| *argument != "--");
    let output = firedrill().args(before).arg("--help").output().expect("firedrill runs");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Every workflow: those of this repository, and those in the documentation, by name.
fn workflows() -> Vec<(String, String)> {
    let folder = root().join(".github/workflows");
    let files = std::fs::read_dir(folder).expect("workflows").map(|entry| entry.expect("an entry").path());
    let own = files.map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a workflow"))
    });
    let shown = ["docs/ci.md", "docs/tutorial.md"].into_iter().flat_map(|name| {
        let all = blocks(&page(name)).into_iter();
        let some = all.filter(|block| block.tag == "yaml" && block.text.lines().any(|line| line.starts_with("on:")));
        some.map(move |block| (format!("{name}, {}", block.heading), block.text))
    });
    own.chain(shown).collect()
}

fn read(name: &str, text: &str) -> Workflow {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{name} is no workflow: {error}"))
}

/// Every script that a server runs, of workflows and of the action, with where it stands.
fn all_scripts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, text) in workflows() {
        let workflow = read(&name, &text);
        let steps = scripts(&workflow).into_iter();
        found.extend(steps.map(|(job, step)| (format!("{name}: {job}"), step.run.clone())));
    }
    let action: Action = serde_yaml::from_str(&page("action.yml")).expect("an action");
    let Runs::Composite(composite) = action.runs else { panic!("the action is made of steps") };
    for step in composite.steps {
        if let StepBody::Run { run, .. } = step.body {
            found.push(("action.yml".into(), run));
        }
    }
    found
}

/// The steps of every job, with the job's name.
fn scripts(workflow: &Workflow) -> Vec<(&str, &RunStep)> {
    let mut found = Vec::new();
    for (name, job) in &workflow.jobs {
        let Job::NormalJob(job) = job else { continue };
        found.extend(job.steps.iter().filter_map(|step| match step {
            Step::Run(run) => Some((name.as_str(), run)),
            _ => None,
        }));
    }
    found
}

#[test]
fn workflows_are_workflows() {
    let all = workflows();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    for shown in ["docs/ci.md, On pull requests", "docs/tutorial.md, In CI"] {
        assert!(names.len() >= 4 && names.contains(&shown), "{shown} is not among {names:?}");
    }
    for (name, text) in all {
        let workflow = read(&name, &text);
        let jobs: BTreeSet<&str> = workflow.jobs.keys().map(String::as_str).collect();
        assert!(matches!(workflow.permissions, Permissions::Explicit(_)), "{name}: permissions are for the least");
        for (id, job) in &workflow.jobs {
            let Job::NormalJob(job) = job else { panic!("{name}: {id} calls another workflow") };
            assert!(job.timeout_minutes.is_some(), "{name}: {id} may run for six hours");
            for needed in &job.needs {
                assert!(jobs.contains(needed.as_str()), "{name}: {id} needs {needed}, and there is no such job");
            }
            for step in &job.steps {
                let Step::Uses(step) = step else { continue };
                let Uses::Repository(uses) = &step.uses else { panic!("{name}: {id}: {:?}", step.uses) };
                // A branch and a tag can be moved.
                let commit = uses.git_ref();
                let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(is_commit, "{name}: {id}: {} names no commit", uses.raw());
            }
        }
    }
}

/// A value that somebody types in, or the name of a branch, would be code in the text of a script; in a variable it is a value.
#[test]
fn no_script_has_an_expression_in_it() {
    let all = all_scripts();
    assert!(all.len() >= 10, "only {} scripts", all.len());
    for (place, run) in all {
        assert!(!run.contains("${{"), "{place}: put it into `env`:\n{run}");
    }
}

/// The shell of a runner knows no `pipefail` unless it is asked for: behind a pipe a failed drill would be a green job.
#[test]
fn no_exit_code_is_lost_in_a_pipe() {
    let lost = |script: &str| {
        let piped = |line: &str| !in_line(line).is_empty() && line.replace("||", "").contains('|');
        !script.contains("pipefail") && script.replace("\\\n", " ").lines().any(piped)
    };
    assert!(lost("firedrill verify evidence | tee out/verify.txt"), "then this test would find nothing");
    for (place, run) in all_scripts() {
        assert!(!lost(&run), "{place}: the exit code is that of the last command:\n{run}");
    }
}

#[test]
fn what_workflows_call_exists() {
    let makefile = page("Makefile");
    let (mut commands, mut targets) = (BTreeSet::new(), 0);
    for (place, run) in all_scripts() {
        for line in run.replace("\\\n", " ").lines() {
            for arguments in in_line(line) {
                assert_eq!(parses(&arguments), Ok(()), "{place}: {line}");
                commands.insert(arguments[0].clone());
            }
            if let [make, target, ..] = words(line.trim()).as_slice()
                && make == "make"
            {
                targets += 1;
                let rule = format!("{target}:");
                assert!(makefile.lines().any(|line| line.starts_with(&rule)), "{place}: there is no `make {target}`");
            }
        }
    }
    for command in ["gameday", "report", "history", "doctor", "scenario"] {
        assert!(commands.contains(command), "no workflow calls `firedrill {command}`: {commands:?}");
    }
    assert!(targets >= 3, "only {targets} targets of make");
}

/// What a merge job makes is kept: HTML is what people open.
#[test]
fn the_report_that_people_open_is_made_and_kept() {
    let text = page(".github/workflows/gameday.yml");
    let workflow = read("gameday.yml", &text);
    let all = scripts(&workflow);
    let merge = all.iter().find(|(job, step)| *job == "report" && step.run.contains("firedrill report"));
    let (_, merge) = merge.expect("the job puts shards together");
    assert!(merge.run.contains("--html out/report.html"), "{}", merge.run);
    assert_eq!(uploaded(&text, "report"), ["out/"]);
    // `latest` is a link: followed, everything is there twice.
    assert_eq!(uploaded(&text, "drill"), ["out/", "!out/**/latest"]);
    let shown = blocks(&page("docs/ci.md")).into_iter().find(|block| block.heading == "On pull requests");
    assert_eq!(uploaded(&shown.expect("an example").text, "drill"), ["out/", "!out/**/latest"]);
    let runs = ["out/", ".firedrill/runs/", "!.firedrill/runs/latest"];
    assert_eq!(uploaded(&page(".github/workflows/ci.yml"), "drill"), runs);
    let shown = blocks(&page("docs/tutorial.md")).into_iter().find(|block| block.heading == "In CI");
    assert_eq!(uploaded(&shown.expect("an example").text, "drill"), runs);
    for (server, heading) in [("gitlab", "GitLab CI"), ("jenkins", "Jenkins")] {
        let text = server_example(heading);
        let line = text.lines().find(|line| line.contains("firedrill report")).expect("a merge job");
        assert!(line.contains("--html report/report.html"), "{server}: {line}");
        assert!(text.contains("paths: [report/]") || text.contains("artifacts: 'report/**'"), "{server}");
        assert!(text.contains("out/**/latest"), "{server}: `latest` is left out");
    }
    let jenkins = server_example("Jenkins");
    let (before, _) = jenkins.split_once("firedrill gameday").expect("a game day");
    assert!(before.contains("dir('out') { deleteDir() }"), "earlier nights are not in the report");
}

/// On a scheduled night nobody typed anything in: then the file of the game day counts, and no option wins over it.
#[test]
fn a_scheduled_night_is_what_the_file_says() {
    let text = page(".github/workflows/gameday.yml");
    let read: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    let env = &read["jobs"]["drill"]["env"];
    for (name, input) in [("REPEAT", "repeat"), ("RETRY", "retry")] {
        assert_eq!(env[name], format!("${{{{ inputs.{input} }}}}"), "{name} has no other value");
        let option = format!("${{{name}:+--{input} \"${name}\"}}");
        assert!(text.contains(&option), "{option} is given only where there is one");
        let on = read.get("on").or(read.get("true")).expect("triggers");
        assert_eq!(on["workflow_dispatch"]["inputs"][input]["default"], "", "{input}");
    }
    for heading in ["GitLab CI", "Jenkins"] {
        let text = server_example(heading);
        assert!(!text.contains("--retry") && !text.contains("--repeat"), "{heading}");
    }
}

fn server_example(heading: &str) -> String {
    let of = |block: &crate::pages::Block| block.heading == heading && matches!(block.tag.as_str(), "yaml" | "groovy");
    blocks(&page("docs/ci.md")).into_iter().find(of).expect("an example").text
}

/// What a job uploads, by the lines of `path`.
fn uploaded(text: &str, id: &str) -> Vec<String> {
    let read: serde_json::Value = serde_yaml::from_str(text).expect("YAML");
    let steps = read["jobs"][id]["steps"].as_array().expect("steps").clone();
    let uploads = steps.iter().filter(|step| step["uses"].as_str().is_some_and(|it| it.contains("upload-artifact")));
    let paths = uploads.filter_map(|step| step["with"]["path"].as_str());
    paths.flat_map(|path| path.lines().map(str::to_string).collect::<Vec<_>>()).collect()
}

/// GitLab and Jenkins as well: their files are no workflows, but they have lines of shell.
#[test]
fn what_other_servers_call_exists() {
    let blocks = blocks(&page("docs/ci.md"));
    for (server, tag) in [("GitLab CI", "yaml"), ("Jenkins", "groovy")] {
        let of: Vec<_> = blocks.iter().filter(|block| block.heading == server && block.tag == tag).collect();
        assert_eq!(of.len(), 1, "{server} has one example");
        let mut commands = BTreeSet::new();
        for line in of[0].text.lines() {
            for arguments in in_line(line) {
                assert_eq!(parses(&arguments), Ok(()), "{server}: {line}");
                commands.insert(arguments[0].clone());
            }
        }
        assert!(commands.contains("gameday") && commands.contains("report"), "{server}: {commands:?}");
        if tag == "yaml" {
            let read: serde_json::Value = serde_yaml::from_str(&of[0].text).expect("YAML");
            for (name, job) in read.as_object().expect("jobs") {
                let stage = job.get("stage").and_then(|stage| stage.as_str());
                let stages = read["stages"].as_array().expect("stages");
                assert!(stage.is_none_or(|stage| stages.iter().any(|known| known == stage)), "{name}: {stage:?}");
                let needs = job.get("needs").and_then(|needs| needs.as_array()).cloned().unwrap_or_default();
                for needed in &needs {
                    let needed = needed.as_str().or(needed["job"].as_str()).expect("a job");
                    assert!(read.get(needed).is_some(), "{name} needs {needed}, and there is no such job");
                }
            }
        }
    }
}

#[test]
fn these_tests_find_what_they_look_for() {
    let of = |line: &str| in_line(line).into_iter().map(|arguments| arguments.join(" ")).collect::<Vec<_>>();
    assert_eq!(of("- firedrill gameday x --shard \"$A/${B}\" || firedrill sweep"), ["gameday x --shard 1/1", "sweep"]);
    assert_eq!(of("sh 'firedrill report in --markdown - > x.md'"), ["report in --markdown -"]);
    assert_eq!(of("- run: firedrill check # all of it"), ["check"]);
    assert_eq!(of("firedrill gameday x ${A:+--retry \"$A\"} --no-color"), ["gameday x --retry 1 --no-color"]);
    assert!(parses(&["gameday".into(), "x".into(), "--no-such".into()]).is_err());
    assert!(parses(&["report".into(), "--no-such".into()]).is_err());
    let wrong = "on: push\njobs:\n  a: { runs-on: x, steps: [{ run: x, uses: y }], needs: 1 }\n";
    assert!(serde_yaml::from_str::<Workflow>(wrong).is_err());
}

/// What a script of this file, which has this in it, writes after these definitions, and how it ends.
fn run_script(file: &str, has: &str, defined: &str, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let is_it = |(place, run): &(String, String)| place.starts_with(file) && run.contains(has);
    let (_, script) = all_scripts().into_iter().find(is_it).expect("a script");
    let dir = tempfile::tempdir().expect("a directory");
    let mut bash = std::process::Command::new("bash");
    // As runners start it.
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &format!("{defined}\n{script}")]);
    let output = bash.current_dir(dir.path()).envs(env.iter().copied()).output().expect("bash");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_string())
}

#[test]
fn the_action_runs_a_control_only_where_that_is_asked_for() {
    let drilled = |control: &str| {
        let env = [("CONTROL", control), ("OUT", "out"), ("SCENARIO", "db-pool"), ("RUNNER_TEMP", "/none")];
        let shows = "firedrill() { [ \"$1\" = doctor ] || echo \"$@\"; }";
        run_script("action.yml", "firedrill scenario", shows, &env)
    };
    for (typed, control) in [("true", "--control "), ("false", ""), ("", "")] {
        let arguments = format!("scenario {control}--no-color --out=out --junit=out/junit.xml -- db-pool");
        assert_eq!(drilled(typed), (Some(0), arguments), "{typed:?}");
    }
    assert_eq!(drilled("yes"), (Some(2), "::error::control is true or false, and not yes".to_string()));
}

/// What the first attempt of a run of CI has found out goes on in the second one, before that of earlier runs.
#[test]
fn evidence_of_an_earlier_attempt_goes_on() {
    let goes_on = |attempt: &str| {
        let env = [("GITHUB_RUN_ATTEMPT", attempt), ("GITHUB_RUN_ID", "8"), ("GH_REPO", "a/b"), ("WORKFLOW", "w")];
        let gh = "gh() { case \"$1 $2\" in 'run list') echo 7 ;; 'run download') ;; *) echo false ;; esac; }";
        run_script("dr.yml", "gh run list", gh, &[&env[..], &[("BRANCH", "main")]].concat())
    };
    assert_eq!(goes_on("1"), (Some(0), "evidence of run 7 goes on".to_string()));
    assert_eq!(goes_on("2"), (Some(0), "evidence of run 8 goes on".to_string()));
}

/// A release has what the action downloads, under the same names.
#[test]
fn the_action_downloads_what_a_release_has() {
    let (release, action) = (page(".github/workflows/release.yml"), page("action.yml"));
    for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        assert!(release.contains(&format!("target: {target},")) && action.contains(&format!("target={target} ")));
    }
    assert!(release.contains("-czf \"out/firedrill-$TAG-$TARGET.tar.gz\"") && release.contains("> SHA256SUMS"));
    assert!(action.contains("name=firedrill-$VERSION-$target") && action.contains("--pattern SHA256SUMS"));
    assert!(
        action.contains("--check --ignore-missing --strict SHA256SUMS") && action.contains("gh attestation verify")
    );
}
