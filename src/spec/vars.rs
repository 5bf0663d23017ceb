//! Variables as files and command lines give them: a value, or one of the runner's environment, and which are secrets; and what
//! sessions have in their environment: `respond.env`, `steps.ID.env`, and files of `NAME=value` lines (`respond.env_files`), in the
//! form that `docker run --env-file` and Compose's `env_file` share. Nothing is expanded.

use super::Var;
use super::find::{files, is_yaml};
use crate::record::{Redactor, SHORTEST_DECLARED, SHORTEST_GUESSED, Secret, looks_secret, url_password};
use crate::source::{At, Diagnostics, Node, Source, Span, TextPattern, Value, concealed, parse, shape, shorten};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Whether a value must never be shown: what the scenario says wins; otherwise what its name or the value itself says,
/// because nobody thinks of `secret: true` when they write `--var DB_PASSWORD=…`.
pub(super) fn is_secret(name: &str, value: &str, declared: Option<bool>) -> bool {
    declared.unwrap_or_else(|| looks_secret(name) || url_password(value).is_some())
}

/// What can be done about a secret that is too short.
pub(super) const LONGER: &str = "give it a longer value, or leave `secret: true` out where its value may be read";

/// Why a variable cannot be a secret.
pub(super) fn too_short(var: &Var) -> Option<String> {
    let length = var.value.trim().chars().count();
    let why = || format!("a value of fewer than {SHORTEST_DECLARED} characters cannot be a secret");
    (var.declared == Some(true) && (1..SHORTEST_DECLARED).contains(&length)).then(why)
}

/// A variable with this value.
pub(super) fn var(name: &str, value: String, declared: Option<bool>, may_be_empty: bool) -> Var {
    Var { secret: is_secret(name, &value, declared), declared, value, may_be_empty }
}

/// Reads a variable.
pub fn read_var(at: &mut At<'_>) -> Option<Var> {
    let name = shorten(at.key);
    let (mut declared, mut may_be_empty, mut named) = (None, false, at.key.to_string());
    let text = |at: &mut At<'_>| at.node.text().map(str::to_string);
    let value = at.either(shape::scalar, text, |at| {
        if !matches!(at.node.value, Value::Map(_)) {
            return at.fail(format!("variable `{name}`: expected a value, found {}", at.node.describe()));
        }
        let mut map = at.map(format!("variable `{name}`"))?.of_section("Variables");
        declared = map.optional::<bool>("secret");
        may_be_empty = map.optional::<bool>("may_be_empty").unwrap_or_default();
        let value: Option<String> = map.optional("value");
        let from = map.optional_by("env", |at| {
            let from: String = at.value()?;
            let value = std::env::var(&from).ok();
            // A secret stays one under another name.
            if looks_secret(&from) {
                named.clone_from(&from);
            }
            if value.is_none() {
                let why = if std::env::var_os(&from).is_some() { "is not UTF-8" } else { "is not set" };
                let message = format!("the environment variable `{}` {why}", shorten(&from));
                at.error(message).help("set it before the drill is run");
            }
            value
        });
        map.also(json!({ "type": "object" }));
        map.exactly_one(&["value", "env"], "write `value: …`, or `env: NAME` to take it from the environment");
        map.finish().and(value.or(from))
    });
    let var = value.map(|value| var(&named, value, declared, may_be_empty));
    if let Some(why) = var.as_ref().and_then(too_short) {
        let written = at.node.get(&["value"]).or(at.node.get(&["env"])).unwrap_or(at.node);
        at.diags.error(at.source, written.span, format!("variable `{name}`: {why}")).help(LONGER);
    }
    let guessed = var.as_ref().filter(|var| var.declared.is_none() && looks_secret(&named));
    if guessed.is_some_and(|var| (1..SHORTEST_GUESSED).contains(&var.value.trim().chars().count())) {
        let why =
            format!("its name is that of a secret, and a value of fewer than {SHORTEST_GUESSED} characters is shown");
        at.diags
            .warning(at.source, at.key_span, format!("variable `{name}`: {why}"))
            .help("say `secret: true` to have it hidden, or `secret: false`");
    }
    var
}

