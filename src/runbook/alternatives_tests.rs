//! Which sections wait for somebody's choice, in runbooks of a few lines.

use crate::runbook::{Runbook, StepKind, parse};
use crate::source::{Diagnostics, Source};

fn read(text: &str) -> Runbook {
    parse(&Source::new("x.md", text), &mut Diagnostics::default()).unwrap()
}

/// `title: reason` of what is held, `title` of what runs.
fn steps(text: &str) -> Vec<String> {
    let told = |kind: &StepKind| match kind {
        StepKind::Manual(why) => format!(": {}", why.replace("conditional: ", "")),
        StepKind::Commands(_) => String::new(),
    };
    read(text).steps.iter().map(|step| format!("{}{}", step.title, told(&step.kind))).collect()
}

/// A section with one command.
fn section(heading: &str, command: &str) -> String {
    format!("{heading}\n\n```sh\n{command}\n```\n\n")
}

fn below(parent: &str, headings: &[&str]) -> Vec<String> {
    let text: String = headings.iter().map(|heading| section(&format!("### {heading}"), "shopctl mend")).collect();
    steps(&format!("# T\n\n{parent}\n\n{text}"))
}

#[test]
fn ways_that_are_counted_are_alternatives_and_steps_are_not() {
    assert_eq!(
        below("## Mitigation", &["Scenario 1: A", "Scenario 2: B"]),
        ["Scenario 1: A: “Scenario 1: A”", "Scenario 2: B: “Scenario 2: B”"]
    );
    assert_eq!(
        below("## Rollback", &["Path A — x", "Path B — y", "Look"]),
        ["Path A — x: “Path A — x”", "Path B — y: “Path B — y”", "Look"]
    );
    for two in [["Step 1: A", "Step 2: B"], ["Phase A", "Phase B"], ["Procedure 1", "Procedure 2"]] {
        assert_eq!(below("## Mitigation", &two), two);
    }
    assert_eq!(below("## Mitigation", &["Scenario 1: A", "Restart"]), ["Scenario 1: A", "Restart"]);
}

#[test]
fn the_same_preposition_names_alternatives() {
    assert_eq!(
        below("## Mitigation", &["From a snapshot", "From a replica"]).join(" "),
        "From a snapshot: “From a snapshot” From a replica: “From a replica”"
    );
    assert_eq!(below("## Mitigation", &["From a snapshot", "Via the API"]), ["From a snapshot", "Via the API"]);
}

#[test]
fn states_are_alternatives_where_people_mitigate() {
    assert_eq!(
        below("## Mitigation", &["Cache down", "Disk full", "Restart the cache"]),
        ["Cache down: “Cache down”", "Disk full: “Disk full”", "Restart the cache"]
    );
    assert_eq!(below("## Mitigation", &["1. Cache down", "2. Disk full"]), ["1. Cache down", "2. Disk full"]);
    assert_eq!(below("## Setup", &["Cache down", "Disk full"]), ["Cache down", "Disk full"]);
}

#[test]
fn problems_with_resolutions_of_their_own_are_alternatives() {
    let problem =
        |name: &str| format!("## {name}\n\n**Symptoms:** slow.\n\n**Resolution:**\n\n```sh\nshopctl mend\n```\n\n");
    let text = format!("# T\n\n{}{}", problem("1. Locked"), problem("2. Corrupt"));
    assert_eq!(steps(&text), ["Locked: Resolution: “1. Locked”", "Corrupt: Resolution: “2. Corrupt”"]);
    assert_eq!(read(&text).steps[0].id, "mitigate/locked-resolution");
    assert_eq!(steps(&format!("# T\n\n{}", problem("1. Locked"))), ["Locked: Resolution"]);
}

#[test]
fn what_a_section_is_used_for_is_its_condition_and_not_that_of_the_runbook() {
    let text = "# T\n\nUse this when it hangs.\n\n## Fix\n\nUse when nothing else helps.\n\n### Restore\n\nUse when: the data is gone.\n\n```sh\na\n```\n\nThen:\n\n```sh\nb\n```\n\n### Restart\n\n```sh\nc\n```\n";
    assert_eq!(steps(text), ["Restore: “Use when: the data is gone”", "Restart"]);
}

#[test]
fn a_choice_that_is_left_to_the_reader_is_one() {
    let text = format!(
        "# T\n\n## Fix\n\nChoose one of the following:\n\n{}{}",
        section("### Restart", "a"),
        section("### Rebuild", "b")
    );
    assert_eq!(steps(&text), ["Restart: “Restart”", "Rebuild: “Rebuild”"]);
}

#[test]
fn a_diagnosis_looks_and_does_not_change() {
    let text = "# T\n\n## Diagnosis\n\n### Look\n\n```sh\nkubectl get pods\nkubectl delete pod x\nshopctl look\n```\n";
    assert_eq!(steps(text), ["Look", "Look: it changes something, in a phase that only looks", "Look"]);
    assert_eq!(
        below("## Troubleshooting", &["Cache slow", "Disk slow"]),
        ["Cache slow: “Cache slow”", "Disk slow: “Disk slow”"]
    );
    let looks = section("### Cache slow", "df -h") + &section("### Disk slow", "df -i");
    assert_eq!(steps(&format!("# T\n\n## Troubleshooting\n\n{looks}")), ["Cache slow", "Disk slow"]);
}

