//! The house is as `ARCHITECTURE.md` draws it: its table of rooms says who may import whom, and every `crate::…` in `src/`
//! keeps to it. The table itself must not hold a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Edges = BTreeMap<String, BTreeSet<String>>;

/// What the page says.
#[derive(Debug)]
struct Map {
    /// Room → the rooms that it may import; `None` is every room.
    allowed: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Blemishes: (room, room that it borrows from, what it borrows).
    borrowed: Vec<(String, String, String)>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The cells of the rows of a table, by its header.
fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect()).collect()
}

fn bare(cell: &str) -> String {
    cell.trim_matches('`').trim_end_matches('/').trim_end_matches(".rs").to_string()
}

fn map() -> Map {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let rooms = table(&text, "| room | what it does | may import |");
    let allowed = rooms.iter().map(|row| {
        let may = match row[2].as_str() {
            "everything" => None,
            "nothing" => Some(BTreeSet::new()),
            list => Some(list.split(',').map(|room| room.trim().to_string()).collect()),
        };
        (bare(&row[0]), may)
    });
    let borrowed = table(&text, "| from | to | what |");
    let borrowed = borrowed.iter().map(|row| {
        let item = row[2].split('`').nth(1).unwrap_or_default().to_string();
        (bare(&row[0]), bare(&row[1]), item)
    });
    Map { allowed: allowed.collect(), borrowed: borrowed.collect() }
}

/// Every `.rs` file below a path, with its text.
fn sources(path: &Path) -> Vec<(PathBuf, String)> {
    if path.is_file() {
        return vec![(path.to_path_buf(), std::fs::read_to_string(path).expect("a source file"))];
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() || path.extension().is_some_and(|end| end == "rs") {
            found.extend(sources(&path));
        }
    }
    found
}

/// Code without comments, in which paths into other rooms may stand as links of the documentation. The `//` of a URL
/// begins none.
fn code(text: &str) -> String {
    let comment = |line: &str| line.match_indices("//").map(|(at, _)| at).find(|at| !line[..*at].ends_with(':'));
    text.lines().map(|line| comment(line).map_or(line, |at| &line[..at])).collect::<Vec<_>>().join("\n")
}

/// What follows `crate::` wherever it stands: (room, the path behind it). `use crate::{a, b::c}` are several.
fn paths(text: &str) -> Vec<(String, String)> {
    paths_after(text, "crate::")
}

/// The same behind any beginning of a path.
fn paths_after(text: &str, beginning: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, matched) in text.match_indices(beginning) {
        let preceded = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if preceded {
            continue;
        }
        let rest = text[at + matched.len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 1;
                let mut item = String::new();
                for c in group.chars() {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    if depth == 0 || (depth == 1 && c == ',') {
                        found.push(split(&item));
                        item.clear();
                    } else {
                        item.push(c);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            None => {
                let end = rest.find(';').unwrap_or(rest.len());
                found.push(split(&rest[..end]));
            }
        }
    }
    found.retain(|(room, _)| !room.is_empty());
    found
}

fn split(path: &str) -> (String, String) {
    let path = path.trim();
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(path.len());
    (path[..end].to_string(), path[end..].to_string())
}

/// The rooms of the house: folders and files of `src/`, except the roof.
fn rooms() -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(root().join("src")).expect("src/");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let named = paths.map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path));
    named.filter(|(name, _)| !matches!(name.as_str(), "lib" | "main") && !name.starts_with('.')).collect()
}

#[test]
fn every_room_is_on_the_map() {
    let on_the_map: BTreeSet<String> = map().allowed.into_keys().collect();
    let built: BTreeSet<String> = rooms().into_keys().collect();
    assert_eq!(on_the_map, built);
}

