//! `incidents.yaml`, or a CSV file with the same columns: the real incidents of a team, to be held beside its drills.

use crate::slis::Ratio;
use crate::source::{
    A_TIME, At, Diagnostics, Entry, Node, Source, Span, TextForm, TextPattern, Value, describe, parse, parse_time,
    shape,
};
use regex::Captures;
use serde_json::Value as Json;
use std::sync::Arc;
use time::OffsetDateTime;

const A_SHARE: TextForm = TextForm::new("a percentage like `40%`", Ratio::shape);
const A_TEXT: TextForm = TextForm::new("text", shape::filled);

/// An incident that was none of Firedrill's.
#[derive(Debug, Clone, PartialEq)]
pub struct RealIncident {
    /// Its id.
    pub id: String,
    /// Its severity.
    pub severity: String,
    /// The service that failed.
    pub service: String,
    /// The class of the failure, as in `services.yaml`.
    pub class: String,
    /// When users began to be hurt.
    pub began: OffsetDateTime,
    /// When somebody knew.
    pub detected: Option<OffsetDateTime>,
    /// When the first measure was taken that helped.
    pub mitigated: Option<OffsetDateTime>,
    /// When users were served again.
    pub recovered: Option<OffsetDateTime>,
    /// The share of the users who were hurt.
    pub users_hurt: Option<Ratio>,
}

/// The JSON Schema of the file, draft 2020-12, with what the readers and the documentation do not agree on.
pub fn incidents_schema() -> (Json, Vec<String>) {
    let page = ("docs/incidents.md", include_str!("../../../docs/incidents.md"));
    describe("Incidents, for Firedrill", page, read_root)
}

