//! `record.json`: the whole record, with the figures that can be computed from it beside it. Described in
//! `docs/record.md`.

use crate::record::{RECORD_FORMAT, Record};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The record as JSON, with its figures, outcome and exit code.
pub fn json(record: &Record) -> Vec<u8> {
    let outcome = serde_json::json!({
        "passed": record.passed(),
        "exit_code": record.outcome().exit_code(),
        "expected_verdict": record.expected(),
    });
    json_file(serde_json::to_value(record).and_then(|mut value| {
        if let Value::Object(map) = &mut value {
            map.insert("outcome".into(), outcome);
            map.insert("figures".into(), serde_json::to_value(record.figures())?);
        }
        serde_json::to_vec_pretty(&value)
    }))
}

/// JSON with the end of its last line. It cannot fail for all that is known: every key is a string and every number is finite or becomes
/// null.
pub fn json_file(json: serde_json::Result<Vec<u8>>) -> Vec<u8> {
    let mut bytes = json.unwrap_or_else(|error| {
        serde_json::json!({ "error": format!("it could not be written: {error}") }).to_string().into_bytes()
    });
    bytes.push(b'\n');
    bytes
}

/// Reads a record back; the figures are computed again when they are asked for.
pub fn read_json(bytes: &[u8]) -> Result<Record, String> {
    read_format(bytes, RECORD_FORMAT, "record")
}

/// Reads JSON back of which `newest` is the newest format; `what` it is, for people.
pub fn read_format<T: DeserializeOwned>(bytes: &[u8], newest: u32, what: &str) -> Result<T, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("this is no {what}: {e}"))?;
    match value.get("format").and_then(Value::as_u64) {
        Some(format) if format <= u64::from(newest) => {}
        Some(format) => return Err(format!("the {what} has format {format}, and this version reads up to {newest}")),
        None => return Err(format!("this is no {what}: it has no `format`")),
    }
    serde_json::from_value(value).map_err(|e| format!("this is no {what}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn what_is_written_can_be_read() {
        for story in Story::ALL {
            let record = record_of(story);
            assert_eq!(read_json(&json(&record)).unwrap(), record, "{story:?}");
        }
    }

    #[test]
    fn the_figures_stand_beside_the_record() {
        let value: Value = serde_json::from_slice(&json(&record_of(Story::Passed))).unwrap();
        assert_eq!(value["figures"]["to_recover_us"], 4_000_000);
        assert_eq!(value["outcome"]["exit_code"], 0);
        assert!(value["figures"]["time"]["firedrill_us"].as_u64().unwrap() > 0);
        assert_eq!(value["format"], RECORD_FORMAT);
    }

    #[test]
    fn a_record_of_the_future_and_rubbish_are_refused() {
        assert!(read_json(b"{\"format\": 999}").unwrap_err().contains("format 999"));
        assert!(read_json(b"{}").unwrap_err().contains("no `format`"));
        assert!(read_json(b"[").unwrap_err().contains("no record"));
    }

    #[test]
    fn an_older_record_without_the_newer_fields_is_read() {
        let record = read_json(b"{\"format\": 1, \"verdict\": \"passed\"}").unwrap();
        assert_eq!(record.verdict, crate::record::Verdict::Passed);
        assert!(!record.passed());
    }

    #[test]
    fn a_ratio_that_is_no_number_does_not_spoil_the_file() {
        let mut record = record_of(Story::Passed);
        record.conditions[0].value = Some(f64::NAN);
        let back = read_json(&json(&record)).unwrap();
        assert_eq!(back.conditions[0].value, None);
    }

    /// The documented schema names every event, every field of a record and every figure.
    #[test]
    fn the_documentation_is_complete() {
        let docs = include_str!("../../docs/record.md");
        let unknown = r#"{"seq":0,"at_us":0,"event":{"type":"?"}}"#;
        let error = serde_json::from_str::<crate::record::Stamped>(unknown).unwrap_err().to_string();
        let (_, variants) = error.split_once("expected one of ").unwrap();
        let variants: Vec<&str> = variants.split('`').skip(1).step_by(2).collect();
        assert!(variants.len() >= 25 && variants.contains(&"announced"), "{error}");
        for name in variants {
            assert!(docs.contains(&format!("| `{name}` |")), "the event `{name}` is not in docs/record.md");
        }
        let value: Value = serde_json::from_slice(&json(&record_of(Story::Passed))).unwrap();
        for object in [&value, &value["figures"], &value["figures"]["time"]] {
            for key in object.as_object().unwrap().keys() {
                assert!(docs.contains(&format!("| `{key}` |")), "the field `{key}` is not in docs/record.md");
            }
        }
    }
}
