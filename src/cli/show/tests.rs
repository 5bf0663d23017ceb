//! `firedrill show` on runbooks of every shape, our own included.

use super::text::text;
use super::*;
use crate::cli::run::services;
use crate::runbook::{Handling, RunbookPhase};
use crate::spec::project_files;
use std::collections::BTreeSet;

fn folder(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = project_files(root, name, &["md"]);
    assert!(!files.is_empty(), "{name} is empty");
    files
}

/// The steps and the mistakes of a file, the path shown as in the repository.
fn shown(path: &Path) -> (View, String) {
    let short = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
    let source = Source::new(short, std::fs::read_to_string(path).unwrap());
    let mut diags = Diagnostics::default();
    let runbook = runbook::parse(&source, &mut diags).unwrap();
    let view = View { runbook, respond: None, plan: None };
    let text = format!("{}{}", text(&view).0, render(&diags, false));
    (view, text)
}

#[test]
fn runbooks_of_every_shape_are_read_as_a_person_reads_them() {
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_string();
    for path in folder("tests/runbooks") {
        insta::assert_snapshot!(name(&path), shown(&path).1);
    }
    // Of our own how many commands each step of each phase has.
    let mut own = String::new();
    for path in folder("runbooks") {
        own.push_str(&format!("{}:", name(&path)));
        let mut phase = None;
        for step in &shown(&path).0.runbook.steps {
            if phase.replace(step.phase) != Some(step.phase) {
                own.push_str(&format!(" {}", step.phase.name()));
            }
            own.push_str(&format!(" {}", step.commands().len()));
        }
        own.push('\n');
    }
    insta::assert_snapshot!("our-own", own);
}

#[test]
fn our_own_runbooks_have_no_mistakes_and_a_mitigation() {
    for path in folder("runbooks") {
        let (view, text) = shown(&path);
        assert!(!text.contains("error:"), "{text}");
        let mitigations = view.runbook.select(&[RunbookPhase::Mitigate]).filter(|step| !step.commands().is_empty());
        assert!(mitigations.count() > 0);
    }
}

#[test]
fn json_says_the_same() {
    let path = folder("tests/runbooks").into_iter().find(|path| path.ends_with("prompts.md")).unwrap();
    let (view, _) = shown(&path);
    let json = json::of(&view);
    insta::assert_snapshot!("prompts.json", crate::view::testing::shape(&json));
    let steps = json["steps"].as_array().unwrap();
    assert_eq!(steps.len(), view.runbook.steps.len());
    for (told, step) in steps.iter().zip(&view.runbook.steps) {
        assert_eq!(told["title"], step.title.as_str());
        let text = told.to_string();
        for command in step.commands() {
            assert!(text.contains(&serde_json::Value::from(command.text.as_str()).to_string()), "{text}");
        }
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_right_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let message = |name: &str| {
        let error = read(Path::new(name), root).unwrap_err();
        error.to_string().replace(env!("CARGO_MANIFEST_DIR"), "")
    };
    let near = "error: there is no file `runbooks/db-pol.md`\nhelp: did you mean `db-pool`?";
    assert_eq!(format!("error: {}", message("runbooks/db-pol.md")), near);
    insta::assert_snapshot!("wrong-name", message("nothing-like-it"));
    assert!(read(Path::new("db-pool"), root).is_ok());
    let folder = root.join("runbooks");
    assert!(read(&folder, root).unwrap_err().to_string().contains("it is a directory"));
}

#[test]
fn a_terminal_is_not_obeyed() {
    let source = Source::new("x.md", "# A \u{1b}[2J\n\n## Fix\n\n```sh\nls \u{7}\n```\n");
    let runbook = runbook::parse(&source, &mut Diagnostics::default()).unwrap();
    let text = text(&View { runbook, respond: None, plan: None }).0;
    assert!(!text.contains(['\u{1b}', '\u{7}']) && text.contains("ls"), "{text}");
}

/// A project in which a scenario follows the runbook of annotations.
fn annotated() -> (tempfile::TempDir, View) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runbook = std::fs::read_to_string(root.join("tests/runbooks/annotations.md")).unwrap();
    let scenario = "title: T\nstack: ../compose.yaml\nrunbook: ../runbooks/annotations.md\n\
        load: { l: { request: GET http://shop/, rate: 50/s } }\n\
        slis: { ok: { load: l, good: status < 500, objective: 90% } }\nfaults: [ container_kill: { service: shop } ]\n\
        recover: { within: 9s }\nclients: { sql: { service: db, command: psql } }\n\
        respond: { phases: [mitigate], vars: { TOKEN: hunter2, HOLDER: 4711 } }\nsteps:\n  take-back:\n    run: |\n      curl -H \"<token>\" http://shop/in\n      curl http://shop/<gone>\n    retry: 3/500ms\n  book: { skip: the book is out }\n";
    project(&runbook, scenario)
}

