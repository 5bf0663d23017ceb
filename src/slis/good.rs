//! The condition that makes a request a good event: `status < 500`, `latency < 300ms`, joined by `and`.

use crate::source::{parse_duration, shape};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A complete answer, as far as an SLI can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventAnswer {
    /// The HTTP status of a request.
    Status(u16),
    /// That of one whose answer is a page (`text/html`), and no error.
    Page(u16),
    /// That of one that asked for something (GET), succeeded, and has no content.
    Empty(u16),
    /// What a question was answered with.
    Truth(bool),
    /// How many events somebody else has counted, since the question before: so many good ones, so many in all.
    Counted {
        /// Good events; never more than `valid`.
        good: u32,
        /// Valid events; none at all is no data.
        valid: u32,
    },
}

impl EventAnswer {
    /// The HTTP status of a request.
    fn status(self) -> Option<u16> {
        match self {
            EventAnswer::Status(status) | EventAnswer::Page(status) | EventAnswer::Empty(status) => Some(status),
            EventAnswer::Truth(_) | EventAnswer::Counted { .. } => None,
        }
    }
}

named_enum! {
/// A comparison, longer operators first so that `<=` is not read as `<`.
pub enum Comparison {
    /// `<=`
    #[serde(rename = "LessOrEqual")]
    LessOrEqual = "<=",
    /// `>=`
    #[serde(rename = "GreaterOrEqual")]
    GreaterOrEqual = ">=",
    /// `==`
    #[serde(rename = "Equal")]
    Equal = "==",
    /// `!=`
    #[serde(rename = "NotEqual")]
    NotEqual = "!=",
    /// `<`
    #[serde(rename = "Less")]
    Less = "<",
    /// `>`
    #[serde(rename = "Greater")]
    Greater = ">",
}
}

/// One term of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Term {
    /// `status < 500`
    Status(Comparison, u16),
    /// `latency < 300ms`
    Latency(Comparison, Duration),
    /// The answer is true; not written, but what a question means.
    True,
}

/// A conjunction of terms, with the text as it was written. An event without a complete answer is never good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// As it was written.
    pub text: String,
    /// All must hold.
    pub terms: Vec<Term>,
}

impl Comparison {
    /// Whether `left <op> right`.
    pub fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
        }
    }

    /// Splits `left <op> right` at its first operator; the sides are trimmed. `whole` and `example` are for the
    /// message of an error.
    pub fn split<'t>(text: &'t str, whole: &str, example: &str) -> Result<(&'t str, Comparison, &'t str), String> {
        let split = text.find(['<', '>', '=', '!']).and_then(|at| text.split_at_checked(at));
        let (left, rest) = split.ok_or_else(|| format!("`{whole}` compares nothing: {example}"))?;
        let found = Comparison::ALL.into_iter().find_map(|op| Some((op, rest.strip_prefix(op.name())?)));
        let (op, right) = found.ok_or_else(|| match rest.starts_with('=') {
            true => format!("`=` compares nothing: write `==` in `{whole}`"),
            false => format!("`{whole}` compares nothing: {example}"),
        })?;
        Ok((left.trim(), op, right.trim()))
    }
}

impl Good {
    /// Whether an event is good. `answer` is `None` when there was no complete one (time-out, refused, reset, no free connection); `latency` is
    /// from the instant at which it was due to its end.
    pub fn judge(&self, answer: Option<EventAnswer>, latency: Duration) -> bool {
        let Some(answer) = answer else { return false };
        self.terms.iter().all(|term| match *term {
            Term::Status(op, value) => answer.status().is_some_and(|status| op.holds(status, value)),
            Term::Latency(op, value) => op.holds(latency, value),
            Term::True => answer == EventAnswer::Truth(true),
        })
    }

    /// The condition of a question: its answer is true.
    pub fn truth() -> Good {
        Good { text: "the answer is true".into(), terms: vec![Term::True] }
    }

