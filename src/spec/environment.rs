//! What sessions have in their environment: `respond.env`, `steps.ID.env`, and files of `NAME=value` lines
//! (`respond.env_files`), in the form that `docker run --env-file` and Compose's `env_file` share. Nothing is expanded.

use super::Var;
use super::stack::files;
use super::vars::{read_var, var};
use crate::source::{At, Diagnostics, Source, Span, concealed, shorten};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Names that mean something to the shell itself.
const OF_BASH: &[&str] = &["BASHOPTS", "BASH_ENV", "OLDPWD", "PWD", "SHELLOPTS", "_"];

/// Reads a map of variables, which have the form of those in `respond.vars`.
pub fn read(at: &mut At<'_>) -> BTreeMap<String, Var> {
    let vars = at.entries_if_any("a map", "", |at| {
        if let Err(why) = check_name(at.key) {
            at.error_at_key(why);
        }
        let (var, _) = read_var(at);
        Some((at.key.to_string(), var?))
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
    let mut chars = name.chars();
    let fits = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    match fits {
        true if OF_BASH.contains(&name) => Err(format!("`{name}` is the shell's own")),
        true => Ok(()),
        false => Err(format!("`{}` cannot be the name of a variable", shorten(name))),
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
        insta::assert_snapshot!(told);
    }
}
