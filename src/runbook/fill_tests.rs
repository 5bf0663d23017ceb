//! Inputs filled into commands: quoted for their place, so that bash reads back exactly the value; nothing runs while one
//! is missing.

use super::*;
use crate::runbook::{RunbookPhase, parse};
use crate::source::{Diagnostics, Source};
use proptest::prelude::*;

fn command(block: &str) -> Command {
    let source = Source::new("r.md", format!("# R\n\n## Mitigation\n\n```bash\n{block}\n```\n"));
    let runbook = parse(&source, &mut Diagnostics::default()).unwrap();
    runbook.steps[0].commands()[0].clone()
}

fn fill(block: &str, value: &str) -> String {
    command(block).fill(|_| Some(value.to_string())).unwrap()
}

/// Places of a placeholder, each in a command that prints it.
const PLACES: &[&str] = &[
    "printf %s <x>",
    "printf %s 'x'<x>''",
    "printf %s \"<x>\"",
    "printf %s '<x>'",
    "printf %s $'<x>'",
    "cat <<EOF\n<x>\nEOF",
    "cat <<'EOF'\n<x>\nEOF",
    "printf %s \"$(printf %s <x>)\"",
    "printf %s \"$(printf %s '<x>')\"",
    "printf %s `printf %s '<x>'`",
    "V=<x>\nprintf %s \"$V\"",
    "printf %s {{x}}",
    "printf %s YOUR_X",
    "# it's\nprintf %s '<x>'",
    "printf %s \"${NOPE:-<x>}\"",
    "printf %s ${NOPE:-'<x>'}",
    "printf %s \"${NOPE:-\"<x>\"}\"",
    "printf %s \"$<x>\"",
    "printf %s $<x>",
    "printf %s \"${<x>}\"",
    "V=; printf %s \"$V<x>\"",
    "V=; printf %s $V<x>",
    "A=(a <x>); printf %s \"${A[1]}\"",
    "case <x> in *) printf %s <x>;; esac",
    "printf %s \"$(cat <<EOF\n<x>\nEOF\n)\"",
    "f() { printf %s \"$1\"; }; f <x>",
    "printf %s \\\\\\\\<x> | cut -c 2-",
];

