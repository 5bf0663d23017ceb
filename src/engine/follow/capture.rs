//! `capture`: what a block wrote becomes the value of an input.

use crate::record::{looks_secret, url_password};

/// Largest value, in bytes.
const LARGEST: usize = 64 << 10;

/// The standard output of a block, as far as it is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct CapturedOutput {
    pub text: String,
    /// Bytes that are not in it.
    pub omitted: u64,
}

/// Most that is kept of a block, in bytes: some commands' worth of what the shell keeps of one.
const KEPT: usize = 1 << 20;

impl CapturedOutput {
    /// Takes what a command wrote in, and how many bytes of it were left out already.
    pub(super) fn push(&mut self, text: &str, omitted: u64) {
        let room = KEPT.saturating_sub(self.text.len());
        let cut = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (kept, lost) = text.split_at(cut);
        self.text.push_str(kept);
        self.omitted = self.omitted.saturating_add(lost.len() as u64).saturating_add(omitted);
    }
}

/// The value: everything without the newlines at its end, as `$(…)` gives it. Nothing is no value, unless it may be
/// empty: a command that was written for one (`rm -r <dir>/*`) would do something else.
pub(super) fn value(written: &CapturedOutput, may_be_empty: bool) -> Result<String, String> {
    let value = written.text.trim_end_matches('\n');
    let length = u64::try_from(value.len()).unwrap_or(u64::MAX).saturating_add(written.omitted);
    if written.omitted > 0 || value.len() > LARGEST {
        return Err(format!("{length} bytes are more than the {} KiB that an input may hold", LARGEST >> 10));
    }
    if value.trim().is_empty() && !may_be_empty {
        return Err("nothing was written to standard output".into());
    }
    // The shell has put this character where bytes were no UTF-8.
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err("its output is not UTF-8".into());
    }
    if value.contains('\0') {
        return Err("its output holds a NUL byte, which no variable can".into());
    }
    Ok(value.to_string())
}

/// What of a captured output must never be shown, before any of it is.
pub(super) fn secrets(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if looks_secret(name) {
        let passwords = lines.clone().filter_map(url_password);
        let whole = text.trim_end_matches('\n');
        return lines.chain(passwords).chain([whole]).map(str::to_string).collect();
    }
    lines.filter_map(|line| Some([line, url_password(line)?])).flatten().map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> CapturedOutput {
        let mut written = CapturedOutput::default();
        written.push(text, 0);
        written
    }

    #[test]
    fn newlines_at_the_end_are_not_part_of_it() {
        assert_eq!(value(&written(" a\nb \n\n"), false), Ok(" a\nb ".to_string()));
        for nothing in ["", "\n", " \n"] {
            assert!(value(&written(nothing), false).unwrap_err().contains("nothing"));
        }
    }

    #[test]
    fn what_no_variable_can_hold_is_refused_with_its_reason() {
        assert!(value(&written(&"x".repeat(LARGEST)), false).is_ok());
        assert!(value(&written(&"x".repeat(LARGEST + 1)), false).unwrap_err().contains("65537 bytes"));
        assert!(value(&written(&"é".repeat(KEPT)), false).unwrap_err().contains(&format!("{} bytes", 2 * KEPT)));
        assert!(value(&written("a\u{FFFD}"), false).unwrap_err().contains("UTF-8"));
        assert!(value(&written("a\0b"), false).unwrap_err().contains("NUL"));
    }

    #[test]
    fn secrets_are_known_by_the_name_and_by_the_value() {
        assert_eq!(secrets("DB_PASSWORD", "hunter22\n"), ["hunter22", "hunter22"]);
        assert_eq!(secrets("URL", "postgres://shop:hunter22@db/x\n"), ["postgres://shop:hunter22@db/x", "hunter22"]);
        assert!(secrets("POD", "web-1\n").is_empty());
    }
}
