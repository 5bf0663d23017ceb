//! Whole folders of runbooks: this project's own, and those that `FIREDRILL_CORPUS` names. Every block that is shell is shown, no
//! text is altered, phases follow from what commands do, and a page means the same whatever its services are called.

use firedrill::programs::EffectKind;
use firedrill::runbook::look::{Fence, look};
use firedrill::runbook::{Handling, Runbook, RunbookPhase, Unread, parse_with};
use firedrill::source::{Diagnostics, Source};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The runbooks of this project, and those of the corpus; whether there is one.
fn pages() -> (Vec<Arc<Source>>, bool) {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => below(&path, found),
                false if path.extension().is_some_and(|end| end == "md") => found.push(path),
                false => {}
            }
        }
    }
    let mut paths = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["runbooks", "tests/runbooks", "tests/runbook_shapes"].iter().for_each(|name| below(&root.join(name), &mut paths));
    let corpus = std::env::var_os("FIREDRILL_CORPUS");
    match &corpus {
        Some(folder) => below(Path::new(folder), &mut paths),
        None => println!("FIREDRILL_CORPUS names no folder: only this project's own pages were read"),
    }
    paths.sort();
    (paths.iter().filter_map(|path| Source::read(path).ok()).collect(), corpus.is_some())
}

fn read(source: &Arc<Source>) -> Option<Runbook> {
    let mut runbook = parse_with(source, &BTreeSet::new(), &mut Diagnostics::default())?;
    runbook.settle(&BTreeMap::new());
    Some(runbook)
}

/// Whether a block is shown: as commands, or with the reason why it holds none.
fn is_shown(source: &Source, runbook: &Runbook, fence: &Fence) -> bool {
    let lines = source.line(fence.span.start)..=source.line(fence.span.end.saturating_sub(1));
    runbook.steps.iter().any(|step| {
        let commands = step.all_commands.iter().any(|command| lines.contains(&command.line));
        let reason = step.manual.is_some() && (step.line..=step.end_line).contains(lines.start());
        commands || reason || step.left_out.iter().any(|left| lines.contains(&left.line))
    })
}

#[test]
fn every_block_of_shell_is_shown_as_it_was_written() {
    let begins = Regex::new(r"^\s*(sudo )?(kubectl|oc|docker|psql|curl|systemctl|redis-cli|helm|aws|git) \S")
        .expect("a pattern");
    let (mut tagged, mut missing) = (0_usize, Vec::new());
    for source in pages().0 {
        let Some(runbook) = read(&source) else { continue };
        for fence in &look(&source).fences {
            let lines: Vec<&str> = fence.body.text.lines().filter(|line| !line.trim().is_empty()).collect();
            let typed = lines.iter().any(|line| !line.trim_start().starts_with('#'));
            let shell = matches!(fence.tag.as_str(), "bash" | "sh" | "shell" | "zsh" | "console" | "shell-session");
            let at = format!("{}:{}", source.path.display(), source.line(fence.span.start));
            if shell && typed {
                tagged += 1;
                missing.extend((!is_shown(&source, &runbook, fence)).then(|| at.clone()));
            }
            if fence.tag.is_empty() && !lines.is_empty() && lines.iter().all(|line| begins.is_match(line)) {
                let (first, last) = (source.line(fence.span.start), source.line(fence.span.end));
                let inside = |line: usize| (first..=last).contains(&line);
                let all = runbook.steps.iter().flat_map(|step| &step.all_commands);
                let here: Vec<_> = all.filter(|command| inside(command.line)).collect();
                assert!(!here.is_empty(), "{at}: not shown");
                assert!(here.iter().all(|command| command.unread == Some(Unread::Untagged)), "{at}: {here:?}");
            }
        }
        for command in runbook.steps.iter().flat_map(|step| &step.all_commands) {
            let written: Vec<&str> = source.text.lines().skip(command.line - 1).collect();
            for (line, written) in command.text.lines().zip(written) {
                let at = format!("{}:{}", source.path.display(), command.line);
                assert!(
                    written.contains(line) || written.replace("\\|", "|").contains(line),
                    "{at}: {line}\n{written}"
                );
            }
        }
    }
    assert!(tagged > 50, "does this test still see the blocks? {tagged}");
    assert!(missing.len() * 200 <= tagged, "{} of {tagged} blocks are not shown: {missing:#?}", missing.len());
    println!("{} of {tagged} tagged blocks are shown", tagged - missing.len());
}

#[test]
fn nothing_unread_runs_without_a_decision() {
    for source in pages().0 {
        let Some(runbook) = read(&source) else { continue };
        for command in runbook.steps.iter().flat_map(|step| step.commands()).filter(|command| command.unread.is_some())
        {
            let at = format!("{}:{}", source.path.display(), command.line);
            assert!(matches!(command.handling, Handling::Blocked(_)), "{at}: {:?}", command.handling);
        }
    }
}

