//! The documentation is held to the program: links lead somewhere, commands parse, examples load, excerpts are the code,
//! and every key, fault, verdict, event and exit code is described.

mod gamedays;
mod pages;
mod scenarios;
mod workflows;

use firedrill::error::Exit;
use firedrill::faults::Fault;
use firedrill::record::{Stamped, Verdict};
use firedrill::source::{Diagnostics, Severity, Source};
use pages::{anchors, blocks, commands, firedrill, first_cells, markdown, page, pages, root, words};
use pulldown_cmark::{Event, Tag};
use scenarios::project;
use std::collections::BTreeSet;

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for (name, text) in pages() {
        let folder = root().join(&name).parent().expect("a folder").to_path_buf();
        for event in markdown(&text) {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
            if dest_url.starts_with("http://") || dest_url.starts_with("https://") || dest_url.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = dest_url.split_once('#').unwrap_or((&dest_url, ""));
            let target = if path.is_empty() { root().join(&name) } else { folder.join(path) };
            assert!(target.exists(), "{name}: the link {dest_url} leads nowhere");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).expect("a page");
                assert!(anchors(&text).contains(anchor), "{name}: {dest_url}: there is no heading of that name");
            }
        }
    }
    assert!(links >= 20, "only {links} relative links: does this test still see them?");
}

/// Whatever comes before `--help` is parsed as it stands; then the help ends the program before anything is done.
#[test]
fn every_command_parses() {
    let mut tried = BTreeSet::new();
    for (name, text) in pages() {
        for arguments in commands(&text) {
            // The inner ones run in containers and are hidden.
            if !tried.insert(arguments.clone()) || matches!(arguments[0].as_str(), "agent" | "shell") {
                continue;
            }
            assert_eq!(workflows::parses(&arguments), Ok(()), "{name}: firedrill {}", arguments.join(" "));
        }
    }
    assert!(tried.len() >= 15, "only {tried:?}");
    let output = firedrill().args(["scenario", "x", "--no-such", "--help"]).output().expect("firedrill runs");
    assert!(!output.status.success(), "then this test would find nothing");
}

/// Every subcommand that people see is on the page of the commands.
#[test]
fn every_subcommand_is_shown() {
    let help = firedrill().arg("--help").output().expect("firedrill runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let section = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("commands");
    let listed = section.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).filter(|n| *n != "help").collect();
    assert!(names.len() >= 6, "{names:?}");
    let shown = commands(&page("docs/commands.md"));
    for name in names {
        assert!(
            shown.iter().any(|arguments| arguments[0] == name),
            "docs/commands.md does not show `firedrill {name}`"
        );
    }
}

#[test]
fn every_target_of_make_exists() {
    let makefile = page("Makefile");
    let readme = blocks(&page("README.md")).into_iter().map(|block| block.text).collect::<String>();
    let mut targets = 0;
    for line in readme.lines() {
        if let [make, target, ..] = words(line).as_slice()
            && make == "make"
        {
            targets += 1;
            assert!(makefile.lines().any(|l| l.starts_with(&format!("{target}:"))), "there is no `make {target}`");
        }
    }
    assert!(targets >= 2, "the README has the two commands that do all the set-up");
}

/// Excerpts of code are excerpts, letter by letter.
#[test]
fn excerpts_are_the_code() {
    let mut files = BTreeSet::new();
    for (name, text) in pages() {
        for block in blocks(&text) {
            let Some(file) = block.comment.strip_prefix("from:").map(str::trim) else {
                assert!(block.tag != "rust", "{name}: an excerpt that does not say where it is from:\n{}", block.text);
                continue;
            };
            let whole = page(file);
            assert!(whole.contains(&block.text), "{name}: this is not in {file} (any more):\n{}", block.text);
            files.insert(file.to_string());
        }
    }
    for room in ["src/faults/", "src/slis/", "src/report/", "src/lint/"] {
        assert!(files.iter().any(|file| file.starts_with(room)), "no excerpt of {room}: {files:?}");
    }
}

#[test]
fn every_verdict_is_described() {
    let all: BTreeSet<String> = Verdict::ALL.map(|verdict| verdict.name().to_string()).into();
    assert_eq!(first_cells(&page("docs/scenario.md"), "Verdicts"), all);
    let section = page("docs/scenario.md");
    let expectable = section.lines().find(|line| line.starts_with("| `verdict` |")).expect("the key `verdict`");
    for verdict in Verdict::ALL {
        assert_eq!(
            expectable.contains(&format!("`{verdict}`")),
            verdict.is_harness(),
            "{verdict} and what can be expected"
        );
    }
}

#[test]
fn every_fault_is_described() {
    let all: BTreeSet<String> = Fault::KINDS.iter().map(|kind| kind.to_string()).collect();
    assert_eq!(first_cells(&page("docs/scenario.md"), "`faults`"), all);
    let changelog = page("CHANGELOG.md");
    for kind in all {
        assert!(changelog.contains(&format!("`{kind}`")), "{kind} is not in CHANGELOG.md");
    }
}

#[test]
fn every_preset_is_described() {
    let all: BTreeSet<String> = firedrill::faults::Preset::shipped().iter().map(|preset| preset.name.clone()).collect();
    assert_eq!(first_cells(&page("docs/faults.md"), "What ships"), all);
}

