//! How templates write a value: on one line, and numbers as `format` has them.
// The macro puts braces around the body once more.
#![allow(unused_braces)]

use super::format;
use crate::output::one_line;
use askama::{Result, Values, filter_fn};
use std::fmt::Display;

/// One line.
#[filter_fn]
pub fn line(text: impl Display, _: &dyn Values) -> Result<String> {
    Ok(one_line(&text.to_string()))
}

/// A ratio in percent.
#[filter_fn]
pub fn percent(ratio: &f64, _: &dyn Values) -> Result<String> {
    Ok(format::percent(*ratio))
}

/// A number of a drawing.
#[filter_fn]
pub fn number(value: &f64, _: &dyn Values) -> Result<String> {
    Ok(format::decimals(*value, 2))
}

/// Microseconds as a measured duration.
#[filter_fn]
pub fn seconds(us: &u64, _: &dyn Values) -> Result<String> {
    Ok(format::seconds(*us))
}

/// Microseconds as somebody declared them.
#[filter_fn]
pub fn declared(us: &u64, _: &dyn Values) -> Result<String> {
    Ok(format::declared(*us))
}

/// A count with its thousands apart.
#[filter_fn]
pub fn grouped(count: &u64, _: &dyn Values) -> Result<String> {
    Ok(format::grouped(*count))
}

/// `1 write`, `2 writes`.
#[filter_fn]
pub fn many(count: impl Display, _: &dyn Values, what: &'static str) -> Result<String> {
    let count = count.to_string();
    Ok(format!("{count} {what}{}", if count == "1" { "" } else { "s" }))
}

/// A share of an error budget.
#[filter_fn]
pub fn budget_share(share: &f64, _: &dyn Values) -> Result<String> {
    Ok(format::budget_share(*share))
}
