//! How rules are tested: `cases!` in the file of the rule, and what holds for every rule.

use super::output::explained;
use super::page::Parsed;
use super::{Config, LintRule, Project, RULES};
use crate::source::{Diagnostics, Severity, Source};

/// The cases of a rule. `bad` pages have the line and column of each finding of this rule, `good` ones have none.
macro_rules! cases {
    ($id:ident, bad: [$($bad:expr => [$($at:expr),+ $(,)?]),* $(,)?], good: [$($good:expr),+ $(,)?] $(,)?) => {
        #[test]
        fn $id() {
            let rule = crate::lint::cases::rule(stringify!($id));
            $(crate::lint::cases::bad(rule, $bad, &[$($at),+]);)*
            $(crate::lint::cases::good(rule, $good);)+
        }
    };
}

/// The rule that is tested as `rb107`.
pub(super) fn rule(name: &str) -> &'static LintRule {
    LintRule::find(&name.to_uppercase()).expect("a rule")
}

/// The findings of one rule on a page, by its own `check`; suppressions are left out.
pub(super) fn found(rule: &LintRule, text: &str) -> Diagnostics {
    let project = Project::default();
    let parsed = Parsed::new(Source::new("page.md", text));
    let page = parsed.page();
    let (mut found, level) = (Diagnostics::default(), rule.level.unwrap_or(Severity::Info));
    rule.look_at(&page, level, &mut found);
    rule.look_at_all(&project, &[page], level, &mut found);
    found
}

fn places(found: &Diagnostics) -> Vec<(usize, usize)> {
    let place = |d: &crate::source::Diagnostic| (d.source.pos(d.span.start).line, d.source.pos(d.span.start).column);
    found.sorted().into_iter().map(place).collect()
}

pub(super) fn bad(rule: &LintRule, text: &str, expected: &[(usize, usize)]) {
    let found = found(rule, text);
    assert_eq!(places(&found), expected, "{} in\n{text}\n{:?}", rule.id, messages(&found));
    assert!(found.all.iter().all(|d| d.code == Some(rule.id)), "a finding without the rule's id");
}

pub(super) fn good(rule: &LintRule, text: &str) {
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
    super::run(&[path], &Project::default(), &Config::default())
}

/// An example of `rules.md`, as it stands on a page.
fn example(rule: &LintRule, title: &str) -> Option<String> {
    let (_, behind) = explained(rule).split_once(&format!("\n{title}:\n\n"))?;
    let lines = behind.lines().map_while(|line| if line.is_empty() { Some("") } else { line.strip_prefix("    ") });
    Some(lines.map(|line| format!("{line}\n")).collect::<String>().trim_end().to_string() + "\n")
}

/// The examples of `--explain` are what they claim to be.
#[test]
fn bad_examples_are_found_and_good_ones_are_not() {
    let without_bad = ["RB109", "RB402", "RB403", "RB404"];
    for rule in RULES {
        let (bad, fixed) = (example(rule, "Bad"), example(rule, "Good").expect("a good example"));
        assert_eq!(bad.is_none(), without_bad.contains(&rule.id), "{}: no page alone shows it", rule.id);
        if let Some(bad) = bad {
            assert!(!found(rule, &bad).all.is_empty(), "{}: its bad example is not found:\n{bad}", rule.id);
        }
        good(rule, &fixed);
        assert!(explained(rule).lines().all(|line| line.chars().count() <= 130), "{}", rule.id);
    }
}

#[test]
fn ids_are_in_order_and_titles_are_short() {
    assert!(RULES.is_sorted_by(|a, b| a.id < b.id), "the lines of the table stand in the order of their ids");
    for rule in RULES {
        let digits =
            rule.id.strip_prefix("RB").is_some_and(|id| id.len() == 3 && id.bytes().all(|b| b.is_ascii_digit()));
        assert!(digits && rule.title.len() <= 80 && !rule.title.ends_with('.'), "{}", rule.id);
    }
}

#[test]
fn every_rule_has_cases() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint");
    let files = std::fs::read_dir(folder).expect("the room").map(|entry| entry.expect("an entry").path());
    let text: String =
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).expect("a file")).collect();
    for rule in RULES {
        assert!(text.contains(&format!("cases! {{\n        {},\n", rule.id.to_lowercase())), "{}: no cases", rule.id);
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