    /// What [`Good::parse`] accepts, for the schema.
    pub fn shape() -> serde_json::Value {
        let any = Comparison::ALL.map(Comparison::name).join("|");
        let latency = shape::duration_pattern("");
        let term = format!(
            "(?:status\\s*(?:{any})\\s*\\+?0*[1-5][0-9]{{2}}|status\\s*<\\s*\\+?0*600|latency\\s*[<>]=?\\s*(?:{latency}))"
        );
        shape::text(&format!("{term}(?:\\s+and\\s+{term})*"))
    }

    /// Reads a condition: `status < 500`, `latency < 300ms`, joined by `and`; `<`, `<=`, `>`, `>=`, `==` and `!=`.
    /// The error says in one line what is wrong.
    pub fn parse(text: &str) -> Result<Good, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.split(' ').any(|word| matches!(word.to_lowercase().as_str(), "or" | "not" | "||")) {
            return Err("terms can only be joined by `and`: an SLI of its own says the rest".into());
        }
        let terms = text.split(" and ").map(Term::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Good { text, terms })
    }
}

const EXAMPLE: &str = "write it like `status < 500` or `status < 500 and latency < 300ms`";

impl Term {
    fn parse(text: &str) -> Result<Term, String> {
        let (left, op, right) = Comparison::split(text, text, EXAMPLE)?;
        if right.contains(' ') {
            return Err(format!("`{right}`: terms are joined by `and`, and nothing else can follow"));
        }
        match (left, op, right.parse::<u16>()) {
            // `status < 600` is how one writes "any complete answer".
            ("status", _, Ok(status @ 100..=599)) | ("status", Comparison::Less, Ok(status @ 600)) => {
                Ok(Term::Status(op, status))
            }
            ("status", ..) => Err(format!("`{right}` is not an HTTP status (100 to 599)")),
            ("latency", Comparison::Equal | Comparison::NotEqual, _) => {
                Err("no latency is exactly this: use `<` or `<=`".into())
            }
            ("latency", ..) => parse_duration(right).map(|latency| Term::Latency(op, latency)),
            _ => Err(format!("`{left}` is not known: a condition is about `status` or `latency`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_are_read_and_judged() {
        let status = |good: &Good, status: u16, millis: u64| {
            good.judge(Some(EventAnswer::Status(status)), Duration::from_millis(millis))
        };
        let good = Good::parse("status < 400  and latency<1s").expect("a condition");
        assert_eq!(good.text, "status < 400 and latency<1s");
        assert!(status(&good, 399, 999));
        assert!(!status(&good, 400, 999));
        assert!(!status(&good, 200, 1000));
        assert!(!good.judge(None, Duration::ZERO), "no answer is never good");
        let answered = |good: &Good, truth| good.judge(Some(EventAnswer::Truth(truth)), Duration::ZERO);
        assert!(answered(&Good::truth(), true) && !answered(&Good::truth(), false));
        assert!(!status(&Good::truth(), 200, 1) && !answered(&good, true));
        assert!(!Good::truth().judge(None, Duration::ZERO));
        assert!(status(&Good::parse("status == 202").expect("a condition"), 202, 5));
        assert!(status(&Good::parse("status != 503").expect("a condition"), 502, 5));
        assert!(status(&Good::parse("latency <= 300ms").expect("a condition"), 500, 300));
    }

    #[test]
    fn mistakes_are_told() {
        let why = |text| Good::parse(text).expect_err(text);
        insta::assert_snapshot!(
            [
                "", "status", "status = 200", "status < 5xx", "status < 700", "latency < 300", "latency == 1s",
                "statsu < 500", "errors < 1", "< 500", "status < 500 or latency < 1s", "status < 500 and",
                "status < 500 latency < 1s",
            ]
            .map(why)
            .join("\n")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[a-z<>=! .0-9]{0,30}") {
            let _ = Good::parse(&text);
        }

        #[test]
        fn what_was_read_says_what_was_written(status in 100u16..600, millis in 1u64..100_000, op in 0usize..6, strict: bool) {
            let op = Comparison::ALL[op];
            let less = if strict { Comparison::Less } else { Comparison::LessOrEqual };
            let good = Good::parse(&format!("status {op} {status} and latency {less}{millis}ms")).expect("a condition");
            let latency = Term::Latency(less, Duration::from_millis(millis));
            prop_assert_eq!(good.terms, vec![Term::Status(op, status), latency]);
        }
    }
}