#[test]
fn values_are_quoted_for_their_place() {
    assert_eq!(fill("echo <x>", "web-1"), "echo web-1");
    assert_eq!(fill("echo <x>", "a b"), "echo 'a b'");
    assert_eq!(fill("echo <x>", ""), "echo ''");
    assert_eq!(fill("echo <x>", "it's"), r"echo 'it'\''s'");
    assert_eq!(fill("echo \"n: <x>\"", "$(rm) \"`\\"), r#"echo "n: \$(rm) \"\`\\""#);
    assert_eq!(fill("echo 'n: <x>'", "it's $HOME"), r"echo 'n: it'\''s $HOME'");
    assert_eq!(fill("cat <<EOF\n<x>\nEOF", "$A \"b\""), "cat <<EOF\n\\$A \"b\"\nEOF");
    assert_eq!(fill("cat <<'EOF'\n<x>\nEOF", "$A"), "cat <<'EOF'\n$A\nEOF");
    // The text of a here-document may have its delimiter; a value may not bring one.
    let query = |value: &str| {
        command("psql <<END\n(CASE WHEN a THEN b\nEND) FROM t\nWHERE id = <x>;\nEND").fill(|_| Some(value.into()))
    };
    assert!(query("5").is_ok() && query("5;\nEND").is_err());
    assert_eq!(fill("for x in <x>; do echo $x; done", "a\nb $c"), "for x in a 'b $c'; do echo $x; done");
    assert_eq!(fill("for x in \"<x>\"; do echo $x; done", "a\nb"), "for x in \"a\nb\"; do echo $x; done");
    assert_eq!(fill("svc/<name>-rw <name>", "shop"), "svc/shop-rw shop");
}

#[test]
fn a_missing_input_blocks_a_command() {
    let source = Source::new("r.md", "# R\n\n## Fix\n\n### Step 1\n\n```sh\necho ok\necho <pod-name> $TOKEN\n```\n");
    let runbook = parse(&source, &mut Diagnostics::default()).unwrap();
    let step = &runbook.steps[0];
    assert_eq!(step.phase, RunbookPhase::Mitigate);
    let command = &step.commands()[1];
    let missing = command.fill(|name| (name == "token").then(|| "t".to_string())).unwrap_err();
    assert_eq!(missing.iter().map(|i| (i.spelling.as_str(), i.line)).collect::<Vec<_>>(), [("<pod-name>", 9)]);
    let missing = command.fill(|_| None).unwrap_err();
    assert_eq!(missing.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["pod_name", "token"]);
    let all = |name: &str| Some(format!("{name}!"));
    assert_eq!(command.fill(all).unwrap(), "echo 'pod_name!' $TOKEN");
    assert_eq!(runbook.env(all), [("TOKEN".to_string(), "token!".to_string())]);
}

#[test]
fn variables_set_by_a_step_left_out_are_inputs() {
    let source =
        Source::new("r.md", "# R\n\n## Diagnosis\n\n```sh\nPOD=$(x)\n```\n\n## Mitigation\n\n```sh\nkill $POD\n```\n");
    let runbook = parse(&source, &mut Diagnostics::default()).unwrap();
    assert_eq!(runbook.steps[1].commands()[0].inputs, []);
    let alone = runbook.only(|step| step.phase == RunbookPhase::Mitigate);
    assert_eq!(alone.steps[0].commands()[0].inputs[0].name, "pod");
    assert_eq!(alone.steps[0].manual, None);
}

/// Runs each script in a bash of its own, all of them below one: what each printed.
fn printed(scripts: &[String]) -> Vec<String> {
    let script = r#"for script; do bash --norc -c "$script"; printf '\0'; done"#;
    let mut bash = std::process::Command::new("bash");
    let output = bash.args(["--norc", "-c", script, "bash"]).args(scripts).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split('\0').map(str::to_string).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The judge is bash itself: whatever the value and wherever it stands, it prints exactly that.
    #[test]
    fn bash_reads_the_value_back(value in "[ -~é]{0,12}|[$`'\"\\\\{}()!*a ]{0,6}|(HOME|\\(id\\)|>\\(|a<\\(id\\)|\\{HOME\\}|'a'|#|~|-n)") {
        // A line of the here-document that is its delimiter would end it.
        prop_assume!(value != "EOF");
        // Command substitution removes blanks of an unquoted word, as it does for the reader.
        let odd = value.contains([' ', '*', '?', '[']);
        let places: Vec<&str> = PLACES.iter().copied().filter(|place| !odd || !place.contains('`')).collect();
        let filled = |place: &&str| {
            let source = Source::new("r.md", format!("## Fix\n\n```bash\n{place}\n```\n"));
            let runbook = parse(&source, &mut Diagnostics::default()).unwrap();
            let commands = runbook.steps[0].commands().iter();
            commands.map(|command| command.fill(|_| Some(value.clone())).unwrap()).collect::<Vec<_>>().join("\n")
        };
        let scripts: Vec<String> = places.iter().map(filled).collect();
        let printed = printed(&scripts);
        prop_assert_eq!(printed.len(), places.len() + 1);
        for ((place, script), printed) in places.iter().zip(&scripts).zip(&printed) {
            let ends = place.starts_with("cat") || place.contains("cut");
            let printed = if ends { printed.strip_suffix('\n').unwrap_or(printed) } else { printed };
            let before = if place.contains("'x'<x>") { "x" } else if place.contains("cut") { "\\" } else { "" };
            prop_assert_eq!(printed, format!("{before}{value}"), "{}", script);
        }
    }
}

#[test]
fn what_no_quoting_reaches_is_no_input() {
    assert_eq!(command(r"echo \<x> \YOUR_X \{{x}} \\<x>").inputs.len(), 1);
    assert_eq!(fill("echo \"$<x>\" $$<x> \\$<x>", "HOME"), "echo \"HOME\" $$HOME \\$HOME");
    assert_eq!(command("echo $<x>").env_inputs().count(), 0);
}