#[test]
fn a_verification_before_the_mitigation_is_diagnosis() {
    let phases = |text: &str| read(text).steps.iter().map(|step| step.phase.name()).collect::<Vec<_>>();
    let (verify, fix) = (section("## Verification", "a"), section("## Mitigation", "b"));
    assert_eq!(phases(&format!("# T\n\n{verify}{fix}{verify}")), ["diagnose", "mitigate", "verify"]);
    assert_eq!(phases(&format!("# T\n\n{verify}")), ["verify"]);
}

#[test]
fn a_bold_label_is_a_heading_of_its_section() {
    let text = "# T\n\n## Diagnosis\n\n### Step 1: Slow cache\n\nLook first.\n\n```sh\nlook\n```\n\n**Resolution:** warm it up.\n\n```sh\nwarm\n```\n\n**Success criteria:** fast.\n\n**Verification:**\n\n1. Ask it.\n\n   ```sh\n   ask\n   ```\n\n**Impact:** none\n\n## Rollback\n\n```sh\nback\n```\n";
    let runbook = read(text);
    let told: Vec<_> = runbook.steps.iter().map(|step| (step.id.as_str(), step.commands().len(), step.line)).collect();
    assert_eq!(
        told,
        [
            ("diagnose/slow-cache", 1, 5),
            ("mitigate/slow-cache-resolution", 1, 13),
            ("verify/ask-it", 1, 23),
            ("rollback/rollback", 1, 33)
        ]
    );
}

#[test]
fn faults_of_one_kind_are_alternatives_below_an_answer_to_them() {
    let two = ["Password leak", "Token leak (web)"];
    assert_eq!(
        below("## Leak response", &two),
        ["Password leak: “Password leak”", "Token leak (web): “Token leak (web)”"]
    );
    assert_eq!(below("## Key rotation procedures", &["Signing keys", "Cipher keys"]), ["Signing keys", "Cipher keys"]);
}

#[test]
fn tools_and_places_are_alternatives_where_something_changes() {
    assert_eq!(
        below("## Running it", &["Docker Compose", "Kubernetes job"]),
        ["Docker Compose: “Docker Compose”", "Kubernetes job: “Kubernetes job”"]
    );
    let looks = section("### EC2 staging", "df -h") + &section("### EC2 production", "df -i");
    assert_eq!(steps(&format!("# T\n\n## Deploy\n\n{looks}")), ["EC2 staging", "EC2 production"]);
    assert_eq!(below("## Health checks", &["Docker", "Helm"]), ["Docker", "Helm"]);
    assert_eq!(below("## Mitigation", &["1. Docker", "2. Helm"]), ["1. Docker", "2. Helm"]);
}

#[test]
fn ways_back_are_alternatives() {
    assert_eq!(
        below("## Rollback procedures", &["Schema rollback", "Restore from backup", "Verify the rollback"]),
        ["Schema rollback: “Schema rollback”", "Restore from backup: “Restore from backup”", "Verify the rollback"]
    );
    assert_eq!(below("## Rollback", &["1. Roll back", "2. Restore it"]), ["1. Roll back", "2. Restore it"]);
}

#[test]
fn opposites_are_alternatives_also_as_numbered_sections() {
    assert_eq!(
        below("## 5. Failover", &["5.1 Planned failover", "5.2 Emergency failover"]),
        ["5.1 Planned failover: “5.1 Planned failover”", "5.2 Emergency failover: “5.2 Emergency failover”"]
    );
    assert_eq!(below("## Mitigation", &["1. Soft restart", "2. Hard restart"]), ["1. Soft restart", "2. Hard restart"]);
}

#[test]
fn problems_that_stand_alone_are_alternatives_by_their_form() {
    let problem = |area: &str, name: &str| {
        format!("## {area}\n\n### {name}\n\n**Resolution steps:**\n\n```sh\nshopctl mend\n```\n\n")
    };
    let text = format!("# T\n\n{}{}", problem("Cache", "CacheSlow"), problem("Queue", "QueueSlow"));
    assert_eq!(steps(&text), ["CacheSlow: Resolution steps: “CacheSlow”", "QueueSlow: Resolution steps: “QueueSlow”"]);
}

#[test]
fn a_numbered_verification_behind_changes_stays_one() {
    let phases = |text: &str| read(text).steps.iter().map(|step| step.phase.name()).collect::<Vec<_>>();
    let (setup, fix) = (section("## Phase 1: Set it up", "systemctl restart x"), section("## Mitigation", "b"));
    let verify = section("## Phase 2: Verify it", "a");
    assert_eq!(phases(&format!("# T\n\n{setup}{verify}{fix}")), ["other", "verify", "mitigate"]);
    assert_eq!(phases(&format!("# T\n\n{verify}{fix}")), ["diagnose", "mitigate"]);
    let watch = "## Monitoring\n\nAfter applying the fix:\n\n```sh\na\n```\n";
    assert_eq!(phases(&format!("# T\n\n{fix}{watch}")), ["mitigate", "verify"]);
}

#[test]
fn the_chapter_of_incidents_holds_each_of_them() {
    assert_eq!(
        below("## Incident response", &["High load", "Disk full"]),
        ["High load: “High load”", "Disk full: “Disk full”"]
    );
}