fn project(runbook: &str, scenario: &str) -> (tempfile::TempDir, View) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("compose.yaml", "services: { shop: { image: x }, db: { image: x }, ops: { image: x } }\n"),
        ("runbooks/annotations.md", runbook),
        ("scenarios/s.yaml", scenario),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let globals = super::super::Globals { project: dir.path().to_path_buf(), ..globals() };
    let mut diags = Diagnostics::default();
    let view = followed("s", &globals, &mut diags).unwrap();
    assert!(!diags.has_errors(), "{}", render(&diags, false));
    (dir, view.unwrap())
}

fn globals() -> super::super::Globals {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        globals: super::super::Globals,
    }
    <Line as clap::Parser>::parse_from(["firedrill"]).globals
}

#[test]
fn a_scenario_shows_what_it_makes_of_a_runbook() {
    let (dir, view) = annotated();
    let text = text(&view).0.replace(&format!("{}/", dir.path().display()), "");
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!("followed", text);
}

/// The paths of all fields: `steps[].commands[].text`.
fn fields(value: &serde_json::Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                out.insert(path.clone());
                fields(value, &path, out);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{path}[]"), out)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_json_is_described() {
    let (_dir, view) = annotated();
    let mut real = BTreeSet::new();
    fields(&json::of(&view), "", &mut real);
    let by_hand = folder("tests/runbooks").into_iter().find(|path| path.ends_with("by-hand.md")).unwrap();
    fields(&json::of(&shown(&by_hand).0), "", &mut real);
    // Replaced commands are commands.
    real.retain(|path| !path.starts_with("steps[].replaced.commands[]"));
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks.md")).unwrap();
    let section = page.split("## The JSON of `show`\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let told: BTreeSet<String> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_string).collect();
    assert_eq!(told, real);
    assert!(real.len() > 40 && real.contains("steps[].replaced.line"));
}

/// A runbook that is followed alone.
const ALONE: &str = "\
# Shop

## Mitigation

### Step 1: Look

<!-- firedrill: in=db capture=POD timeout=5s -->
```bash
echo web-1
```

### Step 2: Restart

<!-- firedrill: retry=3/2s expect=/ok/ -->
```bash
restart <pod> --token <api-token>
echo <zone>
```

<!-- firedrill: skip=\"no cloud here\" -->
```bash
cloud <account>
```

### Step 3: Tell

By telephone.
";

fn dry(vars: &[(&str, &str)]) -> (String, bool) {
    let runbook = accepted(ALONE);
    let mut respond = Respond::alone(None, None, None);
    vars.iter().for_each(|(name, value)| respond.give(name, value));
    assert_eq!(services(&runbook, &respond), BTreeSet::from(["db".to_string()]));
    as_followed(&runbook, &respond)
}

/// A runbook of which every command is accepted.
fn accepted(text: &str) -> Runbook {
    let mut runbook = runbook::parse(&Source::new("shop.md", text), &mut Diagnostics::default()).unwrap();
    for step in &mut runbook.steps {
        step.commands_mut().iter_mut().for_each(|command| command.handling = Handling::Run("accepted".into()));
    }
    runbook
}

#[test]
fn what_would_run_is_shown_with_its_place_and_its_inputs_and_without_secrets() {
    let (text, blocked) = dry(&[("api-token", "hunter22"), ("zone", "eu 1")]);
    assert!(!blocked && !text.contains("hunter22"), "{text}");
    for line in [
        "           in `db` timeout=5s capture=POD",
        "        9  echo web-1",
        "           in the toolbox timeout=30s retry=3/2s expect=/ok/",
        "       16  restart '<pod>' --token '***'",
        "       17  echo 'eu 1'",
        "    skipped: no cloud here",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line:?} is not in\n{text}");
    }
    assert!(text.contains("    for a person: "), "{text}");
}

#[test]
fn what_a_service_may_have_of_its_own_blocks_nothing() {
    let text = "# Shop\n\n## Mitigation\n\n### Step 1: Look <!-- firedrill: in=db -->\n\n```bash\necho \"$POSTGRES_USER\"\n```\n";
    let (shown, blocked) = as_followed(&accepted(text), &Respond::alone(None, None, None));
    assert!(!blocked, "{shown}");
    assert!(shown.contains("$POSTGRES_USER  line 8  has no value here: its service must have it"), "{shown}");
    let elsewhere = text.replace(" <!-- firedrill: in=db -->", "");
    assert!(as_followed(&accepted(&elsewhere), &Respond::alone(None, None, None)).1);
}

#[test]
fn an_input_without_a_value_is_told_and_so_is_what_nobody_has_accepted() {
    let (text, blocked) = dry(&[("zone", "eu")]);
    assert!(blocked);
    assert!(text.contains("  restart <pod> --token <api-token>"), "{text}");
    assert!(text.contains("blocked: <api-token> has no value (--var api_token=…)"), "{text}");
    let open =
        runbook::parse(&Source::new("shop.md", "# A\n\n## Fix\n\n```sh\nls\n```\n"), &mut Diagnostics::default());
    let (text, blocked) = as_followed(&open.unwrap(), &Respond::alone(None, None, None));
    assert!(blocked && text.contains("looks; open: nobody has accepted this command"), "{text}");
}
