//! What an editor says about a key: the rows of the tables of the documentation, which a test holds to the readers.

/// A page of the documentation: its name and its text.
pub type DocPage = (&'static str, &'static str);

/// A row of a table: its section, its key, and what there is to say.
#[derive(Debug, Clone)]
struct KeyRow {
    section: &'static str,
    key: &'static str,
    text: String,
}

/// The words of a page.
#[derive(Debug, Clone)]
pub(super) struct PageWords {
    /// Name of the page.
    pub(super) page: &'static str,
    rows: Vec<KeyRow>,
}

impl PageWords {
    /// Reads a page.
    pub(super) fn read((page, content): DocPage) -> PageWords {
        let mut rows = Vec::new();
        each_row(content, |section, key, header, cells| {
            rows.push(KeyRow { section, key, text: text(header, cells) });
        });
        PageWords { page, rows }
    }

    /// What a page says about a key of a section.
    pub(super) fn find(&self, section: &str, key: &str) -> Option<&str> {
        self.rows.iter().find(|row| row.section == section && row.key == key).map(|row| row.text.as_str())
    }
}

/// What the documentation says of a key in one column of the table of its section.
pub fn documented(content: &'static str, section: &str, key: &str, column: &str) -> Option<String> {
    let mut found = None;
    each_row(content, |of, own, header, cells| {
        if (of, own) == (section, key) {
            found =
                header.iter().position(|title| *title == column).and_then(|at| cells.get(at)).map(|cell| plain(cell));
        }
    });
    found
}

/// Every row about a key: its section, the key, the header of its table, and its cells.
fn each_row(content: &'static str, mut row: impl FnMut(&'static str, &'static str, &[&str], &[&str])) {
    let (mut section, mut header): (&str, Vec<&str>) = ("", Vec::new());
    for line in content.lines() {
        if line.starts_with('#') {
            section = line.trim_start_matches('#').trim().trim_matches('`');
        }
        let Some(cells) = line.strip_prefix("| ") else {
            header.clear();
            continue;
        };
        let cells: Vec<&str> = cells.trim_end().trim_end_matches('|').split(" | ").map(str::trim).collect();
        if header.is_empty() {
            header = cells;
        } else if let Some(key) = cells.first().and_then(|key| key.strip_prefix('`')?.strip_suffix('`')) {
            row(section, key, &header, &cells);
        }
    }
}

/// The cells of a row as lines: what it is, then its type and default.
fn text(header: &[&str], cells: &[&str]) -> String {
    let cell = |name: &str| {
        let at = header.iter().position(|title| *title == name)?;
        cells.get(at).map(|cell| plain(cell)).filter(|cell| !cell.is_empty())
    };
    let default = cell("default").map(|default| match default.as_str() {
        "required" => default,
        "none" => "optional".into(),
        default => format!("default: {default}"),
    });
    let kind = [cell("type"), default].into_iter().flatten().collect::<Vec<_>>().join("; ");
    let what = cell("what it is").or_else(|| cell("what it does"));
    [what, Some(kind)].into_iter().flatten().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Text without links: `[words](target)` → `words`.
fn plain(cell: &str) -> String {
    let mut out = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once('[') {
        match after.split_once("](").and_then(|(words, target)| Some((words, target.split_once(')')?.1))) {
            Some((words, after)) if !words.contains('[') => {
                out.push_str(before);
                out.push_str(words);
                rest = after;
            }
            _ => {
                out.push_str(before);
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_words() {
        let words = PageWords::read(("docs/scenario.md", include_str!("../../docs/scenario.md")));
        let says = |section, key| words.find(section, key).unwrap_or_default();
        assert_eq!(
            says("load", "timeout"),
            "from the instant the request was **due** until the answer is complete\nduration, at most 60 s; default: `2s`"
        );
        assert_eq!(says("Top level", "stack"), "the Compose file, see `stack`\npath or map; required");
        assert_eq!(says("faults", "container_pause"), "freezes every process of the container");
        assert_eq!(says("container_pause", "service"), "service; required");
        assert!(says("respond", "phases").contains("`[diagnose, mitigate, verify]`"), "a list is no link");
    }
}