#[test]
fn every_file_says_what_it_is_for() {
    let files = sources(&root().join("src"));
    let wrong = |(file, text): &(PathBuf, String)| (!text.starts_with("//! ")).then(|| file.display().to_string());
    let wrong: Vec<String> = files.iter().filter_map(wrong).collect();
    assert!(files.len() > 150, "only {} files were found", files.len());
    assert!(wrong.is_empty(), "no `//!` at the top:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_imports_only_what_it_may() {
    let Map { allowed, borrowed } = map();
    let rooms = rooms();
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    let mut seen = 0;
    for (room, path) in &rooms {
        let Some(may) = allowed.get(room).and_then(Option::as_ref) else { continue };
        for (file, text) in sources(path) {
            for (other, rest) in paths(&code(&text)) {
                seen += 1;
                let own = other == *room || may.contains(&other);
                let of_the_root = !rooms.contains_key(&other);
                if own || of_the_root {
                    continue;
                }
                let borrows = borrowed.iter().position(|(from, to, what)| {
                    let words: Vec<&str> = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
                    from == room && *to == other && words.contains(&what.as_str())
                });
                match borrows {
                    Some(at) => drop(needed.insert(at)),
                    None => wrong.push(format!("{}: crate::{other}{}", file.display(), rest.trim_end())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by the table in ARCHITECTURE.md:\n{}", wrong.join("\n"));
    assert_eq!(needed.len(), borrowed.len(), "nobody needs every exception any more: take it out of ARCHITECTURE.md");
    assert!(seen > 150, "only {seen} imports were found: does this test still read the sources?");
}

/// A program that is started elsewhere has neither a deadline nor a group that goes with it.
#[test]
fn programs_are_started_in_one_place() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&root().join("src")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with("tests.rs") || file == root().join("src/process.rs") {
            continue;
        }
        let text = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        let starts = ["Command::new(", ".spawn()", ".output()"];
        wrong.extend(
            starts.iter().filter(|start| text.contains(**start)).map(|start| format!("{}: {start}", file.display())),
        );
    }
    assert!(wrong.is_empty(), "programs are started by `crate::process` alone:\n{}", wrong.join("\n"));
    let (_, text) = sources(&root().join("src/process.rs")).remove(0);
    assert!(text.contains("Command::new("), "this test no longer sees how programs are started");
}

#[test]
fn the_map_has_no_circles() {
    let Map { allowed, .. } = map();
    let mut left: Edges = allowed.into_iter().filter_map(|(room, may)| may.map(|may| (room, may))).collect();
    while !left.is_empty() {
        // Whoever imports nothing that is still standing can be taken away; in a circle nobody can.
        let standing: BTreeSet<String> = left.keys().cloned().collect();
        let free: Vec<String> =
            left.iter().filter(|(_, may)| may.is_disjoint(&standing)).map(|(room, _)| room.clone()).collect();
        assert!(!free.is_empty(), "these import each other in a circle: {left:?}");
        left.retain(|room, _| !free.contains(room));
    }
}

/// The names of the public types of a file, of those in a macro as well.
fn types(text: &str) -> Vec<String> {
    let items = text.lines().filter_map(|line| line.trim_start().strip_prefix("pub "));
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let names = items.filter_map(|item| kinds.iter().find_map(|kind| item.strip_prefix(kind)));
    names.map(|name| name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

/// The modules right inside a room and which of them uses which: by its path, or by a name that the room's `mod.rs` re-exports. Of what
/// is re-exported or imported by `*` the types count.
fn inside(room: &str, path: &Path) -> Edges {
    let files: Vec<(PathBuf, String)> =
        sources(path).into_iter().filter(|(file, _)| !file.to_string_lossy().contains("test")).collect();
    let stem = |part: &Path| part.with_extension("").to_string_lossy().into_owned();
    let module = |file: &Path| file.strip_prefix(path).ok()?.components().next().map(|first| stem(Path::new(&first)));
    let modules: BTreeSet<String> =
        files.iter().filter_map(|(file, _)| module(file)).filter(|name| name != "mod").collect();
    let own = files.iter().find(|(file, _)| *file == path.join("mod.rs"));
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (from, rest) in own.map(|(_, text)| paths_after(&code(text), "pub use ")).unwrap_or_default() {
        let words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        names.extend(words.map(|word| (word.to_string(), from.clone())).filter(|_| modules.contains(&from)));
        if rest.starts_with("::*") {
            let of = files.iter().filter(|(file, _)| module(file).as_ref() == Some(&from));
            names.extend(of.flat_map(|(_, text)| types(text)).map(|name| (name, from.clone())));
        }
    }
    let mut edges = Edges::new();
    for (file, text) in &files {
        let Some(user) = module(file).filter(|name| modules.contains(name)) else { continue };
        let text = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        let depth = file.strip_prefix(path).map_or(0, |inside| inside.components().count());
        let up = "super::".repeat(depth - usize::from(file.ends_with("mod.rs")));
        let used = [paths_after(&text, &up), paths_after(&text, &format!("crate::{room}::"))].concat();
        for (name, _) in used.iter().filter(|(name, _)| name != "super") {
            let used = if modules.contains(name) { Some(name) } else { names.get(name) };
            edges.entry(user.clone()).or_default().extend(used.filter(|used| **used != user).cloned());
        }
        if text.contains(&format!("use {up}*;")) {
            let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let used = words.filter(|word| word.starts_with(char::is_uppercase)).filter_map(|word| names.get(word));
            edges.entry(user.clone()).or_default().extend(used.filter(|used| **used != user).cloned());
        }
    }
    edges
}

/// What can be reached from a module.
fn reached(edges: &Edges, from: &str) -> BTreeSet<String> {
    let (mut all, mut open) = (BTreeSet::new(), vec![from.to_string()]);
    while let Some(next) = open.pop() {
        open.extend(edges.get(&next).into_iter().flatten().filter(|to| all.insert((*to).clone())).cloned());
    }
    all
}

/// Modules of one room that use each other in a circle are those that `ARCHITECTURE.md` names with a reason, and no others.
#[test]
fn circles_inside_rooms_are_the_known_ones() {
    let mut found = BTreeSet::new();
    for (room, path) in rooms().iter().filter(|(_, path)| path.is_dir()) {
        let edges = inside(room, path);
        let reached: BTreeMap<&String, BTreeSet<String>> =
            edges.keys().map(|module| (module, reached(&edges, module))).collect();
        for (module, to) in reached.iter().filter(|(module, to)| to.contains(**module)) {
            let circle = to.iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(*module)));
            found.insert(format!("{room}: {}", circle.cloned().collect::<Vec<_>>().join(", ")));
        }
    }
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let known = table(&text, "| room | modules that use each other | why |");
    let known: BTreeSet<String> = known.iter().map(|row| format!("{}: {}", bare(&row[0]), row[1])).collect();
    let list = |all: &BTreeSet<String>, other: &BTreeSet<String>| {
        all.difference(other).cloned().collect::<Vec<_>>().join("\n")
    };
    assert!(found == known, "new:\n{}\n\ngone:\n{}", list(&found, &known), list(&known, &found));
}

#[test]
fn the_lowest_rooms_import_nothing_and_reports_only_the_record() {
    let allowed = map().allowed;
    let may = |room: &str| allowed[room].clone().unwrap_or_else(|| panic!("{room} may import everything"));
    for room in ["record", "error"] {
        assert_eq!(may(room), BTreeSet::new(), "{room}");
    }
    assert_eq!(may("source"), BTreeSet::from(["output".to_string()]));
    assert_eq!(may("view"), BTreeSet::from(["output", "record"].map(str::to_string)));
    assert_eq!(may("report"), BTreeSet::from(["output", "record", "view"].map(str::to_string)));
    assert!(allowed.values().flatten().flatten().all(|room| allowed.contains_key(room)), "a room that is not there");
}

#[test]
fn paths_are_found_in_every_spelling() {
    let text = "use crate::a::B;\nuse crate::{c, d::{E, F}, g as h};\nlet x = crate::i::j();\nuse other_crate::k;\n$crate::l::M";
    let rooms: Vec<String> = paths(&code(text)).into_iter().map(|(room, _)| room).collect();
    assert_eq!(rooms, ["a", "c", "d", "g", "i", "l"]);
    assert_eq!(code("/// [`crate::x`]\nuse crate::y;"), "\nuse crate::y;");
}

/// `super::super` out of a room would go around the map.
#[test]
fn nobody_leaves_a_room_by_the_window() {
    for path in rooms().values() {
        for (file, text) in sources(path) {
            let inside = file.strip_prefix(root().join("src")).expect("below src/");
            // Modules above this one up to the room; `super` beyond that is the crate.
            let mut above = inside.components().count() - 1;
            above -= usize::from(file.file_name().is_some_and(|name| name == "mod.rs"));
            // Inline modules of tests have a `super` more.
            let text = code(text.split("\nmod tests {").next().unwrap_or_default());
            let highest = (1..10).rev().find(|n| text.contains(&"super::".repeat(*n))).unwrap_or(0);
            assert!(highest <= above, "{} goes up {highest} times and leaves its room", file.display());
        }
    }
}

/// Ways to a terminal or a log that do not lead through `output/`.
const WAYS_OUT: [&str; 13] = [
    "println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()", "Stdio::inherit", "console::Term",
    "ProgressBar", "ProgressDrawTarget", "set_hook", "/dev/tty",
];
/// Files that speak to a program, in a protocol or as what a step calls, and the only ones that may.
const SPEAK_TO_PROGRAMS: [&str; 5] =
    ["cli/agent.rs", "cli/job.rs", "cli/shell.rs", "report/events_json.rs", "shell/shim_client.rs"];

/// Whether `way` stands in the code as a word of its own.
fn stands(code: &str, way: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(way).any(|(at, _)| {
        let (before, after) = (code[..at].chars().next_back(), code[at + way.len()..].chars().next());
        let begins = way.starts_with(word) && before.is_some_and(word);
        let ends = way.ends_with(word) && after.is_some_and(word);
        !begins && !ends && !code[..at].ends_with("pipe::") && !code[..at].ends_with('.')
    })
}

#[test]
fn nobody_prints_around_the_way_out() {
    let src = root().join("src");
    let (mut wrong, mut speak) = (Vec::new(), BTreeSet::new());
    for (file, text) in sources(&src) {
        let inside = file.strip_prefix(&src).expect("below src/").to_string_lossy().into_owned();
        if inside.starts_with("output/") {
            continue;
        }
        let code = code(text.split("\nmod tests {").next().unwrap_or_default());
        let found = WAYS_OUT.iter().filter(|way| stands(&code, way));
        wrong.extend(found.map(|way| format!("{inside}: {way}")));
        if code.contains("pipe::") && code.contains("output::") {
            speak.insert(inside);
        }
    }
    assert!(wrong.is_empty(), "what is printed goes through `output/`:\n{}", wrong.join("\n"));
    assert_eq!(speak, SPEAK_TO_PROGRAMS.map(str::to_string).into(), "who writes for programs, unchanged");
    for way in ["println!(", "std::io::stderr().lock()", "console::Term::stdout()", "x(Stdio::inherit())"] {
        assert!(WAYS_OUT.iter().any(|known| stands(way, known)), "{way}");
    }
    assert!(!WAYS_OUT.iter().any(|known| stands("Stream::Stdout => pipe::stdout(), command.stdout(pipe)", known)));
}

/// A type has a name of its own: who searches for it finds it, and nothing else. Types inside of functions and of tests, and
/// associated ones, do not count.
#[test]
fn no_two_types_have_the_same_name() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (path, text) in sources(&root().join("src")) {
        if path.components().any(|part| part.as_os_str().to_string_lossy().contains("test")) {
            continue;
        }
        for line in text.lines().take_while(|line| !line.starts_with("mod tests {")) {
            let line =
                line.trim_start_matches("pub ").trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
            let kind = ["struct ", "enum ", "trait ", "type "].into_iter().find_map(|kind| line.strip_prefix(kind));
            if let Some(rest) = kind {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                places.entry(name).or_default().push(path.clone());
            }
        }
    }
    assert!(places.len() > 500, "only {} types were found", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}
