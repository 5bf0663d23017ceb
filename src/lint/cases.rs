//! How rules are tested: `cases!` in the rule's own file, and what holds for every rule.

use super::page::Parsed;
use super::{Check, Config, Project, RULES, Report, Rule};
use crate::source::{Diagnostics, Level, Source};

/// The cases of a rule, at the end of its file. `bad` pages have the line and column of each finding of this rule,
/// `good` ones have none.
macro_rules! cases {
    (bad: [$($bad:expr => [$($at:expr),+ $(,)?]),* $(,)?], good: [$($good:expr),+ $(,)?] $(,)?) => {
        #[test]
        fn cases() {
            $(crate::lint::cases::bad(&RULE, $bad, &[$($at),+]);)*
            $(crate::lint::cases::good(&RULE, $good);)+
        }
    };
}

/// The findings of one rule on a page, by its own `check`; suppressions are left out.
pub(super) fn found(rule: &Rule, text: &str) -> Diagnostics {
    let project = Project::default();
    let parsed = Parsed::new(Source::new("page.md", text));
    let page = parsed.page(&project);
    let (mut found, level) = (Diagnostics::default(), rule.level.unwrap_or(Level::Info));
    match rule.check {
        Check::Page(check) => check(&page, &mut Report::new(rule.id, level, Some(page.source), &mut found)),
        Check::Project(check) => check(&project, &[page], &mut Report::new(rule.id, level, None, &mut found)),
    }
    found
}

fn places(found: &Diagnostics) -> Vec<(usize, usize)> {
    let place = |d: &crate::source::Diagnostic| (d.source.pos(d.span.start).line, d.source.pos(d.span.start).column);
    found.sorted().into_iter().map(place).collect()
}

pub(super) fn bad(rule: &Rule, text: &str, expected: &[(usize, usize)]) {
    let found = found(rule, text);
    assert_eq!(places(&found), expected, "{} in\n{text}\n{:?}", rule.id, messages(&found));
    assert!(found.all.iter().all(|d| d.code == Some(rule.id)), "a finding without the rule's id");
}

pub(super) fn good(rule: &Rule, text: &str) {
    let found = found(rule, text);
    assert!(found.all.is_empty(), "{} in\n{text}\n{:?}", rule.id, messages(&found));
}

fn messages(found: &Diagnostics) -> Vec<&str> {
    found.all.iter().map(|d| d.message.as_str()).collect()
}

/// Everything that lint says about a page, suppressions and all.
pub(super) fn lint(text: &str) -> Diagnostics {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("page.md");
    std::fs::write(&path, text).expect("a page");
    super::run(&[path], &Project::default(), &Config::default()).found
}

/// The examples of `--explain` are what they claim to be.
#[test]
fn examples_are_found_and_mended() {
    for rule in RULES {
        if !rule.explain.bad.is_empty() {
            assert!(!found(rule, rule.explain.bad).all.is_empty(), "{}: its bad example is not found", rule.id);
        }
        good(rule, rule.explain.good);
        assert!(!rule.explain.finds.is_empty() && !rule.explain.why.is_empty(), "{}", rule.id);
    }
}

#[test]
fn ids_are_in_order_and_titles_are_short() {
    assert!(RULES.is_sorted_by(|a, b| a.id < b.id), "the lines in src/lint/mod.rs stand in the order of their ids");
    for rule in RULES {
        let digits =
            rule.id.strip_prefix("RB").is_some_and(|id| id.len() == 3 && id.bytes().all(|b| b.is_ascii_digit()));
        assert!(digits && rule.title.len() <= 80 && !rule.title.ends_with('.'), "{}", rule.id);
    }
}

/// Each rule's file is named by its id and has cases.
#[test]
fn every_rule_has_cases() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint");
    let files: Vec<_> =
        std::fs::read_dir(folder).expect("the room").map(|entry| entry.expect("an entry").path()).collect();
    for rule in RULES {
        let prefix = format!("{}_", rule.id.to_lowercase());
        let file =
            files.iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)));
        let text = std::fs::read_to_string(file.unwrap_or_else(|| panic!("no file {prefix}*"))).expect("a rule");
        assert!(text.contains("cases! {"), "{}: no cases", rule.id);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever stands on a page: no rule panics, and every finding is in the file.
    #[test]
    fn every_finding_is_in_the_file(
        text in "(# |## Fix|```bash\n|```sql\n|```\n|- |   |\n|\\$ |ls |<a-b>|<A_B>|\\$X|\"|'|\\(|rm -rf |\\| |& |psql |SELECT|;|\\{|é|\t|<<E\n|E\n|a = b|while |do |sleep 1|done){0,24}"
    ) {
        for rule in RULES {
            for finding in found(rule, &text).all {
                let end = finding.source.text.len();
                proptest::prop_assert!(finding.span.start <= finding.span.end && finding.span.end <= end, "{}", rule.id);
            }
        }
    }
}