/// Reads the file, as CSV where its name ends so; `None` when there were mistakes.
pub fn read_incidents(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Vec<RealIncident>> {
    let is_csv = source.path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let root = if is_csv { of_csv(&source.text) } else { parse(source, diags)? };
    let before = diags.all.len();
    let read = read_root(&mut At::root(&root, source, diags));
    read.filter(|_| !diags.has_errors_since(before))
}

fn read_root(at: &mut At<'_>) -> Option<Vec<RealIncident>> {
    let mut map = at.map("the file of incidents")?.of_section("incidents.yaml");
    let taken = |id: &str| format!("there is an incident `{id}` already");
    let read = map.require_by("incidents", |at| Some(at.items_apart(read_incident, |incident| &incident.id, taken)));
    map.finish()?;
    read
}

fn read_incident(at: &mut At<'_>) -> Option<RealIncident> {
    let mut map = at.map("the incident")?.of_section("An incident");
    let [id, severity, service, class] = ["id", "severity", "service", "class"]
        .map(|key| map.require_with(key, A_TEXT, |text| Ok(text.trim().to_string())));
    let began = map.require_with("began", A_TIME, parse_time);
    let times = ["detected", "mitigated", "recovered"];
    let [detected, mitigated, recovered] = times.map(|key| map.optional_with(key, A_TIME, parse_time));
    for (key, at) in times.into_iter().zip([detected, mitigated, recovered]) {
        if began.zip(at).is_some_and(|(began, at)| at < began) {
            map.wrong(key, format!("`{key}` lies before `began`"));
        }
    }
    let users_hurt = map.optional_with("users_hurt", A_SHARE, Ratio::parse);
    map.finish()?;
    let (id, severity, service, class, began) = (id?, severity?, service?, class?, began?);
    Some(RealIncident { id, severity, service, class, began, detected, mitigated, recovered, users_hurt })
}

/// A table with a head as the tree that YAML would be (RFC 4180); cells that are empty are left out.
fn of_csv(text: &str) -> Node {
    // Spreadsheets begin a file with a byte order mark.
    let mut rows = csv_rows(text).into_iter();
    let mut head = rows.next().unwrap_or_default();
    if let Some((first, _)) = head.first_mut() {
        *first = first.trim_start_matches('\u{feff}').to_string();
    }
    let item = |row: Vec<(String, Span)>| {
        let whole = row.first().map_or(Span::default(), |(_, span)| *span);
        let entry = |((key, _), (text, span)): (&(String, Span), (String, Span))| Entry {
            key: key.trim().to_string(),
            key_span: span,
            value: Node { value: Value::Scalar { text, plain: false }, span },
        };
        let entries = head.iter().zip(row).filter(|(_, (text, _))| !text.trim().is_empty()).map(entry).collect();
        Node { value: Value::Map(entries), span: whole }
    };
    let is_empty = |row: &Vec<(String, Span)>| row.iter().all(|(text, _)| text.trim().is_empty());
    let items = rows.filter(|row| !is_empty(row)).map(item).collect();
    let span = Span::new(0, text.lines().next().map_or(0, str::len));
    let list = Node { value: Value::List(items), span };
    Node { value: Value::Map(vec![Entry { key: "incidents".into(), key_span: span, value: list }]), span }
}

/// The rows of a table, each cell with its place.
fn csv_rows(text: &str) -> Vec<Vec<(String, Span)>> {
    static CELL: TextPattern = TextPattern::new(r#"((?:"(?:[^"]|"")*(?:"|\z)|[^",\n])*)(,|\n|\z)"#);
    static QUOTED: TextPattern = TextPattern::new(r#""((?:[^"]|"")*)"?"#);
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    for cell in CELL.captures_iter(text) {
        let (Some(written), Some(end)) = (cell.get(1), cell.get(2)) else { continue };
        let quoted = |inner: &Captures<'_>| inner.get(1).map_or("", |inner| inner.as_str()).replace("\"\"", "\"");
        let text = QUOTED.replace_all(written.as_str().trim_end_matches('\r'), quoted).into_owned();
        row.push((text, Span::new(written.start(), written.end())));
        if end.as_str() != "," {
            rows.push(std::mem::take(&mut row));
        }
    }
    // An empty match right behind another one is none: the last cell of a text that ends with a comma.
    if !row.is_empty() {
        row.push((String::new(), Span::new(text.len(), text.len())));
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::render;

    fn read(name: &str, text: &str) -> Result<Vec<RealIncident>, String> {
        let mut diags = Diagnostics::default();
        read_incidents(&Source::new(name, text), &mut diags).ok_or_else(|| render(&diags, false))
    }

    #[test]
    fn the_last_row_may_end_with_an_empty_cell_and_no_line_end() {
        let cells = |text: &str| csv_rows(text).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(cells("a,b\n1,"), [2, 2]);
        assert_eq!(cells("a,b\n1,2\n")[..2], [2, 2]);
    }

    #[test]
    fn yaml_and_csv_say_the_same() {
        let yaml = "incidents:\n  - { id: INC-1, severity: SEV1, service: checkout, class: 'pool, empty', began: \
                    2026-10-03T14:02:00Z, recovered: 2026-10-03T16:40:00+02:00 }\n";
        let csv = "id,severity,service,class,began,detected,recovered\r\nINC-1,SEV1,checkout,\"pool, empty\",\
                   2026-10-03T14:02:00Z,,2026-10-03T16:40:00+02:00\r\n\r\n";
        let of_yaml = read("incidents.yaml", yaml).unwrap();
        assert_eq!(read("export.csv", csv).unwrap(), of_yaml);
        assert_eq!((of_yaml[0].class.as_str(), of_yaml[0].detected), ("pool, empty", None));
    }

    #[test]
    fn mistakes_have_their_places_in_both() {
        let csv = "id,severity,servise,class,began,recovered\nINC-1,SEV1,x,y,yesterday,\nINC-2,SEV1,x,y,\
                   2026-10-03T14:02:00Z,2026-10-02T14:02:00Z\n";
        let yaml = "incidents:\n  - { id: INC-1, severity: ' ', began: 1 }\n";
        let told = [read("export.csv", csv), read("i.yaml", yaml)].map(|told| told.unwrap_err()).join("\n");
        insta::assert_snapshot!(crate::source::brief::brief(&told));
        let (schema, gaps) = incidents_schema();
        assert_eq!(gaps, Vec::<String>::new());
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }
}
