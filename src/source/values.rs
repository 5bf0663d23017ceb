//! The values that people write: texts, numbers, durations, rates, lists. Each says what it should have been.

use super::{At, Entry, Node, TextForm, Value, shape};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest duration that is taken: a day.
pub const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// Highest rate that is taken, per second.
pub const MAX_RATE: f64 = 100_000.0;

/// A type that can be read from a value.
pub trait FromYaml: Sized {
    /// The value; `None` when it is wrong, which is noted. It says as well what the value looks like in a schema, which must not reject
    /// anything that it accepts.
    fn from_yaml(at: &mut At<'_>) -> Option<Self>;
}

/// Bytes of each unit of a size.
const UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Reads a size in bytes: a whole number with its unit (`200GB`, `1MiB`), bytes without one. `wrong` completes a message that says
/// what it is not: `no size like `1MiB``.
pub fn parse_size(text: &str, wrong: &str) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || format!("`{}` is {wrong}", shorten(text));
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
    let unit = unit.trim();
    let (_, per_unit) = UNITS.into_iter().find(|(name, _)| *name == unit || unit.is_empty()).ok_or_else(wrong)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(per_unit)).ok_or_else(wrong)
}

/// Whether a text is a name as files go by it: letters, digits, `-`, `_` and `.`, of which the first is a letter or a digit;
/// at most 64.
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 64 && text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// How many characters of a text are left where it is shortened for a message.
pub const SHORTENED: usize = 60;

/// A text shortened for a message.
pub fn shorten(text: &str) -> String {
    crate::output::cut(text, SHORTENED, "…")
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        if let Value::Scalar { text, .. } = &self.value { Some(text) } else { None }
    }

    /// The text of a scalar that was written plain: `5`, not `"5"`.
    pub fn plain(&self) -> Option<&str> {
        if let Value::Scalar { text, plain: true } = &self.value { Some(text) } else { None }
    }

    /// The entries of a map; of anything else there are none.
    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; of anything else there are none.
    pub fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The names of the entries of a map.
    pub fn keys(&self) -> Vec<&str> {
        self.entries().iter().map(|entry| entry.key.as_str()).collect()
    }

    /// What these keys lead to, one within the other.
    pub fn get(&self, path: &[&str]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, key| node.entries().iter().find(|entry| entry.key == *key).map(|entry| &entry.value))
    }

    /// The items of the list to which these keys lead, one within the other; of anything else there are none.
    pub fn list(&self, path: &[&str]) -> &[Node] {
        self.get(path).map_or(&[], Node::items)
    }

    /// The text to which these keys lead.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.get(path)?.text()
    }

    /// What it is, for a message: `a list`, `a map`, `nothing`, or the text itself.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Scalar { text, .. } => format!("`{}`", shorten(text)),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }

    /// The value as JSON, plain scalars typed as in the core schema of YAML 1.2.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar { text, plain: false } => serde_json::Value::String(text.clone()),
            Value::Scalar { text, plain: true } => plain_json(text),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
            ),
        }
    }
}

fn plain_json(text: &str) -> serde_json::Value {
    match text {
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    // `inf` and `nan` are words in YAML 1.2 and unknown to JSON, so a number has a digit and nothing but its signs.
    let is_part = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if !text.bytes().any(|b| b.is_ascii_digit()) || !text.bytes().all(is_part) {
        return text.into();
    }
    let whole = text.parse::<i64>().map(Json::from).or_else(|_| text.parse::<u64>().map(Json::from)).ok();
    let other = || text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Json::Number);
    whole.or_else(other).unwrap_or_else(|| text.into())
}

impl FromYaml for String {
    fn from_yaml(at: &mut At<'_>) -> Option<Self> {
        at.diags.describe(shape::scalar);
        match at.node.text() {
            Some(text) if text.contains('\0') => at.not("a text cannot hold NUL"),
            Some(text) => Some(text.to_string()),
            None => at.expected("text"),
        }
    }
}

impl FromYaml for bool {
    fn from_yaml(at: &mut At<'_>) -> Option<Self> {
        at.diags.describe(|| json!({ "type": "boolean" }));
        match at.node.plain() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => at.expected_plain("`true` or `false`"),
        }
    }
}

