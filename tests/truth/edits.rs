//! Small changes of a scenario and of a runbook. An edit that does not find its place is an error: a case that is not what it
//! says would prove nothing.

use serde::Deserialize;
use serde_json::Value;
use std::ops::Range;

/// A change of a runbook.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// The section of a heading goes.
    Cut(String),
    /// Two sections change places.
    Swap(String, String),
    /// A text that is there exactly once becomes another one.
    Replace(String, String),
}

/// The runbook after all edits, in order.
pub fn edited(mut text: String, edits: &[Edit]) -> Result<String, String> {
    for edit in edits {
        match edit {
            Edit::Cut(heading) => text.replace_range(section(&text, heading)?, ""),
            Edit::Swap(one, other) => {
                let (one, other) = (section(&text, one)?, section(&text, other)?);
                let (first, second) = if one.start < other.start { (one, other) } else { (other, one) };
                if first.end > second.start {
                    return Err("a section cannot change places with one inside of it".to_string());
                }
                let swapped = [&text[second.clone()], &text[first.end..second.start], &text[first.clone()]].concat();
                text.replace_range(first.start..second.end, &swapped);
            }
            Edit::Replace(old, new) => match text.matches(old.as_str()).count() {
                1 => text = text.replace(old.as_str(), new),
                times => return Err(format!("this is there {times} times: {old}")),
            },
        }
    }
    Ok(text)
}

/// From a heading to the next one of its level or above.
fn section(text: &str, heading: &str) -> Result<Range<usize>, String> {
    let level = heading.bytes().take_while(|byte| *byte == b'#').count();
    let (mut at, mut start, mut in_code) = (0, None, false);
    for line in text.split_inclusive('\n') {
        in_code ^= line.trim_start().starts_with("```");
        let hashes = if in_code { 0 } else { line.bytes().take_while(|byte| *byte == b'#').count() };
        match start {
            None if line.trim_end() == heading && !in_code => start = Some(at),
            Some(start) if (1..=level).contains(&hashes) => return Ok(start..at),
            _ => {}
        }
        at += line.len();
    }
    start.map(|start| start..at).ok_or_else(|| format!("there is no heading {heading}"))
}

/// Lays `over` over `under` (RFC 7396): maps are merged, `null` takes a key away, anything else takes its place.
pub fn laid_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match value {
                    Value::Null => {
                        under.remove(key);
                    }
                    value => laid_over(under.entry(key.clone()).or_insert(Value::Null), value),
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

#[test]
fn sections_are_cut_and_swapped() {
    let text = "# A\n\n## B\n\n```sh\n# no heading\n```\n\n### C\n\nc\n\n### D\n\nd\n\n## E\n";
    let edit = |edits: &[Edit]| edited(text.to_string(), edits);
    let cut = edit(&[Edit::Cut("### C".into())]).expect("there is one");
    assert_eq!(cut, "# A\n\n## B\n\n```sh\n# no heading\n```\n\n### D\n\nd\n\n## E\n");
    let swapped = edit(&[Edit::Swap("### D".into(), "### C".into())]).expect("there are both");
    assert!(swapped.contains("### D\n\nd\n\n### C\n\nc\n\n## E"), "{swapped}");
    assert!(edit(&[Edit::Cut("# no heading".into())]).is_err());
    assert!(edit(&[Edit::Swap("## B".into(), "### C".into())]).is_err());
    assert!(edit(&[Edit::Replace("```".into(), "~~~".into())]).is_err());
}

#[test]
fn a_patch_changes_what_it_names() {
    let mut scenario = serde_json::json!({ "rto": "1s", "detect": {}, "slis": { "a": { "load": "x", "good": "y" } } });
    laid_over(&mut scenario, &serde_json::json!({ "rto": "2s", "detect": null, "slis": { "a": { "good": "z" } } }));
    assert_eq!(scenario, serde_json::json!({ "rto": "2s", "slis": { "a": { "load": "x", "good": "z" } } }));
}