/// Names that mean something to the shell itself.
const OF_BASH: &[&str] = &["BASHOPTS", "BASH_ENV", "OLDPWD", "PWD", "SHELLOPTS", "_"];

/// Reads a map of variables, which have the form of those in `respond.vars`.
pub fn read_environment(at: &mut At<'_>) -> BTreeMap<String, Var> {
    let vars = at.entries_if_any("a map", "", |at| {
        if let Err(why) = check_name(at.key) {
            at.error_at_key(why);
        }
        Some((at.key.to_string(), read_var(at)?))
    });
    vars.into_iter().collect()
}

/// Reads `env_files`: a list of paths beside the scenario; of two files the later one wins. The paths come along.
pub fn read_files(at: &mut At<'_>) -> (BTreeMap<String, Var>, Vec<PathBuf>) {
    let files = files(at, "the environment file");
    let vars = files.iter().flat_map(|file| read_file(file, at.diags)).collect();
    (vars, files.iter().map(|file| file.path.clone()).collect())
}

fn read_file(file: &Source, diags: &mut Diagnostics) -> BTreeMap<String, Var> {
    let (mut vars, mut shown) = (BTreeMap::new(), None);
    let mut at = 0;
    for line in file.text.split_inclusive('\n') {
        let span = Span::new(at, at + line.trim_end().len());
        at += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let read = line.strip_prefix("export ").unwrap_or(line).split_once('=');
        let read = read.ok_or_else(|| "a line of an environment file is `NAME=value`".to_string());
        match read.and_then(|(name, text)| Ok((name.trim(), check_name(name.trim()).and_then(|()| value(text))?))) {
            Ok((name, value)) => {
                vars.insert(name.to_string(), var(name, value, None, false));
            }
            Err(why) => {
                let shown = shown.get_or_insert_with(|| masked(file));
                diags.error(shown, span, why);
            }
        }
    }
    vars
}

/// The value behind the `=`: quotes around it are taken away, and without quotes a comment behind it.
fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let end = text.find(" #").unwrap_or(text.len());
        return Ok(text.get(..end).unwrap_or_default().trim_end().to_string());
    };
    let mut value = String::new();
    let mut chars = text.get(1..).unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote == '"' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\' | '$')) => value.push(escaped),
                other => value.extend(std::iter::once('\\').chain(other)),
            },
            c if c == quote => {
                let rest = chars.as_str().trim_start();
                let clean = rest.is_empty() || rest.starts_with('#');
                return if clean { Ok(value) } else { Err("something stands behind the closing quote".to_string()) };
            }
            c => value.push(c),
        }
    }
    Err("the closing quote is missing".to_string())
}

fn check_name(name: &str) -> Result<(), String> {
    static NAME: TextPattern = TextPattern::new("^[A-Za-z_][A-Za-z0-9_]*$");
    match name {
        own if OF_BASH.contains(&own) => Err(format!("`{own}` is the shell's own")),
        fit if NAME.is_match(fit) => Ok(()),
        other => Err(format!("`{}` cannot be the name of a variable", shorten(other))),
    }
}

/// The file without its values, byte by byte: its lines are shown, and they are full of secrets.
fn masked(file: &Source) -> Arc<Source> {
    let mask = |line: &str| match line.split_once('=') {
        Some((name, value)) => format!("{name}={}", concealed(value)),
        None => concealed(line),
    };
    Source::new(&file.path, file.text.split_inclusive('\n').map(mask).collect::<String>())
}