/// The table of rules is that of the program: ids, levels, titles.
#[test]
fn every_rule_of_lint_is_described() {
    use firedrill::lint::RULES;
    let docs = page("docs/lint.md");
    let rows: Vec<&str> = docs.lines().filter(|line| line.starts_with("| RB")).collect();
    let expected: Vec<String> = RULES
        .iter()
        .map(|rule| format!("| {} | {} | {} |", rule.id, rule.level.map_or("off", Severity::name), rule.title))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_event_is_described() {
    let unknown = r#"{"seq":0,"at_us":0,"event":{"type":"?"}}"#;
    let error = serde_json::from_str::<Stamped>(unknown).expect_err("there is no such event").to_string();
    let (_, variants) = error.split_once("expected one of ").expect("the list of events");
    let all: BTreeSet<String> = variants.split('`').skip(1).step_by(2).map(str::to_string).collect();
    assert!(all.contains("announced") && all.len() >= 25, "{all:?}");
    assert_eq!(first_cells(&page("docs/record.md"), "`events.jsonl`"), all);
}

#[test]
fn the_files_of_a_run_are_described() {
    let described = first_cells(&page("docs/record.md"), "The record of a drill");
    for file in ["events.jsonl", "record.json", "junit.xml", "logs/", "files/", "ledger.jsonl", "lock", "kept"] {
        assert!(described.contains(file), "{file}");
    }
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let all = [Exit::Passed, Exit::Failed, Exit::Usage, Exit::Harness, Exit::Interrupted];
    let known = |exit: Exit| match exit {
        // A new one makes this fail to compile: put it into `all` as well.
        Exit::Passed | Exit::Failed | Exit::Usage | Exit::Harness | Exit::Interrupted => exit.code(),
    };
    let all: BTreeSet<u8> = all.map(known).into();
    for (name, heading) in [("docs/commands.md", "Exit codes"), ("docs/ci.md", "Exit codes")] {
        let text = page(name);
        let section = text.split(&format!("## {heading}\n")).nth(1).and_then(|rest| rest.split("\n## ").next());
        let rows = section.expect("the section").lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
        let codes: BTreeSet<u8> = rows.filter_map(|cell| cell.parse().ok()).collect();
        assert_eq!(codes, all, "{name}");
    }
}

/// The example of a runbook is read as the page says.
#[test]
fn the_runbook_is_read_as_its_page_says() {
    let project = project();
    let blocks = blocks(&page("docs/runbooks.md"));
    let of = |prefix: &str| {
        let block = blocks.iter().find(|block| block.comment.starts_with(prefix)).expect(prefix);
        (block.comment[prefix.len()..].trim().to_string(), block.text.clone())
    };
    let (path, runbook) = of("runbook:");
    std::fs::write(project.path().join(&path), &runbook).expect("a runbook");
    let (command, expected) = of("output: firedrill");
    let output = firedrill().args(words(&command)).current_dir(project.path()).output().expect("firedrill runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim_end(), expected.trim_end(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The phases of a runbook, in the page about runbooks and in the one about scenarios.
#[test]
fn every_phase_is_described() {
    use firedrill::runbook::RunbookPhase;
    let all: BTreeSet<String> = RunbookPhase::ALL.map(|phase| phase.name().to_string()).into();
    assert_eq!(first_cells(&page("docs/runbooks.md"), "Phases"), all);
    let scenario = page("docs/scenario.md");
    assert!(all.iter().all(|phase| scenario.contains(&format!("`{phase}`"))));
}

/// Every word of the table of phases does name its phase.
#[test]
fn headings_stand_for_the_phases_that_are_described() {
    let docs = page("docs/runbooks.md");
    let rows = docs.lines().skip_while(|line| !line.starts_with("| phase | some")).skip(2);
    let mut tried = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let phase = cells[0].trim_matches('`');
        for word in cells[1].split(',').map(|word| word.trim().trim_end_matches('…').trim()) {
            if phase == "other" {
                continue;
            }
            tried += 1;
            let text = format!("# Title\n\n## {word}\n\n### Step 1: Look\n\n```bash\ncurl http://x\n```\n");
            let mut diags = Diagnostics::default();
            let runbook = firedrill::runbook::parse(&Source::new("r.md", text), &mut diags).expect("a runbook");
            assert_eq!(runbook.steps[0].phase.name(), phase, "{word}");
        }
    }
    assert!(tried >= 30, "only {tried}");
}

/// By the program's own rule.
#[test]
fn pages_are_finished() {
    use firedrill::lint::{Config, Project, run};
    let paths: Vec<_> = pages().into_iter().map(|(name, _)| root().join(name)).collect();
    let found = run(&paths, &Project { root: root(), ..Project::default() }, &Config::default());
    let unfinished: Vec<_> = found.all.iter().filter(|finding| finding.code == Some("RB107")).collect();
    assert!(paths.len() >= 8 && unfinished.is_empty(), "{unfinished:?}");
}

#[test]
fn the_limits_name_every_kind_of_fault() {
    let page = page("docs/limits.md");
    let (_, limits) = page.split_once("\n- **Faults** are").expect("a paragraph about faults");
    let limits = limits.split("\n- **").next().expect("its text");
    for kind in Fault::KINDS {
        assert!(limits.contains(&format!("`{kind}`")), "docs/limits.md: {kind} is not named");
    }
}
