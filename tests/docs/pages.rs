//! Pages of Markdown as a test sees them: blocks with their comments, headings, commands, tables.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What the user reads, by its path in the repository.
pub fn pages() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in ["", "docs", "runbooks"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
        let files = entries.map(|entry| entry.expect("an entry").path());
        paths.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a page"))).collect()
}

pub fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A fenced block with its tag, the HTML comment right above it, and the headings that it stands below.
#[derive(Debug, Clone, Default)]
pub struct Block {
    pub tag: String,
    pub comment: String,
    pub heading: String,
    pub text: String,
}

pub fn markdown(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_GFM)
}

pub fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut comment, mut heading) = (Vec::new(), String::new(), String::new());
    let (mut open, mut in_heading): (Option<Block>, bool) = (None, false);
    for event in markdown(text) {
        match event {
            Event::Html(html) if open.is_none() => comment.push_str(&html),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(tag))) => {
                let comment = std::mem::take(&mut comment);
                let comment = comment.trim().trim_start_matches("<!--").trim_end_matches("-->").trim().to_string();
                open = Some(Block { tag: tag.to_string(), comment, heading: heading.clone(), text: String::new() });
            }
            Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
            Event::Start(Tag::Heading { .. }) => (in_heading, heading) = (true, String::new()),
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::Paragraph | Tag::List(_) | Tag::Table(_)) => comment.clear(),
            Event::Text(text) | Event::Code(text) => {
                if in_heading {
                    heading.push_str(&text);
                }
                if let Some(block) = &mut open {
                    block.text.push_str(&text);
                }
            }
            _ => {}
        }
    }
    found
}

/// The anchors that GitHub makes of the headings of a page.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut heading): (BTreeSet<String>, Option<String>) = (BTreeSet::new(), None);
    for event in markdown(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let text = heading.take().unwrap_or_default().to_lowercase();
                let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
                let taken = (1..).map(|n| format!("{slug}-{n}")).find(|slug| !anchors.contains(slug));
                let slug = if anchors.contains(&slug) { taken.unwrap_or_default() } else { slug };
                anchors.insert(slug);
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    anchors
}

/// The words of a shell line, quotes taken off and comments left out.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) = (Vec::new(), None, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => (quote, word) = (Some(c), Some(word.take().unwrap_or_default())),
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The arguments of every `firedrill …` that a page shows, in blocks and in running text.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let shell = blocks(text).into_iter().filter(|b| matches!(b.tag.as_str(), "bash" | "console" | "yaml" | "sh"));
    let mut lines: Vec<String> = shell.flat_map(|b| b.text.lines().map(str::to_string).collect::<Vec<_>>()).collect();
    for event in markdown(text) {
        if let Event::Code(code) = event {
            lines.push(code.to_string());
        }
    }
    lines.iter().flat_map(|line| in_line(line)).collect()
}

/// The arguments of every `firedrill …` of a line of a shell, or of a file of a CI server around it: several may stand behind
/// each other. What a variable holds is not known: `1` stands for it, and
/// for a quarter one that there is.
pub fn in_line(line: &str) -> Vec<Vec<String>> {
    let line = line.trim().trim_start_matches("$ ").trim_start_matches("- ").trim_start_matches("run: ").trim();
    // Of Jenkins: `sh 'firedrill …'`.
    let inner = line.strip_prefix("sh ").map(|quoted| quoted.trim().trim_matches(['\'', '"']));
    let words = words(&where_set(inner.unwrap_or(line)));
    let mut found = Vec::new();
    for part in words.split(|word| matches!(word.as_str(), "&&" | "||" | ";" | "|" | "then" | "if" | "!")) {
        // What stands behind belongs to the shell.
        let mut words = part.iter().map(String::as_str).take_while(|word| !matches!(*word, ">" | ">>" | "2>"));
        let arguments: Vec<String> = match words.next() {
            Some("firedrill") => words.map(without_variables).collect(),
            // `cargo run --release -- scenario db-pool`
            Some("cargo") if part.iter().any(|word| word == "--") => {
                words.skip_while(|word| *word != "--").skip(1).map(without_variables).collect()
            }
            _ => continue,
        };
        if !arguments.is_empty() {
            found.push(arguments);
        }
    }
    found
}

/// `${RETRY:+--retry "$RETRY"}` is what stands there when the variable is set.
fn where_set(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inner, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        match inner.split_once(":+") {
            Some((_, text)) => out.push_str(text),
            None => out.push_str(&format!("${{{inner}}}")),
        }
        rest = behind;
    }
    out + rest
}

/// `$SHARD/${OF}` is `1/1`.
fn without_variables(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        let after = after.strip_prefix('{').unwrap_or(after);
        let name = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
        out.push_str(before);
        out.push_str(match &after[..name] {
            "" => "$",
            // The one that is no number.
            "QUARTER" => "2026Q4",
            _ => "1",
        });
        rest = after[name..].trim_start_matches('}');
    }
    out + rest
}

/// The first cells of the rows of the tables of a section: below the heading of that text, before the next one.
pub fn first_cells(text: &str, heading: &str) -> BTreeSet<String> {
    let mut lines = text.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading);
    assert!(lines.next().is_some(), "there is no section `{heading}`");
    let section = lines.take_while(|line| !line.starts_with('#'));
    let cells = section.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_string).collect()
}

pub fn firedrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.env("NO_COLOR", "1");
    command
}
