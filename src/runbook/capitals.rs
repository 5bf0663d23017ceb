//! Fill-ins in bare capitals: `-n NAMESPACE`, `svc/CLUSTER-rw`, `https://HOST:8080`. Only where the place says so:
//! capitals are words of SQL and Redis, signals, methods of HTTP and names of variables far more often.

use super::lexer::{Lexed, Quoting};
use super::placeholder::Placeholder;
use crate::source::Span;

/// How far is looked back for the program that a word is given to, in bytes.
const NEAR: usize = 400;
/// Longer words are none.
const MAX_WORD: usize = 120;

/// The last part of a fill-in's name says what it stands for.
const ROLES: &[&str] = &[
    "NAME", "NAMESPACE", "HOST", "HOSTNAME", "CLUSTER", "POD", "NODE", "ID", "IP", "ADDRESS", "TOKEN", "REGION",
    "BUCKET", "CONTAINER", "DEPLOYMENT", "SERVICE",
];

/// Those in a text in which the other placeholders were replaced by words of lower case.
pub(super) fn find(text: &str, lexed: &Lexed) -> Vec<Placeholder> {
    let bytes = text.as_bytes();
    let is_part = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-');
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_uppercase)) {
        let start = at + offset;
        let width = bytes.get(start..).unwrap_or_default().iter().take_while(|c| is_part(c)).count();
        at = start + width;
        let word = text.get(start..at).unwrap_or_default().trim_end_matches(['-', '_']);
        let end = start + word.len();
        let before = start.checked_sub(1).and_then(|i| bytes.get(i)).copied().unwrap_or(b' ');
        if word.len() < 2 || before.is_ascii_alphanumeric() || b"_-.$%{\\".contains(&before) {
            continue;
        }
        if Place::of(text, lexed, Span::new(start, end)).is_some_and(|place| place.is_filled_in(word)) {
            out.push(Placeholder { span: Span::new(start, end), name: word.to_string() });
        }
    }
    out
}

/// What stands around a word.
struct Place<'a> {
    /// The words before it in its command, those of options included.
    before: Vec<&'a str>,
    /// What stands before it in its own word: `svc/`, `--namespace=`.
    head: &'a str,
    /// What stands behind it in its own word: `-rw`, `:8080`.
    tail: &'a str,
}

