//! Ids stay: whatever is added elsewhere, and whichever client is named, a step keeps its id, and no id comes to mean
//! another step.

use crate::runbook::{Command, Runbook, Step, parse_with};
use crate::source::{Diagnostics, Source};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const TITLES: &[&str] = &["Restart it", "Look at the queue", "End the session", "Restart it again"];
const HEADINGS: &[&str] = &["Mitigate Redis", "Mitigation", "Mitigate the web", "Verification", "Rollback"];

/// A unit of a section: how it is written, its title, and the languages of its blocks.
type Unit = (usize, &'static str, Vec<&'static str>);

fn units() -> impl Strategy<Value = Vec<Unit>> {
    let languages = prop::collection::vec(prop::sample::select(vec!["bash", "sql", "yaml", "sql"]), 1..4);
    prop::collection::vec((0..3_usize, prop::sample::select(TITLES), languages), 1..4)
}

/// A section; every line of code in it is its own, by `number`.
fn section(heading: &str, units: &[Unit], number: usize) -> String {
    let mut text = format!("## {heading}\n\n");
    for (u, (kind, title, languages)) in units.iter().enumerate() {
        text.push_str(&match kind {
            0 => format!("### {title}\n\n"),
            1 => format!("### Step {}: {title}\n\n", u + 1),
            _ => format!("{title}:\n\n"),
        });
        for (b, language) in languages.iter().enumerate() {
            let own = number * 100 + u * 10 + b;
            let code = match *language {
                "bash" if b % 2 == 1 => format!("# If there are too many:\nkill {own}"),
                "bash" => format!("restart {own}"),
                "sql" => format!("SELECT {own};"),
                _ => format!("replicas: {own}"),
            };
            text.push_str(&format!("```{language}\n{code}\n```\n\n"));
        }
    }
    text
}

fn read(text: &str, clients: &[&str]) -> Runbook {
    let clients = clients.iter().map(|tag| (*tag).to_string()).collect();
    let source = Source::new("x.md", format!("# The shop\n\n{text}"));
    parse_with(&source, &clients, &mut Diagnostics::default()).unwrap()
}

/// Its text → the id of each step.
fn ids(runbook: &Runbook) -> BTreeMap<String, String> {
    runbook.steps.iter().map(|step| (step.hash.clone(), step.id.clone())).collect()
}

fn first(step: &Step) -> Option<&Command> {
    step.all_commands.first()
}

fn title(id: &str) -> &str {
    id.split(['.']).next().unwrap_or(id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_client_that_is_added_renames_no_step(
        sections in prop::collection::vec(units(), 1..4),
        clients in prop::sample::subsequence(vec!["sql", "psql"], 1..3),
    ) {
        let text: String = sections.iter().enumerate().map(|(i, units)| section(HEADINGS[i], units, i)).collect();
        let plain = read(&text, &[]);
        let with_clients = read(&text, &clients);
        let mut seen = BTreeSet::new();
        for step in &with_clients.steps {
            prop_assert!(seen.insert(&step.id), "{} twice", step.id);
            // The same by its first command; what had none because a client was missing, by where it begins.
            let same = |before: &&Step| match (first(before), first(step)) {
                (Some(before), Some(now)) => before.text == now.text,
                (None, Some(now)) => now.language == "sql" && before.span.start == step.span.start,
                _ => false,
            };
            if let Some(before) = plain.steps.iter().find(same) {
                prop_assert_eq!(&step.id, &before.id, "{}", text);
            }
            // An id that meant another text before means none now but this one.
            if let Some(before) = plain.steps.iter().find(|before| before.id == step.id) {
                let overlap = before.span.start < step.span.end && step.span.start < before.span.end;
                prop_assert!(overlap, "{} meant line {}, and now {}: {}", step.id, before.line, step.line, text);
            }
        }
    }

    #[test]
    fn a_section_that_is_added_elsewhere_renames_no_step(
        sections in prop::collection::vec(units(), 1..4),
        added in units(),
        at in 0..4_usize,
    ) {
        let mut texts: Vec<String> =
            sections.iter().enumerate().map(|(i, units)| section(HEADINGS[i], units, i)).collect();
        let before = ids(&read(&texts.concat(), &[]));
        texts.insert(at.min(texts.len()), section("Mitigate the queue", &added, 90));
        let after = ids(&read(&texts.concat(), &[]));
        let alone = ids(&read(&section("Mitigate the queue", &added, 90), &[]));
        let new: BTreeSet<&str> = alone.values().map(|id| title(id)).collect();
        for (hash, id) in &before {
            let now = after.get(hash).unwrap();
            let meant = after.iter().find(|(_, known)| *known == id).map(|(hash, _)| hash);
            prop_assert!(meant.is_none_or(|meant| meant == hash), "{} means another step: {}", id, texts.concat());
            // A title that is alone no longer is told apart by its headings, and nothing else changes.
            let shared = new.iter().any(|new| title(id).starts_with(new) || new.starts_with(title(id)));
            let told_apart = id.contains('.');
            if !shared || told_apart {
                prop_assert_eq!(now, id, "{}", texts.concat());
            }
        }
    }
}

#[test]
fn titles_below_several_headings_are_told_apart_by_them() {
    let unit = |title: &'static str| -> Vec<Unit> { vec![(1, title, vec!["bash"])] };
    let of = |sections: &[(&str, &'static str)]| -> Vec<String> {
        let text: String =
            sections.iter().enumerate().map(|(i, (heading, title))| section(heading, &unit(title), i)).collect();
        read(&text, &[]).steps.into_iter().map(|step| step.id).collect()
    };
    assert_eq!(of(&[("Mitigate Redis", "Restart it")]), ["mitigate/restart-it"]);
    assert_eq!(
        of(&[("Mitigate Redis", "Restart it"), ("Mitigation", "Restart it"), ("Mitigation", "Look at it")]),
        ["mitigate/restart-it.mitigate-redis", "mitigate/restart-it.mitigation", "mitigate/look-at-it"]
    );
    let text = section("Mitigation", &[(0, "Restart it", vec!["bash"]), (0, "Restart it", vec!["bash"])], 0);
    let ids: Vec<String> = read(&text, &[]).steps.into_iter().map(|step| step.id).collect();
    assert_eq!(ids, ["mitigate/restart-it", "mitigate/restart-it-2"], "below one heading by their order");
}

#[test]
fn a_step_keeps_its_ordinal_when_a_client_runs_the_block_before_it() {
    let text = section("Mitigation", &[(1, "Restart it", vec!["bash", "sql", "yaml", "bash"])], 0);
    let ids =
        |clients: &[&str]| -> Vec<String> { read(&text, clients).steps.into_iter().map(|step| step.id).collect() };
    assert_eq!(ids(&[]), ["mitigate/restart-it", "mitigate/restart-it-2", "mitigate/restart-it-3"]);
    assert_eq!(ids(&["sql"]), ["mitigate/restart-it"]);
}