/// A port.
impl FromYaml for NonZeroU16 {
    fn from_yaml(at: &mut At<'_>) -> Option<Self> {
        at.number(1..=u16::MAX, "a port like `8080`", "a port: 1 to 65535").and_then(NonZeroU16::new)
    }
}

impl FromYaml for Duration {
    fn from_yaml(at: &mut At<'_>) -> Option<Self> {
        at.parse(TextForm::new("a duration like `5s` or `300ms`", shape::duration), parse_duration)
    }
}

impl<T: FromYaml> FromYaml for Vec<T> {
    fn from_yaml(at: &mut At<'_>) -> Option<Self> {
        let node = at.node;
        if !matches!(node.value, Value::List(_)) && at.diags.describing.is_none() {
            let example = node.text().map_or_else(String::new, |text| format!(": write `[{}]`", shorten(text)));
            return at.not(format!("expected a list, found {}{example}", node.describe()));
        }
        let read = at.items("a list", "", T::from_yaml);
        (read.len() == node.items().len()).then_some(read)
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl FromYaml for $type {
            fn from_yaml(at: &mut At<'_>) -> Option<Self> {
                at.diags.describe(|| json!({ "type": "integer", "minimum": 0, "maximum": <$type>::MAX }));
                let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let Some(text) = at.node.plain().filter(digits) else { return at.expected_plain("a whole number") };
                text.parse().ok().or_else(|| at.not(format!("{text} is too large: at most {}", <$type>::MAX)))
            }
        }
    )*};
}
whole_number!(u8, u16, u32, u64, usize);

/// A duration as people write it: `300ms`, `4.1s`, `1h`.
pub struct Show(pub Duration);

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.as_secs(), self.0.subsec_micros());
        match (seconds, micros) {
            (0, 1..) => write!(f, "{}ms", f64::from(micros) / 1000.0),
            (3600.., 0) if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            (60.., 0) if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            _ => write!(f, "{}s", self.0.as_secs_f64()),
        }
    }
}

/// Reads `5s`, `300ms`, `1.5s`, `2m`, `1h` (a number and its unit, at most a day).
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    read_duration(text, false)
}

/// Reads what may be longer than a drill: also `30d`, `2w`, at most ten years.
pub fn parse_period(text: &str) -> Result<Duration, String> {
    read_duration(text, true)
}

/// Seconds of each unit that durations and rates share, and of those that only some durations have.
const TIMES: &[(&str, f64)] = &[("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0)];
const SHORT: &[(&str, f64)] = &[("ms", 1e-3)];
const LONG: &[(&str, f64)] = &[("ms", 1e-3), ("d", 86_400.0), ("w", 7.0 * 86_400.0)];

fn read_duration(text: &str, may_be_days: bool) -> Result<Duration, String> {
    let (like, [unit, other], longest, limit, own) = match may_be_days {
        true => ("`15m`, `4h` or `30d`", ["m", "d"], 3650 * MAX_DURATION, "ten years", LONG),
        false => ("`5s`, `300ms` or `2m`", ["s", "ms"], MAX_DURATION, "a day", SHORT),
    };
    let wrong = || format!("`{}` is not a duration: write it like {like}", shorten(text));
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, given) = text.split_at_checked(split).ok_or_else(wrong)?;
    let given = given.trim();
    if given.is_empty() && !number.is_empty() {
        return Err(format!("`{number}` has no unit: write `{number}{unit}` or `{number}{other}`"));
    }
    let (_, per_unit) = TIMES.iter().chain(own).find(|(name, _)| *name == given).ok_or_else(wrong)?;
    let seconds = decimal(number).ok_or_else(wrong)? * per_unit;
    if seconds > longest.as_secs_f64() {
        return Err(format!("`{}` is longer than {limit}", shorten(text)));
    }
    // Microseconds are the clock of a drill, and rounding keeps 0.3s from becoming 299.999 999 ms.
    Ok(Duration::from_micros((seconds * 1e6).round() as u64))
}

/// A time as it stands in messages.
pub const A_TIME: TextForm = TextForm::new("a time like `2026-11-20T06:41:12Z`", shape::filled);

/// Reads a time with its zone (RFC 3339).
pub fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    let wrong = |_| format!("`{}` is no time: write it like `2026-11-20T06:41:12Z`", shorten(text));
    OffsetDateTime::parse(text.trim(), &Rfc3339).map_err(wrong)
}

