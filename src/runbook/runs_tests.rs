//! How far conditions in comments reach, what asks a person for something, and which labels are alternatives.

use crate::runbook::{StepKind, parse};
use crate::source::{Diagnostics, Source};

/// Title and commands of each part; those that are held stand behind their reason.
fn parts(phase: &str, intro: &str, block: &str) -> Vec<String> {
    let text = format!("# T\n\n## {phase}\n\n### Do\n\n{intro}\n\n```bash\n{block}\n```\n");
    let runbook = parse(&Source::new("x.md", text), &mut Diagnostics::default()).unwrap();
    let told = |step: &crate::runbook::Step| {
        let commands = step.commands().iter().chain(&step.held).map(|c| c.text.clone()).collect::<Vec<_>>().join(", ");
        match &step.kind {
            StepKind::Manual(why) => format!("{} [{}] {commands}", step.title, why.replace("conditional: ", "")),
            StepKind::Commands(_) => format!("{} {commands}", step.title),
        }
    };
    runbook.steps.iter().map(told).collect()
}

fn fix(block: &str) -> Vec<String> {
    parts("Fix", "", block)
}

#[test]
fn a_condition_in_a_comment_ends_at_the_next_comment() {
    assert_eq!(fix("a\n# If it hangs:\nb\nc\n# Look\nd"), ["Do a", "If it hangs [“If it hangs”] b, c", "Look d"]);
    assert_eq!(fix("a\n# If it hangs:\n\n# Kill it\nb"), ["Do a", "Kill it [“If it hangs”] b"]);
}

#[test]
fn a_numbered_condition_ends_at_the_next_number() {
    assert_eq!(
        fix("# 1. Look\na\n# 2. If it hangs, kill it\nb\n# wait\nc\n# 3. Start\nd"),
        ["Do a", "2. If it hangs, kill it [“2. If it hangs, kill it”] b, c", "Start d"]
    );
    assert_eq!(
        fix("# 1. Look\na\n# Or with force:\nb\n# 2. Start\nc"),
        ["Do a", "Or with force [“Or with force”] b", "Start c"]
    );
}

#[test]
fn what_counts_on_from_one_belongs_to_the_condition_above() {
    assert_eq!(
        fix("# If the lag grows:\n# 1. Look\na\n# 2. Set\nb\n# 3. Look\nc"),
        ["Do [“If the lag grows”] a, b, c"]
    );
}

#[test]
fn what_builds_on_a_failure_waits_with_it() {
    assert_eq!(
        fix("# 1. Restart\na\n# 2. If that fails, look\nb\n# 3. Force it\nc"),
        ["Do a", "2. If that fails, look [“2. If that fails, look”] b, c"]
    );
}

#[test]
fn options_hold_what_they_hold_up_to_the_next_number_above_them() {
    assert_eq!(
        fix("# 1. Look\na\n# 2. If it is down, restore\n# Option A: a copy\nb\n# Option B: empty\nc\n# 3. Warm up\nd"),
        [
            "Do a",
            "2. If it is down, restore [“2. If it is down, restore” and “Option A: a copy”] b",
            "Option B: empty [“2. If it is down, restore” and “Option B: empty”] c",
            "Warm up d"
        ]
    );
    assert_eq!(
        fix("# Option A: a copy\n# 1. Fetch\na\n# 2. Put\nb\n# Option B: empty\nc"),
        ["Do [“Option A: a copy”] a, b", "Option B: empty [“Option B: empty”] c"]
    );
}

#[test]
fn a_condition_of_commented_out_commands_holds_nothing_else() {
    assert_eq!(fix("a\n# Or, to a revision:\n# kubectl rollout undo --to-revision=3\n# 2. Wait\nb"), ["Do a, b"]);
}

#[test]
fn a_condition_behind_the_action_spares_what_only_looks() {
    assert_eq!(
        fix("# Check the load (if there is any)\nuptime\n# Restart (if stuck)\nsystemctl kill x\nsleep 2"),
        ["Do uptime", "Restart (if stuck) [“Restart (if stuck)”] systemctl kill x, sleep 2"]
    );
    assert_eq!(fix("make a # slow\nmake b  # (if installed)"), ["Do make a", "Do [“(if installed)”] make b"]);
}

#[test]
fn comments_that_ask_a_person_are_told() {
    assert_eq!(
        fix("# 1. Update the notes\n\n# 2. Tag it\na\n# Access\n# http://x\n\n# Post it in the channel"),
        [
            "Do [a comment asks for it: “Update the notes”] ",
            "Tag it a",
            "Post it in the channel [a comment asks for it: “Post it in the channel”] "
        ]
    );
    assert_eq!(fix("a\n# Look for errors\n\nb"), ["Do a, b"]);
    assert_eq!(fix("a\n\n# kubectl delete pod -l app=x"), ["Do a"]);
}

