//! `firedrill.toml` at the root of the project: levels of rules, and what is left out.

use super::{LintRule, RULES};
use crate::source::{At, Diagnostics, MapReader, Severity, Source, did_you_mean, parse_toml, shorten};
use glob::{MatchOptions, Pattern};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The name of the file.
pub const FILE: &str = "firedrill.toml";

/// What the project says about lint.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Rule → its level; `None` is off.
    levels: BTreeMap<&'static str, Option<Severity>>,
    exclude: Vec<Pattern>,
    alerts: Option<Vec<Pattern>>,
}

impl Config {
    /// Reads the project's file; without one everything is as the rules say. `None` when it has mistakes.
    pub fn read(root: &Path, diags: &mut Diagnostics) -> Option<Config> {
        let path = crate::source::tidy(&root.join(FILE));
        if std::fs::symlink_metadata(&path).is_err() {
            return Some(Config::default());
        }
        let source = Source::read(&path).map_err(|error| error.report("the project's settings", None, diags)).ok()?;
        Config::parse(&source, diags)
    }

    /// Reads the text of such a file.
    pub fn parse(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Config> {
        let root = parse_toml(source, diags)?;
        let mut file = MapReader::new(&root, format!("`{FILE}`"), source, diags)?;
        let config = file.default_by("lint", Config::default(), Config::table);
        file.finish()?;
        config
    }

    fn table(at: &mut At<'_>) -> Option<Config> {
        const WRITE: &str = "write it like `rules = { RB107 = \"off\" }`";
        let mut map = at.map("`lint`")?;
        let levels = map.optional_by("rules", |at| Some(at.entries("a table", WRITE, level)));
        let (exclude, alerts) = (patterns(&mut map, "exclude"), patterns(&mut map, "alerts"));
        map.finish()?;
        let levels = levels.into_iter().flatten().collect();
        Some(Config { levels, exclude: exclude.unwrap_or_default(), alerts })
    }

    /// The level of a rule; `None` when it is off.
    pub fn level(&self, rule: &LintRule) -> Option<Severity> {
        self.levels.get(rule.id).copied().unwrap_or(rule.level)
    }

    /// Whether a path, relative to the project's folder, is left out: it matches, or a folder above it does.
    pub fn excludes(&self, path: &Path) -> bool {
        path.ancestors().any(|part| part != Path::new("") && Config::matches(&self.exclude, part))
    }

    /// The patterns of the files with alert rules, if the project names any.
    pub(super) fn alerts(&self) -> Option<&[Pattern]> {
        self.alerts.as_deref()
    }

    /// Whether one of the patterns matches a path relative to the project's folder.
    pub(super) fn matches(patterns: &[Pattern], path: &Path) -> bool {
        let options =
            MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
        patterns.iter().any(|pattern| pattern.matches_path_with(path, options))
    }
}

/// The level that a rule is given.
fn level(at: &mut At<'_>) -> Option<(&'static str, Option<Severity>)> {
    let Some(rule) = LintRule::find(at.key) else {
        let help = did_you_mean(at.key, RULES.iter().map(|rule| rule.id));
        at.error_at_key(format!("there is no rule `{}`", shorten(at.key))).help(help);
        return None;
    };
    let text = at.node.text().unwrap_or_default();
    let level = Severity::from_name(text).map(Some).or((text == "off").then_some(None));
    if level.is_none() {
        let help = did_you_mean(text, ["error", "warning", "info", "off"]);
        at.error(format!("{} is no level", at.node.describe())).help(help);
    }
    Some((rule.id, level?))
}

/// A list of patterns; `None` when the key is not there.
fn patterns(map: &mut MapReader<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    let texts = map.optional::<Vec<String>>(key)?;
    let mut found = Vec::new();
    for text in texts {
        match Pattern::new(text.trim_start_matches("./").trim_end_matches('/')) {
            Ok(pattern) => found.push(pattern),
            Err(error) => {
                map.wrong(key, format!("`{}` is no pattern: {error}", shorten(&text)))
                    .help("`*` stands for a part of a name, `**` for any folders");
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::render;

    fn parsed(text: &str) -> Result<Config, String> {
        let mut diags = Diagnostics::default();
        let config = Config::parse(&Source::new(FILE, text), &mut diags);
        config.ok_or_else(|| render(&diags, false))
    }

    #[test]
    fn levels_and_exclusions() {
        let config = parsed(
            "[lint]\nrules = { RB001 = \"off\", RB107 = \"error\" }\nexclude = [\"runbooks/archive/**\", \"./old/\", \"**/x-*.md\"]\n",
        )
        .expect("settings");
        let level = |id: &str| config.level(RULES.iter().find(|rule| rule.id == id).expect("a rule"));
        assert_eq!((level("RB001"), level("RB107")), (None, Some(Severity::Error)));
        for (path, expected) in [
            ("runbooks/archive/a.md", true),
            ("runbooks/archive/deep/a.md", true),
            ("old/deep/a.md", true),
            ("runbooks/x-a.md", true),
            ("runbooks/a.md", false),
            ("older/a.md", false),
        ] {
            assert_eq!(config.excludes(Path::new(path)), expected, "{path}");
        }
        assert!(parsed("").is_ok());
    }

    #[test]
    fn every_mistake_has_its_place() {
        let mistakes = parsed(
            "[lint]\nrules = { RB177 = \"off\", RB107 = \"eror\", RB001 = 3 }\nexclude = [\"a***\"]\nstrict = true\n[drill]\nx = 1\n",
        );
        insta::assert_snapshot!(crate::source::brief::brief(&mistakes.expect_err("it is full of mistakes")));
    }
}
