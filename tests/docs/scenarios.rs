//! The page about scenarios: its examples load, its tables have every key and the right defaults.

use crate::pages::{Block, blocks, first_cells, page, root};
use firedrill::faults::Fault;
use firedrill::source::{Diagnostics, Severity};
use firedrill::spec::{self, Overrides};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A project in a temporary folder with the stack and the runbooks of this one.
pub fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for folder in ["stacks/checkout", "runbooks", "scenarios"] {
        std::fs::create_dir_all(dir.path().join(folder)).expect("a directory");
    }
    for file in ["stacks/checkout/compose.yaml", "runbooks/db-pool.md", "runbooks/db-pool.reading.yaml"] {
        std::fs::copy(root().join(file), dir.path().join(file)).expect("a copy");
    }
    std::fs::write(dir.path().join("scenarios/ops.env"), "PGDATABASE=shop\n").expect("a file");
    dir
}

/// What is wrong with a scenario of that project, with the help.
fn told(project: &Path, yaml: &str) -> Diagnostics {
    let path = project.join("scenarios/example.yaml");
    std::fs::write(&path, yaml).expect("a scenario");
    spec::load(&path, &Overrides::default()).1
}

/// The top-level entries of a scenario, each with its lines.
fn entries(yaml: &str) -> BTreeMap<String, String> {
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let mut key = String::new();
    for line in yaml.lines() {
        if !line.starts_with([' ', '#']) && line.contains(':') {
            key = line.split(':').next().unwrap_or_default().to_string();
        }
        let entry = entries.entry(key.clone()).or_default();
        entry.push_str(line);
        entry.push('\n');
    }
    entries
}

fn examples() -> Vec<Block> {
    blocks(&page("docs/scenario.md")).into_iter().filter(|block| block.tag == "yaml").collect()
}

/// A whole scenario loads as it stands, a part of one in the place of the same keys of the whole one.
#[test]
fn the_examples_of_scenarios_load() {
    let project = project();
    let examples = examples();
    let whole = examples.first().expect("a whole scenario").text.clone();
    assert!(whole.starts_with("title:"), "the first example is whole");
    assert!(examples.len() >= 6, "only {} examples", examples.len());
    for example in examples {
        let part = entries(&example.text);
        let mut merged = entries(&whole);
        merged.extend(part.clone());
        if part.get("impact").is_some_and(|impact| impact.contains("none")) {
            for key in ["runbook", "respond", "detect", "rto", "recover"] {
                merged.remove(key);
            }
        }
        if part.contains_key("slis") && !part.contains_key("impact") {
            merged.remove("impact");
        }
        // A variable that every environment has stands for the one that only a team's has.
        let yaml: String = merged.into_values().collect::<String>().replace("env: ONCALL_PASSWORD", "env: PATH");
        let yaml = yaml.replace("env: SHOP_PASSWORD", "env: PATH");
        let diags = told(project.path(), &yaml);
        let rendered = firedrill::source::render(&diags, false);
        let fine = diags.all.iter().all(|diag| diag.level == firedrill::source::Severity::Info);
        assert!(fine, "below `{}`:\n{}\n{rendered}", example.heading, example.text);
    }
}

#[test]
fn the_scenario_of_the_readme_loads() {
    let project = project();
    let blocks = blocks(&page("README.md"));
    let yaml =
        &blocks.iter().find(|block| block.tag == "yaml" && block.text.contains("\nfaults:")).expect("a scenario").text;
    let runbook = "# Orders\n\n## Mitigation\n\n```bash\ncurl -f \"http://$SERVICE:8080\"\n```\n";
    std::fs::write(project.path().join("runbooks/orders-slow.md"), runbook).expect("a runbook");
    let compose = "services:\n  orders: { image: orders }\n  cache: { image: cache }\n";
    std::fs::write(project.path().join("compose.yaml"), compose).expect("a stack");
    let diags = told(project.path(), yaml);
    assert!(diags.all.is_empty(), "{}", firedrill::source::render(&diags, false));
}

