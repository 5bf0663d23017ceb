//! Secrets that a resolved model holds, so that they can be hidden before anything is written.

use super::model::{ResolvedModel, scalar, unescape};
use crate::record::{looks_secret, url_password};
use serde_json::Value;
use std::collections::BTreeSet;

/// A secret file that is longer than this is no password but a bundle; its lines are hidden one by one either way.
const MAX_SECRET_FILE: u64 = 256 * 1024;
/// Lines of a secret file shorter than this are no secrets (`-----`, `}`), and would hide half of a record.
const MIN_LINE: usize = 8;

/// Values under keys that look like secrets, passwords in URLs, and the contents of Compose's secret files.
pub(super) fn secrets(model: &ResolvedModel) -> Vec<String> {
    let mut found = BTreeSet::new();
    for service in model.services() {
        for (key, value) in model.environment(&service) {
            add(&mut found, &key, &value);
        }
        let args = model.service(&service).and_then(|s| s.get("build")?.get("args")?.as_object());
        for (key, value) in args.into_iter().flatten() {
            if let Some(value) = scalar(value) {
                add(&mut found, key, &unescape(&value));
            }
        }
    }
    for secret in model.section("secrets").values() {
        let file = secret.get("file").and_then(Value::as_str).map(unescape);
        if let Some(text) = file.and_then(|file| read_bounded(&file)) {
            add_text(&mut found, &text);
        }
        let variable = secret.get("environment").and_then(Value::as_str);
        if let Some(text) = variable.and_then(|name| std::env::var(name).ok()) {
            add_text(&mut found, &text);
        }
    }
    found.into_iter().filter(|secret| !secret.is_empty()).collect()
}

fn add(found: &mut BTreeSet<String>, key: &str, value: &str) {
    if looks_secret(key) {
        found.insert(value.to_string());
    }
    found.extend(url_password(value).map(str::to_string));
}

/// The whole text, and each of its lines: output shows them one at a time.
fn add_text(found: &mut BTreeSet<String>, text: &str) {
    let whole = text.trim();
    found.insert(whole.to_string());
    if whole.contains('\n') {
        found.extend(whole.lines().map(str::trim).filter(|line| line.len() >= MIN_LINE).map(str::to_string));
    }
}

fn read_bounded(file: &str) -> Option<String> {
    let size = std::fs::metadata(file).ok()?.len();
    if size > MAX_SECRET_FILE {
        return None;
    }
    Some(String::from_utf8_lossy(&std::fs::read(file).ok()?).into_owned())
}