#[test]
fn without_headings_of_phases_twenty_pages_have_phases_by_effect() {
    let (sources, corpus) = pages();
    if !corpus {
        return println!("skipped: FIREDRILL_CORPUS names no folder");
    }
    let heading = Regex::new(r"(?m)^(#{2,6}) .*$").expect("a pattern");
    let label = Regex::new(r"(?m)^\*\*[^*\n]*\*\*").expect("a pattern");
    let mut seen = 0;
    for source in sources.into_iter().filter(|source| !source.path.starts_with(env!("CARGO_MANIFEST_DIR"))) {
        // Underlined headings, and headings in the comments of blocks, are more than these patterns tell apart.
        if source.text.contains("\n---\n") || source.text.contains("\n## ") && source.text.contains("```markdown") {
            continue;
        }
        let mut number = 0;
        let mut plain = |found: &regex::Captures<'_>| {
            number += 1;
            format!("{} Topic {number}", &found[1])
        };
        let fences: Vec<&str> = source.text.split("```").collect();
        let parts = fences.iter().enumerate().map(|(index, part)| match index % 2 {
            0 => label.replace_all(&heading.replace_all(part, &mut plain), "About this").into_owned(),
            _ => (*part).to_string(),
        });
        let text = parts.collect::<Vec<_>>().join("```");
        let Some(runbook) = read(&Source::new(&source.path, text)) else { continue };
        let steps = || runbook.steps.iter().filter(|step| !step.commands().is_empty());
        let changes: Vec<bool> = steps()
            .map(|step| step.commands().iter().any(|command| command.effect().kind != EffectKind::Looks))
            .collect();
        let Some(first) = changes.iter().position(|changes| *changes).filter(|_| changes.len() > 1) else { continue };
        let last = changes.iter().rposition(|changes| *changes).unwrap_or(first);
        for (index, step) in steps().enumerate() {
            let expected = match index {
                _ if index < first => RunbookPhase::Diagnose,
                _ if index > last => RunbookPhase::Verify,
                _ => RunbookPhase::Mitigate,
            };
            assert_eq!(step.phase, expected, "{}:{}: {}", source.path.display(), step.line, step.title);
        }
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} pages have a step that changes something");
}

/// What a page is read as, without its names.
fn shape(runbook: &Runbook) -> Vec<String> {
    let of = |step: &firedrill::runbook::Step| {
        let commands = step.all_commands.iter().map(|command| {
            let handling = match command.handling {
                Handling::Run(_) => "run",
                Handling::Skip(_) => "skip",
                Handling::Manual(_) => "person",
                Handling::Blocked(_) => "open",
            };
            format!("{:?} {handling} {:?} {} inputs", command.effect().kind, command.unread, command.inputs.len())
        });
        let kind = if step.commands().is_empty() { "manual" } else { "commands" };
        format!("{}: {} {kind} {:?}", step.line, step.phase.name(), commands.collect::<Vec<_>>())
    };
    runbook.steps.iter().map(of).collect()
}

/// Words that name things of the team on a page: what stands behind `-n`, `deployment/`, `systemctl restart` and the like.
fn names(text: &str) -> BTreeSet<String> {
    let behind = Regex::new(
        r"(?:(?:deployment|deploy|svc|service|statefulset|sts|job|ns|app|role|cluster|component)[/=]|-n |--namespace[ =]|systemctl (?:status|restart|start|stop) |docker (?:logs|restart|inspect) |-u )([a-z][a-z0-9]{3,})",
    )
    .expect("a pattern");
    // Names of programs and of what is known of them, and words of English.
    const WORDS: &str = "default kube system monitoring production staging backup service database redis postgres postgresql \
        nginx root admin user users public docker name test node nodes prod proxy network disk storage cert certificate manager \
        controller operator grafana prometheus alertmanager etcd mysql mongo kafka all instance cloud remote origin main config \
        gateway pool metrics logging primary replica master sentinel";
    let own = |word: &&str| {
        let part_of_program = |token: &str| token.contains(*word) && firedrill::programs::is_known(token);
        !WORDS.split_whitespace().any(|known| known == *word)
            && !text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').any(part_of_program)
    };
    let words = behind.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str()));
    words.filter(own).map(str::to_string).collect()
}

#[test]
fn pages_that_differ_in_names_alone_are_read_alike() {
    let (mut pairs, mut differ) = (0, Vec::new());
    for source in pages().0 {
        let Some(runbook) = read(&source) else { continue };
        for name in names(&source.text) {
            let word = Regex::new(&format!(r"(?i){name}")).expect("a pattern");
            let mut chars = name.chars();
            let capital: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
            for other in ["ledger", "zebra9"] {
                let text = word.replace_all(&source.text, |found: &regex::Captures<'_>| match &found[0] {
                    same if *same == name => other.to_string(),
                    same if *same == capital => format!("{}{}", other[..1].to_uppercase(), &other[1..]),
                    _ => other.to_uppercase(),
                });
                let Some(renamed) = read(&Source::new(&source.path, text.into_owned())) else { continue };
                pairs += 1;
                let (before, after) = (shape(&runbook), shape(&renamed));
                if before != after {
                    let at = before.iter().zip(&after).find(|(a, b)| a != b);
                    differ.push(format!("{}: {name} → {other}: {at:#?}", source.path.display()));
                }
            }
        }
    }
    println!("{pairs} pages with another name");
    assert!(differ.is_empty(), "{}\n{} of {pairs}", differ.join("\n"), differ.len());
}