/// The keys of a map, as the reader of scenarios lists them when it meets one that it does not know.
fn keys(diags: &Diagnostics, unknown: &str) -> BTreeSet<String> {
    let wrong = format!("has no key `{unknown}`");
    let mistake = diags.all.iter().find(|d| d.level == Severity::Error && d.message.contains(&wrong));
    let mistake = mistake.unwrap_or_else(|| panic!("nobody minds `{unknown}`: {diags:?}"));
    let help = mistake.help.as_deref().unwrap_or_default();
    assert!(help.starts_with("there is "), "{help}");
    help.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// No more and no fewer keys are described than there are.
#[test]
fn every_key_of_a_scenario_is_described() {
    const UNKNOWN: &str = "qqqqqqqqqqqq";
    let project = project();
    let docs = page("docs/scenario.md");
    let whole = examples().first().expect("a whole scenario").text.clone();
    let with = |key: &str, value: &str| {
        let mut merged = entries(&whole);
        merged.insert(key.into(), format!("{key}: {value}\n"));
        told(project.path(), &merged.into_values().collect::<String>())
    };
    let it = format!("{{ {UNKNOWN}: 1 }}");
    let mut maps: Vec<(String, Diagnostics)> = vec![
        ("Top level".into(), with(UNKNOWN, "1")),
        ("`load`".into(), with("load", &format!("{{ checkout: {it} }}"))),
        ("`slis`".into(), with("slis", &format!("{{ availability: {it} }}"))),
    ];
    for key in ["stack", "steady", "impact", "detect", "respond", "recover", "revert", "expect"] {
        maps.push((format!("`{key}`"), with(key, &it)));
    }
    maps.push(("`steps`".into(), with("steps", &format!("{{ end-its-sessions: {it} }}"))));
    maps.push(("`ledger`".into(), with("ledger", &it)));
    maps.push(("`restore`".into(), with("restore", &it)));
    maps.push(("Probes".into(), with("restore", &format!("{{ content: {{ canary: {it} }} }}"))));
    maps.push(("`clients`".into(), with("clients", &format!("{{ sql: {it} }}"))));
    for kind in Fault::KINDS {
        maps.push((format!("`{kind}`"), with("faults", &format!("[ {{ {kind}: {it} }} ]"))));
    }
    maps.push(("Variables".into(), with("respond", &format!("{{ vars: {{ SERVICE: {it} }} }}"))));
    // A backup is asked by a probe that may say one thing more.
    let backup = keys(&with("restore", &format!("{{ backup: {it} }}")), UNKNOWN);
    for (section, diags) in maps {
        let mut known = keys(&diags, UNKNOWN);
        if section == "Probes" {
            known.extend(backup.clone());
        }
        let mut said = first_cells(&docs, &section);
        if section.starts_with("`http_") {
            said.extend(first_cells(&docs, "Requests"));
        }
        assert_eq!(said, known, "{section}");
    }
}

/// The third cell of the row of a key: its default.
fn default_of(section: &str, key: &str) -> String {
    let docs = page("docs/scenario.md");
    let mut lines = docs.lines().skip_while(|line| line.trim_start_matches('#').trim() != section).skip(1);
    let row = lines.find(|line| line.starts_with(&format!("| `{key}` |"))).unwrap_or_else(|| panic!("{section} {key}"));
    let cell = row.split(" | ").nth(2).unwrap_or_default();
    cell.split(',').next().unwrap_or_default().trim().trim_matches('`').to_string()
}

/// What a scenario leaves out is what the page says.
#[test]
fn defaults_are_those_of_the_program() {
    let project = project();
    let mut least = entries(&examples().first().expect("a whole scenario").text);
    for key in ["severity", "tags", "steady", "impact", "detect", "revert"] {
        least.remove(key);
    }
    least.insert("load".into(), "load: { checkout: { request: GET http://checkout:8080/, rate: 50/s } }\n".into());
    least.insert("recover".into(), "recover: { within: 30s }\n".into());
    // With a rate and an objective for which the default hold after the revert is long enough.
    let sli = "slis: { availability: { load: checkout, good: status < 500, objective: 99% } }\n";
    least.insert("slis".into(), sli.into());
    let path = project.path().join("scenarios/least.yaml");
    std::fs::write(&path, least.into_values().collect::<String>()).expect("a scenario");
    let (plan, diags) = spec::load(&path, &Overrides::default());
    let plan = plan.unwrap_or_else(|| panic!("{}", firedrill::source::render(&diags, false)));
    let durations = [
        ("`stack`", "up_within", plan.stack.up_within),
        ("`load`", "timeout", plan.loads[0].timeout),
        ("`steady`", "for", plan.steady_for),
        ("`steady`", "within", plan.steady_within),
        ("`impact`", "within", plan.impact.within),
        ("`impact`", "window", plan.impact.window),
        ("`respond`", "timeout", plan.respond.timeout),
        ("`recover`", "hold", plan.recover_hold),
        ("`revert`", "hold", plan.revert_hold),
    ];
    for (section, key, value) in durations {
        let said = default_of(section, key);
        assert_eq!(firedrill::source::parse_duration(&said), Ok(value), "{section} {key}: {said}");
    }
    assert_eq!(default_of("`impact`", "below"), plan.impact.below.to_string());
    assert_eq!(plan.loads[0].connections, 100, "rate × timeout");
    let phases: Vec<&str> = plan.respond.phases.iter().map(|phase| phase.name()).collect();
    assert!(page("docs/scenario.md").contains(&format!("| `phases` | list of phases | `[{}]` |", phases.join(", "))));
    assert_eq!(default_of("Top level", "expect"), plan.expect.name());
}

/// The files that ship are not exempt from what drills refuse: a page whose calls are refused fails, whatever it says.
#[test]
fn no_drill_of_the_repository_refuses_a_call_of_its_runbook() {
    for project in ["", "examples/postmortems"] {
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_firedrill"));
        let output = check.arg("check").current_dir(root().join(project)).output().expect("firedrill runs");
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("scenarios, "), "{said}");
        assert!(!said.contains("a drill refuses this call"), "{said}");
    }
}
