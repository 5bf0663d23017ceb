//! A share between 0 and 1.

use crate::source::{decimal, shape};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A share in 0..=1, shown as a percentage.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(f64);

impl Ratio {
    /// What [`Ratio::parse`] accepts, for the schema.
    pub fn shape() -> serde_json::Value {
        shape::percentage()
    }

    /// A ratio, when `value` is in 0..=1.
    pub fn new(value: f64) -> Option<Ratio> {
        (0.0..=1.0).contains(&value).then_some(Ratio(value))
    }

    /// The number in 0..=1.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Reads `99.5%` (0 to 100, the sign is required).
    pub fn parse(text: &str) -> Result<Ratio, String> {
        let number = text.trim().strip_suffix('%').and_then(|number| decimal(number.trim()));
        let percent = number.ok_or_else(|| format!("`{text}` is not a percentage: write it like `99.5%`"))?;
        Ratio::new(percent / 100.0).ok_or_else(|| format!("`{text}` is not between 0% and 100%"))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.4}", self.0 * 100.0);
        write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}
