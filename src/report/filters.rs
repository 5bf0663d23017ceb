//! How templates of reports write a value.
// The macro puts braces around the body once more.
#![allow(unused_braces)]

use super::escape;
pub use crate::view::filters::*;
use askama::filters::Safe;
use askama::{Result, Values, filter_fn};
use std::fmt::Display;

/// A sentence in which code stands between backticks, as HTML.
#[filter_fn]
pub fn prose(text: impl Display, _: &dyn Values) -> Result<Safe<String>> {
    Ok(Safe(escape::html_prose(&text.to_string())))
}

/// A name as code, in Markdown.
#[filter_fn]
pub fn code(text: impl Display, _: &dyn Values) -> Result<Safe<String>> {
    Ok(Safe(escape::code(&text.to_string())))
}

/// One line of bounded length.
#[filter_fn]
pub fn short(text: impl Display, _: &dyn Values) -> Result<String> {
    Ok(escape::shortened(&text.to_string()))
}