/// Reads `50/s`, `3000/m`, `2.5/s`: events per second, above 0.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{}` is not a rate: write it like `50/s` or `3000/m`", shorten(text));
    let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let (_, per_unit) = TIMES.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    match decimal(number.trim()).ok_or_else(wrong)? / per_unit {
        rate if rate <= 0.0 => Err(format!("`{}`: a rate must be above 0", shorten(text))),
        rate if rate > MAX_RATE => Err(format!("`{}` is more than {MAX_RATE} per second", shorten(text))),
        rate => Ok(rate),
    }
}

/// The host that a URL names, with its place in the URL.
pub fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    Some(port.map_or(authority, |(host, _)| host)).filter(|host| !host.is_empty())
}

/// Whether a host is one of these, the loopback of whoever asks, or a reserved name that leads nowhere (RFC 2606 and RFC 6761).
pub fn is_inside(host: &str, inside: &BTreeSet<String>) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if inside.contains(host) || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => [".localhost", ".test", ".invalid", ".example"].iter().any(|end| host.ends_with(end)),
    }
}

/// Digits with at most one point; neither signs nor exponents, which nobody means here.
pub fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit());
    plain.then(|| text.parse::<f64>().ok()).flatten().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source, parse};
    use proptest::prelude::*;

    #[test]
    fn the_host_of_a_url_has_no_password() {
        assert_eq!(host_of("postgresql://shop:p%40w@db:5432/shop"), Some("db"));
        assert_eq!(host_of("http://[::1]:80/a@b:1"), Some("[::1]"));
    }

    #[test]
    fn durations_and_rates_are_read() {
        let millis = |text| parse_duration(text).map(|d| d.as_micros() as f64 / 1000.0);
        assert_eq!(millis("300ms"), Ok(300.0));
        assert_eq!(millis("0.3s"), Ok(300.0));
        assert_eq!(millis(" 1.5 m"), Ok(90_000.0));
        assert_eq!(millis("2min"), Ok(120_000.0));
        assert_eq!(millis("24h"), Ok(86_400_000.0));
        assert_eq!(parse_rate("50/s"), Ok(50.0));
        assert_eq!(parse_rate(" 3000 / m "), Ok(50.0));
        assert_eq!(parse_rate("0.5/s"), Ok(0.5));
    }

    #[test]
    fn mistakes_are_told() {
        let durations = ["", "5", "s", "5 parsecs", "-5s", "1e3s", "1.2.3s", ".s", "25h", "5s5", "٣s"];
        let rates = ["", "50", "50/day", "/s", "0/s", "-1/s", "1e9/s", "200000/s", "NaN/s"];
        let told = durations
            .iter()
            .map(|text| parse_duration(text).expect_err(text))
            .chain(rates.iter().map(|text| parse_rate(text).expect_err(text)));
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn plain_scalars_become_json_as_in_yaml_1_2() {
        let source = Source::new(
            "x.yaml",
            "[1, -2, +3, 1.5, 1e3, .5, 0x1f, 012, true, yes, null, ~, '5', .inf, nan, 18446744073709551615, 99999999999999999999, 1-2, '']",
        );
        let node = parse(&source, &mut Diagnostics::default()).expect("a list");
        assert_eq!(
            node.to_json().to_string(),
            r#"[1,-2,3,1.5,1000.0,0.5,"0x1f",12,true,"yes",null,null,"5",".inf","nan",18446744073709551615,1e+20,"1-2",""]"#
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[0-9.]{0,25}[a-z/]{0,3}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration <= MAX_DURATION);
            }
            if let Ok(rate) = parse_rate(&text) {
                prop_assert!(rate > 0.0 && rate <= MAX_RATE);
            }
        }

        #[test]
        fn milliseconds_are_exact(millis in 0u64..86_400_000) {
            let expected = Ok(Duration::from_millis(millis));
            prop_assert_eq!(parse_duration(&format!("{millis}ms")), expected.clone());
            prop_assert_eq!(parse_duration(&format!("{}.{:03}s", millis / 1000, millis % 1000)), expected);
        }
    }
}
