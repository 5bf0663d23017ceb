//! Programs of a team, which the table cannot know: `programs.yaml` in its project. It is reviewed like code, as readings are: who
//! can change it decides what runs without a question.

use super::table::{self, NameEntry, Program, Way};
use crate::source::{At, Diagnostics, MapReader, Node, Source, Span, Value, nearest, parse};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

/// The name of the file in a project.
pub const FILE: &str = "programs.yaml";

static OWN: OnceLock<(Arc<Source>, Vec<Program>)> = OnceLock::new();

/// What the project's file says of a name.
pub(super) fn entry(name: &str) -> Option<NameEntry> {
    let program = OWN.get()?.1.iter().find(|program| program.names.iter().any(|known| known == name))?;
    Some(NameEntry { program: Some(program), ..NameEntry::default() })
}

/// The project's file, where there is one.
pub fn own_file() -> Option<&'static Arc<Source>> {
    OWN.get().map(|(source, _)| source)
}

/// Whether a file is meant for Firedrill: other tools have files of this name. A key that is nearly `programs`, and a list of
/// programs without it, are mistakes of ours.
fn is_ours(source: &Arc<Source>) -> bool {
    let has = |node: &Node, key: &str| node.entries().iter().any(|entry| nearest(&entry.key, [key]).is_some());
    match parse(source, &mut Diagnostics::default()) {
        Some(Node { value: Value::List(items), .. }) => items.iter().any(|item| has(item, "names")),
        Some(root) => has(&root, "programs"),
        None => source.text.lines().any(|line| line.starts_with("programs:")),
    }
}

/// Makes the programs of a project's file known to this process. Mistakes in it are noted, and then none of it counts; so does
/// none of a second file, and none of a file that is another tool's, of which is warned.
pub fn add(source: &Arc<Source>, diags: &mut Diagnostics) {
    if !is_ours(source) {
        let first = Span::new(0, source.text.lines().next().map_or(0, str::len));
        diags
            .warning(source, first, "this file is taken for another tool's, and says nothing of the project's programs")
            .help("Firedrill's has a list under the key `programs`: docs/programs.md");
        return;
    }
    let known = diags.all.len();
    let programs = parse(source, diags).and_then(|root| read(&mut At::root(&root, source, diags)));
    if diags.all.len() > known {
        return;
    }
    let _ = OWN.set((source.clone(), programs.unwrap_or_default()));
}

fn read(at: &mut At<'_>) -> Option<Vec<Program>> {
    let mut map = at.map("the project's programs")?;
    let mut seen = HashSet::new();
    let example = "write `- { names: [ordersctl], looks: [status] }` below it";
    let programs = map.require_by("programs", |at| Some(at.items("a list", example, |at| program(at, &mut seen))));
    map.finish()?;
    programs
}

fn program(at: &mut At<'_>, seen: &mut HashSet<String>) -> Option<Program> {
    let mut map = at.map("a program")?;
    let names: Vec<String> = map.require("names").unwrap_or_default();
    let at = map.span_of("names");
    for name in &names {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
        if !plain {
            map.error(at, format!("`{name}` is not the name of a program"))
                .help("write it without folders and options: `ordersctl`");
        } else if table::entry(name).is_some() {
            map.error(at, format!("`{name}` is in Firedrill's own table, which a project does not change"))
                .help("docs/programs.md tells what it says; a person accepts the commands that it asks about");
        } else if !seen.insert(name.clone()) {
            map.error(at, format!("`{name}` is named twice"));
        }
    }
    if names.is_empty() && map.has("names") {
        map.wrong("names", "a program needs a name").help("write `names: [shopctl]`");
    }
    let looks = ways(&mut map, "looks", &names);
    let mut program = Program {
        valued: options(&mut map, "valued"),
        flags: options(&mut map, "flags"),
        interactive: ways(&mut map, "interactive", &names),
        endless: ways(&mut map, "endless", &names),
        destroys: ways(&mut map, "destroys", &names),
        names,
        _notes: map.optional("notes"),
        ..Program::default()
    };
    let of_ways = looks.iter().flat_map(|way| way.options.iter().flatten());
    program.only = Some(of_ways.chain(&program.valued).chain(&program.flags).cloned().collect());
    program.looks = looks;
    for looks in &program.looks {
        for destroys in program.destroys.iter().filter(|destroys| looks.covers(destroys)) {
            let message = format!("`{}` covers `{}`, which destroys something", looks.text(), destroys.text());
            map.wrong("looks", message).help("name the ways that only look one by one");
        }
    }
    map.finish()?;
    Some(program)
}