/// A mistake is shown with its line, and that line may hold the value of a variable that is a secret: replaces the values of secret variables by `***` in the lines and texts that the diagnostics of scenarios show.
pub fn hide(diags: &mut Diagnostics) {
    let mut hidden: BTreeMap<PathBuf, (Arc<Source>, Redactor)> = BTreeMap::new();
    for diagnostic in &mut diags.all {
        let path = &diagnostic.source.path;
        if !is_yaml(path) {
            continue;
        }
        let (source, redactor) = hidden.entry(path.clone()).or_insert_with(|| without_secrets(&diagnostic.source));
        let texts = [Some(&mut diagnostic.message), diagnostic.label.as_mut(), diagnostic.help.as_mut()];
        for text in texts.into_iter().flatten() {
            *text = redactor.text(text);
        }
        diagnostic.source = source.clone();
    }
}

/// The same text with the secret values concealed: every span stays where it is, and no length is shown.
fn without_secrets(source: &Arc<Source>) -> (Arc<Source>, Redactor) {
    let Some(root) = parse(source, &mut Diagnostics::default()) else { return (source.clone(), Redactor::default()) };
    let mut secrets = Vec::new();
    let of_respond = ["vars", "env"].into_iter().filter_map(|key| root.get(&["respond", key]));
    let steps = root.get(&["steps"]).map_or(&[][..], Node::entries);
    for vars in of_respond.chain(steps.iter().filter_map(|step| step.value.get(&["env"]))) {
        for var in vars.entries() {
            let declared = var.value.text_at(&["secret"]).and_then(|text| text.parse().ok());
            let value = var.value.get(&["value"]).unwrap_or(&var.value);
            let Some(text) = value.text() else { continue };
            if is_secret(&var.key, text, declared) {
                let kind = if declared == Some(true) { Secret::Declared } else { Secret::Guessed };
                secrets.push((value.span, kind(text.to_string())));
            }
        }
    }
    if secrets.is_empty() {
        return (source.clone(), Redactor::default());
    }
    let mut text = source.text.clone();
    for (Span { start, end }, _) in &secrets {
        if let Some(value) = text.get(*start..*end) {
            text.replace_range(*start..*end, &concealed(value));
        }
    }
    for (_, secret) in &secrets {
        let value = secret.value();
        if secret.is_hidden() && !value.contains('\n') {
            text = text.replace(value, &concealed(value));
        }
    }
    (Source::new(&source.path, text), Redactor::new(secrets.into_iter().map(|(_, secret)| secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::render;

    #[test]
    fn files_are_read_as_docker_and_compose_read_them() {
        let text = "# ops\n\nexport PGHOST=db\nPGPORT = 5432 # usual\nGREETING=\"a \\\"b\\\" $HOME\\nc\"\n\
                    RAW='x # $Y'\nPGPASSWORD=hunter22\r\nEMPTY=\nURL=postgres://u:hunter33@db/x\n";
        let mut diags = Diagnostics::default();
        let vars = read_file(&Source::new("ops.env", text), &mut diags);
        assert!(diags.all.is_empty(), "{}", render(&diags, false));
        let value = |name: &str| vars[name].value.as_str();
        assert_eq!((value("PGHOST"), value("PGPORT"), value("RAW"), value("EMPTY")), ("db", "5432", "x # $Y", ""));
        assert_eq!(value("GREETING"), "a \"b\" $HOME\nc");
        let secret: Vec<&str> = vars.iter().filter(|(_, var)| var.secret).map(|(name, _)| name.as_str()).collect();
        assert_eq!(secret, ["PGPASSWORD", "URL"]);
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_their_values() {
        let text = "PGHOST=db\nhunter11\n1A=hunter22\nA=\"hunter33\nB='x' hunter44\nPWD=/x\n";
        let mut diags = Diagnostics::default();
        read_file(&Source::new("ops.env", text), &mut diags);
        let told = render(&diags, false);
        for hidden in ["hunter11", "hunter22", "hunter33", "hunter44"] {
            assert!(!told.contains(hidden), "{told}");
        }
        insta::assert_snapshot!(crate::source::brief::brief(&told));
    }
}