#[test]
fn another_way_is_called_by_its_command() {
    assert_eq!(
        fix("svc restart x\n# or\ndocker restart x"),
        ["Do svc restart x", "Do, or: docker restart x [“or, instead of: svc restart x”] docker restart x"]
    );
}

#[test]
fn labels_of_which_one_is_meant() {
    assert_eq!(
        fix("# AWS\naws x y\n# GCP: the other\ngcloud x"),
        ["Do [“AWS”] aws x y", "GCP: the other [“GCP: the other”] gcloud x"]
    );
    assert_eq!(parts("Fix", "Do all of these:", "# AWS\na\n# GCP\nb"), ["Do a, b"]);
    assert_eq!(
        fix("# Automated (recommended)\na\n# Via make\nb\n# Test\nc"),
        ["Do a", "Via make [“Via make”] b", "Test c"]
    );
    assert_eq!(fix("# Start\na\n# Logs\nb\n# Stop\nc\n# Full cleanup\nd").len(), 3);
    assert_eq!(fix("# Stop\na\n# Restore\nb\n# Start\nc"), ["Do a, b, c"]);
    assert_eq!(fix("# Manual trigger:\na\n# Tagged release:\nb"), ["Do a", "Tagged release [“Tagged release”] b"]);
    assert_eq!(fix("# On the primary:\na\n# On the replica:\nb"), ["Do a, b"]);
}

#[test]
fn a_moment_that_nothing_brings_about_is_a_condition() {
    assert_eq!(
        fix("# After recovering the node, attach it:\n# 1. Stop\na\n# 2. Join\nb"),
        ["Do [“After recovering the node, attach it”] a, b"]
    );
    assert_eq!(
        fix("# 1. Swap\na\n# 2. After the grace period, drop\nb\n# 3. After completion, tell\nc"),
        ["Do a", "2. After the grace period, drop [“2. After the grace period, drop”] b", "After completion, tell c"]
    );
    assert_eq!(
        fix("a\n# Archive the old one if needed\nb"),
        ["Do a", "Archive the old one if needed [“Archive the old one if needed”] b"]
    );
}

#[test]
fn a_condition_behind_a_command_holds_that_command() {
    assert_eq!(fix("a\nrm -rf x  # only if you made it\nb"), ["Do a", "Do [“only if you made it”] rm -rf x", "Do b"]);
    assert_eq!(fix("a # after completion\nX=1 # only if set"), ["Do a, X=1"]);
}

#[test]
fn a_platform_reaches_to_the_next_one() {
    assert_eq!(
        fix("# Kubernetes\na\n\n# Scale it\nb\n\n# Docker\nc\n# Verify it\nd"),
        ["Do [“Kubernetes”] a, b", "Docker [“Docker”] c", "Verify it d"]
    );
    assert_eq!(fix("# 1. Helm: pull\na\n# 2. Scale\nb\n# 3. Docker: pull\nc").len(), 3);
}

#[test]
fn a_condition_of_what_the_heading_says_holds_the_block() {
    assert_eq!(fix("# If it is broken, do it\na\n# Restart\nb"), ["Do [“If it is broken, do it”] a, b"]);
    assert_eq!(fix("# If it is broken, kill it\na\n# Restart\nb").len(), 2);
}

#[test]
fn one_command_in_several_variants_is_one_choice() {
    assert_eq!(
        fix("# Undo one change\na\n# Undo specific change\nb\n# Undo all\nc"),
        ["Do a", "Undo specific change [“Undo specific change”] b", "Undo all [“Undo all”] c"]
    );
    assert_eq!(fix("# 1. Undo one change\na\n# 2. Undo all\nb"), ["Do a, b"]);
    assert_eq!(
        fix("# Raise it\ntool set LIMIT=2\n# Raise it more\ntool set LIMIT=3"),
        ["Do [“Raise it”] tool set LIMIT=2", "Raise it more [“Raise it more”] tool set LIMIT=3"]
    );
    for same in ["tool restart a\n# Next\ntool restart b", "tool scale --replicas=0\n# Up\ntool scale --replicas=3"] {
        assert_eq!(fix(&format!("# First\n{same}")).len(), 1, "{same}");
    }
}

#[test]
fn what_asks_for_input_is_for_a_person() {
    assert_eq!(
        fix("# Rotate (prompts for the new key)\na\n# Look\nb\nc # asks for a name"),
        [
            "Do [it asks for input: “Rotate (prompts for the new key)”] a",
            "Look b",
            "Do [it asks for input: “asks for a name”] c"
        ]
    );
    assert_eq!(fix("# Non-interactive: asks for nothing\na").len(), 1);
}