/// Options, with their dashes.
fn options(map: &mut MapReader<'_>, key: &'static str) -> Vec<String> {
    let texts: Vec<String> = map.optional(key).unwrap_or_default();
    for text in texts.iter().filter(|text| !text.starts_with('-') || text.contains([' ', '='])) {
        map.wrong(key, format!("`{text}` is no option")).help("write `--env` or `-e`, without its value");
    }
    texts
}

/// Ways of calling it, as the table writes them.
fn ways(map: &mut MapReader<'_>, key: &'static str, names: &[String]) -> Vec<Way> {
    let texts: Vec<String> = map.optional(key).unwrap_or_default();
    let mut ways = Vec::new();
    for text in texts {
        let named = names.iter().any(|name| text.split_whitespace().next() == Some(name));
        let way = Way::parse(&text).filter(|way| !named && !way.is_any());
        if way.is_none() {
            let help =
                "write what stands behind the program: `queue list`, `get|show *`, `apply --dry-run`, `.` for nothing";
            map.wrong(key, format!("`{text}` is no way of calling a program")).help(help);
        }
        ways.extend(way);
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::{EffectKind, StandardInput, Word, of_call};

    fn mistakes(text: &str) -> Vec<String> {
        let source = Source::new("programs.yaml", text);
        let mut diags = Diagnostics::default();
        let root = parse(&source, &mut diags).expect("YAML");
        read(&mut At::root(&root, &source, &mut diags));
        let place = |diag: &crate::source::Diagnostic| source.pos(diag.span.start);
        diags.all.iter().map(|diag| format!("{}:{} {}", place(diag).line, place(diag).column, diag.message)).collect()
    }

    #[test]
    fn mistakes_are_told_together_with_their_places() {
        assert_eq!(
            mistakes(
                "programs:\n  - names: [kubectl, ./x, a]\n    look: [status]\n  - names: [a]\n    looks: ['. x']\nmore: 1\n"
            ),
            [
                "2:12 `kubectl` is in Firedrill's own table, which a project does not change",
                "2:12 `./x` is not the name of a program",
                "3:5 a program has no key `look`",
                "4:12 `a` is named twice",
                "5:12 `. x` is no way of calling a program",
                "6:1 the project's programs has no key `more`",
            ]
        );
        assert_eq!(
            mistakes(
                "programs:\n  - names: []\n    valued: [env]\n  - names: [a]\n    looks: [a status, '', tenant, 'q|w list .']\n    destroys: [tenant delete, q]\n"
            ),
            [
                "2:12 a program needs a name",
                "3:13 `env` is no option",
                "5:12 `a status` is no way of calling a program",
                "5:12 `` is no way of calling a program",
                "5:12 `tenant` covers `tenant delete`, which destroys something",
            ]
        );
        assert_eq!(mistakes("programs: x\n"), ["1:11 `programs` must be a list, found `x`"]);
    }

    #[test]
    fn what_a_project_says_of_its_programs_counts() {
        let source = Source::new(
            "programs.yaml",
            "programs:\n  - names: [ordersctl]\n    looks: [status, queue list, apply --dry-run]\n    valued: [--env]\n",
        );
        let mut diags = Diagnostics::default();
        add(&source, &mut diags);
        assert!(diags.all.is_empty(), "{diags:?}");
        let effect = |text: &str| {
            let words: Vec<Word> = text.split(' ').map(Word::fixed).collect();
            of_call(&words, StandardInput::Nothing).kind
        };
        for text in [
            "ordersctl status", "ordersctl --env x queue list", "ordersctl apply --dry-run",
            "/usr/bin/ordersctl status",
        ] {
            assert_eq!(effect(text), EffectKind::Looks, "{text}");
        }
        for text in
            ["ordersctl", "ordersctl queue drop", "ordersctl apply", "ordersctl status --reset", "./ordersctl status"]
        {
            assert_ne!(effect(text), EffectKind::Looks, "{text}");
        }
    }
}
