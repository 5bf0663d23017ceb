//! What a command does to the world, as far as its text tells: it only looks, it evidently changes something, or
//! nobody can say. Used where a doubt must be settled: what a condition holds, what a diagnosis may do.

use super::lexer::{Quoting, lex};
use super::{changes, language};

/// The effect of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It looks at something.
    Reads,
    /// It cannot be told.
    Unknown,
    /// It changes something that others see.
    Changes,
}

/// Whether a command evidently changes something that others see: `docker compose restart web`, an UPDATE.
pub fn evidently_changes(text: &str) -> bool {
    of_command(text) == Effect::Changes
}

/// The effect of a whole command line: the worst of its parts.
pub(super) fn of_command(text: &str) -> Effect {
    let lexed = lex(text);
    let mut worst = if lexed.heredocs.is_empty() { Effect::Reads } else { Effect::Unknown };
    let mut part = String::new();
    let mut add = |part: &mut String| {
        worst = worse(worst, of_part(part));
        part.clear();
    };
    for (at, c) in text.char_indices() {
        let quoting = lexed.quoting(at);
        match (quoting, c) {
            (Quoting::Comment | Quoting::Heredoc | Quoting::RawHeredoc, _) => {}
            (Quoting::Bare, '\n') if text.get(..at).is_some_and(|before| before.ends_with('\\')) => part.push(' '),
            (Quoting::Bare, '|' | '&' | ';' | '\n' | '(' | ')') if !is_redirection(text, at) => add(&mut part),
            // An arrow in quotes makes no file.
            (quoting, '>') if quoting != Quoting::Bare => part.push(' '),
            _ => part.push(c),
        }
    }
    add(&mut part);
    worst
}

/// `2>&1`, `&>file`, `>|file`.
fn is_redirection(text: &str, at: usize) -> bool {
    let before = text.get(..at).is_some_and(|before| before.ends_with('>'));
    before || text.get(at..).is_some_and(|rest| rest.starts_with("&>"))
}

fn worse(a: Effect, b: Effect) -> Effect {
    match (a, b) {
        (Effect::Changes, _) | (_, Effect::Changes) => Effect::Changes,
        (Effect::Unknown, _) | (_, Effect::Unknown) => Effect::Unknown,
        _ => Effect::Reads,
    }
}

/// The effect of one program with its arguments.
fn of_part(part: &str) -> Effect {
    let words: Vec<&str> = part.split_whitespace().map(|word| word.trim_matches(['"', '\'', '`'])).collect();
    let mut at = 0;
    while let Some(&word) = words.get(at) {
        let skipped = is_assignment(word)
            || matches!(
                word,
                "sudo" | "time" | "then" | "do" | "else" | "if" | "elif" | "while" | "until" | "!" | "{" | "}" | "nohup"
                    | "command" | "exec" | "done" | "fi" | "env" | "watch" | "$" | "xargs" | "timeout" | "nice"
            )
            // Options and numbers of `sudo -u x`, `timeout 5`, `xargs -n 1`.
            || at > 0 && (word.starts_with('-') || word.chars().all(|c| c.is_ascii_digit() || c == 's'));
        if !skipped {
            break;
        }
        at += 1;
    }
    let Some((&program, arguments)) = words.get(at..).and_then(<[&str]>::split_first) else { return Effect::Reads };
    let program = program.rsplit('/').next().unwrap_or(program);
    let effect = changes::of_program(program, arguments, part);
    // Output that goes into a file makes one.
    let writes = arguments.iter().zip(arguments.iter().skip(1).chain([&""])).any(|(word, next)| writes(word, next));
    if writes { worse(effect, Effect::Unknown) } else { effect }
}

fn writes(word: &str, next: &str) -> bool {
    let Some((_, target)) = word.split_once('>') else { return false };
    // `->` and `=>` are arrows of some query.
    if word.contains("->") || word.contains("=>") {
        return false;
    }
    let target = target.trim_start_matches(['>', '|']);
    let target = if target.is_empty() { next } else { target };
    !target.starts_with('&') && target != "/dev/null" && !target.is_empty()
}

/// Whether a text has nothing but assignments of plain words.
pub(super) fn only_assigns(text: &str) -> bool {
    let plain = |word: &str| is_assignment(word) && !word.contains(['(', '`', '>', '<', '&', ';', '|', '"', '\'']);
    text.split_whitespace().next().is_some() && text.split_whitespace().all(plain)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Whether the text of a comment is a command that was commented out: `kubectl delete pod x`, and not "kill the pod".
pub(super) fn is_commented_out(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let known = words.next().is_some_and(language::is_known_command);
    let signs = |word: &str| {
        word.starts_with(['-', '$', '"', '\'', '<', '|', '>', '/', '.'])
            || word.contains(['=', '/', '_'])
            || word.ends_with(".sh")
    };
    let two: Vec<&str> = words.collect();
    known && (two.iter().any(|word| signs(word)) || two.len() == 2 && text.starts_with("systemctl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects() {
        for text in [
            "kubectl get pods -n shop | grep -v Running",
            "kubectl -n shop describe pod x",
            "kubectl --context prod rollout status deploy/x",
            "POD=$(kubectl get pods -o name | head -1)",
            "psql -c \"SELECT pid FROM pg_stat_activity WHERE query ILIKE '%last_update%'\"",
            "psql -c 'select 1' > /dev/null 2>&1",
            "curl -fsS http://shop/healthz | jq '.a > 1'",
            "docker compose ps && docker logs --tail 5 x",
            "systemctl status redis",
            "redis-cli -h cache INFO memory",
            "redis-cli CONFIG GET maxmemory",
            "aws rds describe-db-instances",
            "kubectl exec x -- cat /etc/hosts",
            "for p in $(kubectl get pods -o name); do kubectl logs $p; done",
            "pip list",
            "rm --help",
        ] {
            assert_eq!(of_command(text), Effect::Reads, "{text}");
        }
        for text in [
            "sudo systemctl restart redis",
            "kubectl -n shop delete pod x",
            "kubectl get pods -o name | xargs -n 1 kubectl delete",
            "kubectl rollout restart deploy/x",
            "psql -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity\"",
            "psql -h db -c 'UPDATE a SET b = 1'",
            "redis-cli -h cache FLUSHALL",
            "redis-cli config set maxmemory 1gb",
            "redis-cli client kill id 4",
            "docker compose restart db",
            "docker restart $(docker ps -q)",
            "rm -rf /data/x",
            "kill -9 4711",
            "kubectl exec x -- redis-cli FLUSHALL",
            "python -m shop.cli keys rotate --all",
            "pip install x",
            "curl -X DELETE http://es/index",
            "service nginx reload",
            "git push --tags",
        ] {
            assert_eq!(of_command(text), Effect::Changes, "{text}");
        }
        for text in [
            "shopctl writes off",
            "python -m shop.cli keys rotate --dry-run",
            "curl -X POST http://shop/warmup",
            "kubectl get pods > pods.txt",
            "rm /tmp/x",
            "cat <<E\nkubectl delete pod\nE",
            "kubectl run tmp --rm --image=busybox",
            "psql",
        ] {
            assert_eq!(of_command(text), Effect::Unknown, "{text}");
        }
    }

    #[test]
    fn commands_in_comments() {
        for text in ["kubectl delete pod -n x y", "redis-cli -h x flushall", "systemctl restart redis", "cat /etc/x"] {
            assert!(is_commented_out(text), "{text}");
        }
        for text in ["kill the session", "Restart it", "find out why", "make sure that it runs", "Kubectl -n"] {
            assert!(!is_commented_out(text), "{text}");
        }
    }
}