impl<'a> Place<'a> {
    /// None where it is a part of a longer text in quotes, or a comment.
    fn of(text: &'a str, lexed: &Lexed, span: Span) -> Option<Place<'a>> {
        let mut from = span.start.saturating_sub(NEAR);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let mut until = (span.end + MAX_WORD).min(text.len());
        while !text.is_char_boundary(until) {
            until -= 1;
        }
        let (above, below) = (text.get(from..span.start)?, text.get(span.end..until)?);
        let head = above.rsplit(char::is_whitespace).next().unwrap_or_default();
        let tail = below.split(char::is_whitespace).next().unwrap_or_default();
        let quotes = |mark: char| head.matches(mark).count() + tail.matches(mark).count();
        let whole = (quotes('"') % 2, quotes('\'') % 2) == (0, 0) && quotes('"') + quotes('\'') > 0;
        match lexed.quoting(span.start) {
            Quoting::Bare => {}
            Quoting::Double | Quoting::Single if whole => {}
            _ => return None,
        }
        let line = above.get(..above.len() - head.len()).unwrap_or_default();
        let line = line.replace("\\\n", "  ");
        let length = line.rsplit(['|', ';', '&', '\n', '(']).next().unwrap_or_default().len();
        let segment = above.get(above.len() - head.len() - length..above.len() - head.len()).unwrap_or_default();
        let before = segment.split_whitespace().filter(|word| *word != "\\").collect();
        Some(Place { before, head: head.trim_matches(['"', '\'']), tail: tail.trim_end_matches(['"', '\'', ';', ')']) })
    }

    fn is_filled_in(&self, word: &str) -> bool {
        // `NAME=x` sets a variable, `NAME:` heads a column, `X-` takes a variable away.
        let next = self.tail.chars().next();
        let suffix = self.tail.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        if next.is_some_and(|c| matches!(c, '=' | '(' | '_' | '%') || c.is_alphanumeric())
            || next == Some('-') && !suffix
        {
            return false;
        }
        if self.head.is_empty() && self.before.is_empty() {
            return false; // the command itself
        }
        let role = word.rsplit(['-', '_']).next().is_some_and(|last| ROLES.contains(&last));
        let given_to = |programs: &[&str]| self.before.iter().any(|word| programs.contains(word));
        let cluster = given_to(&["kubectl", "oc", "helm", "$KUBECTL", "k"]);
        // `https://HOST:8080/x`, `ssh me@HOST`, `arn:aws:iam::ACCOUNT_ID:role/x`.
        if self.head.ends_with("://") && next.is_none_or(|c| matches!(c, ':' | '/' | '"' | '\'')) {
            return !matches!(word, "HTTP" | "HTTPS");
        }
        if role && (self.head.ends_with('@') || self.head.contains("arn:")) {
            return true;
        }
        // `svc/CLUSTER-rw`, `pod/POD_NAME`.
        const KINDS: &[&str] = &[
            "svc/", "service/", "services/", "pod/", "pods/", "po/", "deploy/", "deployment/", "sts/", "statefulset/",
            "node/", "nodes/", "job/", "secret/", "cm/", "pvc/",
        ];
        if KINDS.contains(&self.head) || role && suffix && self.head.is_empty() {
            return true;
        }
        let option = match self.head.strip_suffix('=') {
            Some(option) => option,
            None if self.head.is_empty() => self.before.last().copied().unwrap_or_default(),
            None => return false,
        };
        if !matches!(next, None | Some('-')) {
            return false;
        }
        const NAMED: &[&str] = &[
            "--namespace", "--context", "--host", "--hostname", "--cluster", "--cluster-name", "--container",
            "--bucket",
        ];
        let databases =
            given_to(&["psql", "pg_dump", "pg_restore", "pg_isready", "pg_basebackup", "mysql", "redis-cli"]);
        if NAMED.contains(&option) || option == "-n" && cluster || option == "-h" && databases {
            return true;
        }
        // A hyphen can stand in no variable's name: nothing else is written like `SUBSCRIPTION-NAME`.
        const LITERAL: &[&str] = &[
            "grep", "egrep", "awk", "sed", "echo", "printf", "redis-cli", "env", "printenv", "unset", "secret",
            "secrets", "-e", "--env", "variable", "-H", "-X", "tr", "jq", "export", "read",
        ];
        let named = word.contains('-') || cluster || given_to(&["docker", "ssh", "scp", "podman"]);
        role && named && !given_to(LITERAL) && self.head.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::lexer::lex;

    fn names(text: &str) -> Vec<String> {
        find(text, &lex(text)).into_iter().map(|found| text[found.span.start..found.span.end].to_string()).collect()
    }

    #[test]
    fn fill_ins_in_capitals() {
        for (text, expected) in [
            (
                "kubectl exec -it svc/MAIN-CLUSTER-rw -n NAMESPACE -- psql -c \"SELECT NAME\"",
                vec!["MAIN-CLUSTER", "NAMESPACE"],
            ),
            ("kubectl get po -n NS", vec!["NS"]),
            ("kubectl get po --namespace=APP", vec!["APP"]),
            ("kubectl describe pod POD_NAME", vec!["POD_NAME"]),
            ("curl http://WEB_HOST:8080/healthz", vec!["WEB_HOST"]),
            ("curl \"http://SERVER/x\"", vec!["SERVER"]),
            ("pg_dump -h PRIMARY-HOST -U x", vec!["PRIMARY-HOST"]),
            ("ssh ops@NODE_IP uptime", vec!["NODE_IP"]),
            ("tool restart SUBSCRIPTION-NAME", vec!["SUBSCRIPTION-NAME"]),
            ("kubectl \\\n  -n NAMESPACE get po", vec!["NAMESPACE"]),
            ("aws x --role arn:aws:iam::ACCOUNT_ID:role/y", vec!["ACCOUNT_ID"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn other_words_in_capitals() {
        for text in [
            "curl -X POST -H 'X-Request-ID: 1' http://web/",
            "curl -X DELETE http://web/ID",
            "redis-cli CLUSTER INFO",
            "redis-cli -h x CLIENT ID",
            "psql -c 'SELECT ID FROM NODE'",
            "psql -c \"\nSELECT NAME\n\"",
            "export API_TOKEN=x",
            "API_TOKEN=x cmd",
            "echo $NAMESPACE ${POD_NAME} \"$HOST\"",
            "kill -TERM 1; kill -s HUP 2",
            "git reset HEAD",
            "kubectl get po -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName",
            "kubectl set env deploy/x API_TOKEN-",
            "kubectl get po | grep NAME",
            "kubectl create secret generic x --from-literal=API_TOKEN=y",
            "kubectl exec web -- printenv DB_HOST",
            "docker run -e API_TOKEN x",
            "echo -n NAMESPACE",
            "grep -n NODE_NAME x",
            "NAMESPACE",
            "# kubectl -n NAMESPACE get po",
            "gh secret set API_TOKEN",
            "cat x <<EOF\n-n NAMESPACE\nEOF",
            "journalctl --grep ERROR",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }
}
