//! What of a shell text goes on running when the text has ended: a job behind `&`, a program that detaches itself.

use super::among;
use crate::bash::{StatementKind, read};

/// How deep scripts within scripts (`sh -c '…'`) are looked at.
const DEEPEST: usize = 3;

/// What leaves something running behind a shell text, as it is written (`&`, `nohup`, `docker -d`); `None` where nothing is
/// seen to, and where the text waits for its jobs.
pub fn left_running(text: &str) -> Option<String> {
    within(text, DEEPEST)
}

fn within(text: &str, depth: usize) -> Option<String> {
    let (script, mut found) = (read(text), None);
    for statement in script.all() {
        match &statement.kind {
            StatementKind::Background(_) => found = found.or(Some("&".to_string())),
            StatementKind::Simple(command) => {
                let words = command.written(text);
                let program = words.first().map(|word| word.rsplit('/').next().unwrap_or(word));
                match program {
                    Some("wait") => return None,
                    Some(program @ ("nohup" | "setsid" | "daemonize" | "disown")) => {
                        found = found.or(Some(program.to_string()))
                    }
                    Some(program) => {
                        found = found.or_else(|| detaches(program, &words)).or_else(|| self::script(&words, depth))
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }
    found
}

/// The option by which a program detaches.
fn detaches(program: &str, words: &[&str]) -> Option<String> {
    let (program, mut own) = (program.trim_end_matches("-compose"), words.get(1..)?);
    let is_engine = matches!(program, "docker" | "podman");
    if is_engine {
        // The services of `docker compose up --detach` are the stack's own, what is started beside them is not.
        let behind = own.iter().position(|word| matches!(*word, "exec" | "run"))? + 1;
        own = own.get(behind..)?;
        // Up to the container, as what stands behind it is another program's; a word behind an option may be its value.
        let is_option = |at: usize| own.get(at).is_some_and(|word| word.starts_with('-'));
        let has_none =
            |at: usize| own.get(at).is_some_and(|word| ["--rm", "-T", "-i", "-it", "-t", "-ti"].contains(word));
        let is_value = |at: usize| at.checked_sub(1).is_some_and(|before| is_option(before) && !has_none(before));
        let end = (0..own.len()).find(|&at| !is_option(at) && !is_value(at));
        own = own.get(..end.unwrap_or(own.len()))?;
    }
    let short = |word: &str| match word.strip_prefix('-').filter(|_| is_engine) {
        Some(letters) => letters.contains('d') && letters.trim_matches(['d', 'i', 't', 'T']).is_empty(),
        None => among(&format!("{program}:{word}"), words!("detaching")),
    };
    let long = |word: &str| among(word.split('=').next().unwrap_or(word), words!("detach"));
    let option = own.iter().find(|word| short(word)).or_else(|| {
        let mut options = words.iter().skip(1).zip(words.iter().skip(2).map(Some).chain([None]));
        let is_refused =
            |word: &str, value: Option<&&str>| word.ends_with("=no") || value.is_some_and(|value| *value == "no");
        options.find(|(word, value)| long(word) && !is_refused(word, *value)).map(|(word, _)| word)
    })?;
    Some(format!("{program} {option}"))
}

/// What a script behind `-c` leaves running.
fn script(words: &[&str], depth: usize) -> Option<String> {
    let at = words.iter().position(|word| *word == "-c")?;
    let script = words.get(at + 1)?.trim_matches(['"', '\'']);
    within(script, depth.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlives_its_script_is_found_and_what_does_not_is_left_alone() {
        for (text, found) in [
            ("while :; do redis-cli PING; done &", Some("&")),
            ("nohup ./job > /dev/null 2>&1", Some("nohup")),
            ("setsid sleep 100", Some("setsid")),
            ("cd /tmp\n(sleep 1; ./job) > log 2>&1 &\necho started", Some("&")),
            ("sh -c 'sleep 100 & echo on'", Some("&")),
            ("f() { sleep 100 & }; f", Some("&")),
            ("docker run -d x", Some("docker -d")),
            ("MODE=queue docker compose up -d shop", None),
            ("docker-compose -f x.yml up --detach", None),
            ("docker-compose exec -T -d redis sh -c 'sleep 9'", Some("docker -d")),
            ("docker compose exec redis redis-cli PING", None),
            ("docker compose exec -T -u postgres pg psql -U postgres -d stores -c 'DROP TABLE t'", None),
            ("docker exec pg psql -d stores", None),
            ("docker run --rm curl -d 'a=1' http://shop/", None),
            ("docker compose run --rm -itd shop sleep 9", Some("docker -itd")),
            ("docker exec shop gunicorn --daemon", Some("docker --daemon")),
            ("redis-server --port 7000 --daemonize yes", Some("redis-server --daemonize")),
            ("redis-server --daemonize no", None),
            ("cut -d: -f1 /etc/passwd | tr -d x", None),
            ("a && b || c; echo 'x & y' \"&\" > x 2>&1", None),
            ("curl -d 'a=1&b=2' http://x/?a=1\\&b=2", None),
            ("sleep 1 & sleep 1 & wait", None),
            ("cat <<E\na & b\nE", None),
            ("", None),
        ] {
            assert_eq!(left_running(text).as_deref(), found, "{text}");
        }
    }
}
