//! The matrix as JSON.

use super::Coverage;

/// The matrix as one JSON object, with a line break at its end. The error is that of the serializer; there is no value that
/// it cannot write.
pub fn json(coverage: &Coverage) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(coverage).map(|text| text + "\n")
}
