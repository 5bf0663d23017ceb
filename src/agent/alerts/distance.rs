//! How far the expression of an alert came to its threshold: what there is to say of one that never fired.

use crate::slis::Comparison;
use crate::source::TextPattern;

/// Which labels must match: what stands behind `and`, `or` and `unless`.
static MATCHING: TextPattern = TextPattern::new(r"^(?:on|ignoring)\s*\([^)]*\)");

/// The alert that is followed, and how near each comparison of its expression came.
pub(super) struct Distance {
    alert: String,
    /// The expression, once Prometheus has told it, and what it compares.
    expression: String,
    compared: Vec<Compared>,
    /// Why Prometheus cannot evaluate it.
    error: String,
}

/// A comparison with a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What is compared.
    pub left: String,
    /// How.
    pub op: Comparison,
    /// With what.
    pub number: f64,
    /// The value that came nearest.
    nearest: Option<f64>,
}

impl Distance {
    pub(super) fn of(alert: &str) -> Distance {
        Distance { alert: alert.into(), expression: String::new(), compared: Vec::new(), error: String::new() }
    }

    /// Takes in a rule as Prometheus has it.
    pub(super) fn note_rule(&mut self, name: &str, query: &str, error: &str) {
        if name == self.alert {
            if self.expression != query {
                self.expression = query.into();
                self.compared = comparisons(query);
            }
            self.error = error.into();
        }
    }

    /// What to ask for.
    pub(super) fn questions(&self) -> Vec<String> {
        self.compared.iter().map(|compared| compared.left.clone()).collect()
    }

    /// Takes in what a question was answered.
    pub(super) fn note_values(&mut self, left: &str, values: &[f64]) {
        for compared in self.compared.iter_mut().filter(|compared| compared.left == left) {
            let up = matches!(compared.op, Comparison::Greater | Comparison::GreaterOrEqual);
            let nearer = |a: f64, b: f64| if up { a.max(b) } else { a.min(b) };
            compared.nearest = values.iter().copied().chain(compared.nearest).reduce(nearer);
        }
    }

    pub(super) fn words(&self) -> String {
        if !self.error.is_empty() {
            return format!("Prometheus cannot evaluate its rule: {}", self.error);
        }
        if self.expression.is_empty() {
            return "Prometheus has no rule of this name".into();
        }
        let each = self.compared.iter().map(|Compared { left, op, number, nearest }| {
            let most = if matches!(op, Comparison::Greater | Comparison::GreaterOrEqual) { "most" } else { "least" };
            let nearest = nearest.map_or("has no value".into(), |value| format!("was at {most} {value}"));
            format!("`{left}` {nearest}, and must be {op} {number}")
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

/// The comparisons with a number that an expression consists of at its top level, joined by `and`, `or` or `unless`. Of
/// others nothing is told.
pub fn comparisons(query: &str) -> Vec<Compared> {
    let found = split(query).into_iter().filter_map(|part| {
        let ops = || Comparison::ALL.into_iter().filter(|op| !matches!(op, Comparison::Equal | Comparison::NotEqual));
        let (at, op) = top_level(part).find_map(|at| {
            let rest = part.get(at..)?;
            Some((at, ops().filter(|op| rest.starts_with(op.name())).max_by_key(|op| op.name().len())?))
        })?;
        let number = arithmetic(part.get(at + op.name().len()..)?)?;
        Some(Compared { left: part.get(..at)?.trim().to_string(), op, number, nearest: None })
    });
    found.collect()
}

/// The value of an expression of numbers alone: `14.4 * (1 - 0.999)`.
fn arithmetic(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // What binds least is split first, from the right: `3 - 2 - 1`.
    for signs in [['+', '-'], ['*', '/']] {
        let split = top_level(text).filter(|at| *at > 0 && text.get(*at..).is_some_and(|rest| rest.starts_with(signs)));
        if let Some(at) = split.last() {
            let (left, right) = (arithmetic(text.get(..at)?)?, arithmetic(text.get(at + 1..)?)?);
            return Some(match text.as_bytes().get(at)? {
                b'+' => left + right,
                b'-' => left - right,
                b'*' => left * right,
                _ => left / right,
            });
        }
    }
    arithmetic(text.strip_prefix('(')?.strip_suffix(')')?)
}

/// The parts between `and`, `or` and `unless`, without what stands behind these words to match labels (`on(…)`).
fn split(query: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    for at in top_level(query) {
        let rest = query.get(at..).unwrap_or_default();
        for word in [" and ", " or ", " unless "] {
            if at >= begin && rest.starts_with(word) {
                parts.extend(query.get(begin..at));
                begin = at + word.len();
            }
        }
    }
    parts.extend(query.get(begin..));
    let matching = |part: &str| MATCHING.find(part).map_or(0, |words| words.end());
    parts.into_iter().map(str::trim).filter_map(|part| part.get(matching(part)..)).map(str::trim).collect()
}

/// The byte offsets of a text that are in no brackets and no quotes.
fn top_level(text: &str) -> impl Iterator<Item = usize> + '_ {
    let (mut depth, mut quote, mut escaped) = (0_i32, None, false);
    text.char_indices().filter_map(move |(at, c)| {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, _) => return (depth == 0).then_some(at),
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lefts(query: &str) -> Vec<(String, f64)> {
        comparisons(query).into_iter().map(|compared| (compared.left, compared.number)).collect()
    }

    #[test]
    fn comparisons_at_the_top_level_are_found() {
        assert_eq!(lefts("up{job=\"a > 1\"} < 1"), [("up{job=\"a > 1\"}".to_string(), 1.0)]);
        let burn = "slo:burn5m > 14.4 and on () (slo:burn1h > 3) and ignoring (x) slo:burn1h >= 1e1";
        assert_eq!(lefts(burn), [("slo:burn5m".to_string(), 14.4), ("slo:burn1h".to_string(), 10.0)]);
        let product = "slo:burn > (14.4 * (1 - 0.75)) and x >= 6*0.5 - 1 - 1";
        assert_eq!(lefts(product), [("slo:burn".to_string(), 3.6), ("x".to_string(), 1.0)]);
        assert_eq!(lefts("a > b"), []);
        assert_eq!(lefts("a > 2 * b"), []);
        assert_eq!(lefts("absent(up)"), []);
    }

    #[test]
    fn the_nearest_value_is_kept() {
        let mut distance = Distance::of("Down");
        assert_eq!(distance.words(), "Prometheus has no rule of this name");
        distance.note_rule("Down", "errors > 0.5 and up < 1", "");
        distance.note_values("errors", &[0.1, 0.3]);
        distance.note_values("errors", &[0.2]);
        assert_eq!(distance.words(), "`errors` was at most 0.3, and must be > 0.5; `up` has no value, and must be < 1");
    }
}
