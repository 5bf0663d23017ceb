//! Texts, dates and ids as the files of this room have them.

use crate::record::is_run_id;
use crate::source::{TextForm, shape, shorten};
use time::Date;
use time::macros::format_description;

pub(super) const A_TEXT: TextForm = TextForm::new("text", shape::filled);
pub(super) const A_DATE: TextForm =
    TextForm::new("a date like `2026-11-20`", || shape::text("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
pub(super) const A_RUN: TextForm = TextForm::new("the id of a run", || shape::text("[0-9]{8}T[0-9]{6}Z-.*"));

/// A text that says something.
pub(super) fn filled(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty: leave the key out where nothing is known".into()),
        _ if text.contains('\0') => Err("a text cannot hold NUL".into()),
        text => Ok(text.to_string()),
    }
}

/// The id of a run.
pub(super) fn run_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = "is no id of a run: it is the name of a run directory, like `20261120T064112Z-pg-restore-3f9a`";
    if is_run_id(text) { Ok(text.to_string()) } else { Err(format!("`{}` {wrong}", shorten(text))) }
}

/// A date, `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Result<String, String> {
    let text = text.trim();
    let format = format_description!("[year]-[month]-[day]");
    match Date::parse(text, format) {
        Ok(date) if date.year() >= 1000 => Ok(text.to_string()),
        _ => Err(format!("`{}` is no date: write it like `2026-11-20`", shorten(text))),
    }
}
