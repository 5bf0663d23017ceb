//! Without a reading nothing that changes something would run: of this project's runbooks, of those of the tests, and of a folder of
//! other people's (`FIREDRILL_CORPUS`), by patterns that know nothing of the table of programs.

use firedrill::programs::EffectKind;
use firedrill::runbook::{Handling, parse_with};
use firedrill::source::{Diagnostics, Source};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What evidently changes something, as a person sees it at a glance. Quoted text is left out where it may be data.
const CHANGES: &[&str] = &[
    r"(?m)\b(kubectl|oc)\b[^|;&\n]*\s(delete|scale|apply|patch|drain|cordon|uncordon|taint|annotate|label|replace|edit)\s",
    r"\brollout (undo|restart|pause|resume)\b",
    r"\bsystemctl [^|;&\n]*\b(start|stop|restart|reload|enable|disable|mask)\s",
    r"\bservice \S+ (start|stop|restart|reload)\b",
    r"\bdocker(-compose)?\b[^|;&\n]*\s(restart|stop|start|kill|rm|rmi|down|up|prune|pause|unpause)\b",
    r"(^|[;&|]\s*)(sudo )?(rm|mv|cp|chmod|chown|mkdir|touch|truncate|dd|kill|pkill|killall|reboot|shutdown)\s",
    r"\bhelm (rollback|upgrade|install|uninstall|delete)\b",
    r"(?i)\b(flushall|flushdb|pg_terminate_backend|pg_cancel_backend|pg_promote|pg_switch_wal)\b",
    r"(?i)(psql|mysql)\b[^\n]*\b(drop (table|database|index|role)|delete from|insert into|alter (table|role|system|user)|create (table|index|role)|update \w+ set|vacuum)\b",
    r"\bcurl\b[^|;&\n]*\s(-X ?(POST|PUT|DELETE|PATCH)|-d |--data|-F |-T )",
    r"\bterraform (apply|destroy|import|taint)\b",
    r"\bgit (push|commit|reset|checkout|revert|merge|pull)\b",
    r"\b(apt|apt-get|yum|dnf|apk|pip|pip3|npm) (install|remove|upgrade|uninstall|update)\b",
    r"\baws \S+ (delete|terminate|stop|start|reboot|modify|update|create|put|restore)-",
    r"(^|[\w'}])\s+>{1,2}\s*[~./$][~./\w$]",
    r"\b(tee|xargs) [^|]*\b(rm|delete)\b",
];

/// Every Markdown file below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => pages(&path, found),
            false if path.extension().is_some_and(|end| end == "md") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn nothing_that_changes_something_runs_without_a_reading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    ["runbooks", "tests", "docs", "gamedays"].iter().for_each(|folder| pages(&root.join(folder), &mut all));
    let own = all.len();
    match std::env::var_os("FIREDRILL_CORPUS") {
        Some(folder) => pages(Path::new(&folder), &mut all),
        None => println!("FIREDRILL_CORPUS names no folder: only this project's own {own} pages were read"),
    }
    let patterns: Vec<Regex> = CHANGES.iter().map(|pattern| Regex::new(pattern).expect("a pattern")).collect();
    let clients: BTreeSet<String> = ["sql", "redis"].map(str::to_string).into();
    let (mut ran, mut open) = (0, 0);
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    for path in all {
        let Ok(source) = Source::read(&path) else { continue };
        let Some(mut runbook) = parse_with(&source, &clients, &mut Diagnostics::default()) else { continue };
        runbook.settle(&BTreeMap::new());
        for step in &runbook.steps {
            for command in step.commands() {
                // What its author's annotation chooses is a decision.
                if step.settings(command.block).choose == Some(true) {
                    continue;
                }
                let effect = command.effect();
                match &command.handling {
                    Handling::Run(why) => {
                        ran += 1;
                        assert!(effect.kind == EffectKind::Looks, "{}:{}: {why}", path.display(), command.line);
                        let found = patterns.iter().find(|pattern| pattern.is_match(&bare(&command.text)));
                        let at = format!("{}:{}", path.display(), command.line);
                        assert!(found.is_none(), "{at} would run: {}\n{found:?}", command.text);
                    }
                    _ => {
                        open += 1;
                        let asked = effect.kind != EffectKind::Looks || command.unread.is_some();
                        assert!(asked, "{}:{}", path.display(), command.line);
                        if effect.because.contains("does not know") {
                            *unknown.entry(effect.because).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    let mut unknown: Vec<(usize, String)> = unknown.into_iter().map(|(because, count)| (count, because)).collect();
    unknown.sort_by(|a, b| b.cmp(a));
    println!("{ran} commands only look, {open} wait for a person");
    unknown.iter().take(40).for_each(|(count, because)| println!("{count:5}  {because}"));
    assert!(ran > 100 && open > 100, "does this test still see the commands? {ran}, {open}");
}

/// The text without what stands in single quotes behind `grep`, `jq` and `awk`, and without comments: patterns, not orders.
fn bare(text: &str) -> String {
    let quoted =
        Regex::new(r#"(?s)(e?grep|jq|awk|sed|echo|printf)\b([^'"|;&\n]*)('[^']*'|"[^"]*")"#).expect("a pattern");
    let comments = Regex::new(r"(?m)(^|\s)#.*$").expect("a pattern");
    let text = text.replace("> /dev/null", "").replace(">/dev/null", "").replace("&> /dev/null", "");
    comments.replace_all(&quoted.replace_all(&text, "$1$2"), "").into_owned()
}
