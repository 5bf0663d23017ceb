//! Fill-ins without marks around them: `your-token`, `YYYY-MM-DD`, an ellipsis in the place of a value.

/// `your-token`, `your_cluster`: width and name.
pub(super) fn your(rest: &str, before: Option<char>) -> Option<(usize, &str)> {
    let name = rest.strip_prefix("your-").or_else(|| rest.strip_prefix("your_"))?;
    if before.is_some_and(|c| !c.is_whitespace() && !"\"'=:/@,([".contains(c)) {
        return None;
    }
    let width = name.bytes().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(c)).count();
    let name = name.get(..width)?.trim_end_matches(['-', '_']);
    let next = rest.as_bytes().get(name.len() + 5).copied().unwrap_or(b' ');
    // `your_token=x` sets a variable of that name, `your_function()` is called.
    let sets = next == b'=' && before.is_none_or(char::is_whitespace) || next == b'(' || next.is_ascii_uppercase();
    (name.starts_with(|c: char| c.is_ascii_lowercase()) && !sets).then_some((name.len() + 5, name))
}

/// `YYYY-MM-DD`, `YYYYMMDD_HHMMSS`: width and name. `line` is what stands before it on its line: not where it is the
/// pattern of a function that formats dates.
pub(super) fn date<'a>(rest: &'a str, before: Option<char>, line: &str) -> Option<(usize, &'a str)> {
    let mut at = 0;
    let mut take = |part: &str, between: &str| {
        let tail = rest.get(at..).unwrap_or_default();
        let skip = usize::from(tail.starts_with(|c: char| between.contains(c)) && at > 0);
        let fits = tail.get(skip..).is_some_and(|tail| tail.starts_with(part));
        at += if fits { skip + part.len() } else { 0 };
        fits
    };
    if !(take("YYYY", "") && take("MM", "-_./") && take("DD", "-_./")) {
        return None;
    }
    let _ = take("HH", "-_T") && take("MM", "-:_") && take("SS", "-:_") && take("Z", "");
    let next = rest.get(at..).and_then(|tail| tail.chars().next());
    let part = |c: char| c.is_ascii_alphanumeric();
    let formats = ["to_char", "strftime", "format", "date +", "Format", "to_date", "to_timestamp"];
    let alone = !before.is_some_and(part) && !next.is_some_and(part);
    (alone && !formats.iter().any(|word| line.contains(word))).then(|| (at, rest.get(..at).unwrap_or_default()))
}

/// `...new-endpoint...`, or `...` as the whole value of an option or a variable, named after it.
pub(super) fn ellipsis<'a>(rest: &'a str, before: &'a str) -> Option<(usize, &'a str)> {
    let dots = ["...", "…"].into_iter().find(|dots| rest.starts_with(dots))?;
    let behind = rest.get(dots.len()..)?;
    let word = behind.bytes().take_while(|c| c.is_ascii_alphanumeric() || b"-_".contains(c)).count();
    let last = before.chars().next_back();
    if word > 1 && behind.get(word..)?.starts_with(dots) && !last.is_some_and(|c| c.is_alphanumeric() || c == '.') {
        return Some((dots.len() * 2 + word, behind.get(..word)?));
    }
    let quote = last.filter(|c| matches!(c, '"' | '\''));
    let ends = match quote {
        Some(quote) => behind.starts_with(quote),
        None => behind.is_empty() || behind.starts_with(char::is_whitespace),
    };
    let before = quote.map_or(before, |quote| before.strip_suffix(quote).unwrap_or(before));
    let word = before.trim_end_matches(' ').rsplit(char::is_whitespace).next()?;
    let spaced = before.ends_with(' ');
    let name = match word.strip_suffix('=') {
        Some(name) if !spaced => name,
        // `--secret-string ...`; not `./...` and not `--all...`.
        None if spaced && word.starts_with("--") => word,
        _ => return None,
    };
    let name = name.trim_start_matches('-');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (ends && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .then_some((dots.len(), name))
}

/// The name of one pod of the author's: `web-7d4b9c6f5d-x2k4p`, `kube-proxy-b9g23`, given to kubectl.
pub(super) fn sample_pod(word: &str, command: &str) -> bool {
    let mut words = command.split_whitespace();
    if !words.any(|word| matches!(word, "kubectl" | "oc")) {
        return false;
    }
    let named = words.clone().any(|word| matches!(word, "logs" | "exec" | "cp" | "debug"));
    let kind = words.any(|word| matches!(word, "pod" | "pods" | "po"));
    // The letters of generated names: without vowels and what looks like another one.
    let generated = |part: &str| part.bytes().all(|c| b"bcdfghjklmnpqrstvwxz23456789".contains(&c));
    let digit = |part: &str| part.bytes().any(|c| c.is_ascii_digit());
    let Some((head, last)) = word.rsplit_once('-') else { return false };
    let set =
        head.rsplit_once('-').is_some_and(|(_, set)| (8..=10).contains(&set.len()) && generated(set) && digit(set));
    let letters = last.bytes().any(|c| c.is_ascii_lowercase());
    (named || kind) && last.len() == 5 && generated(last) && letters && (digit(last) || set)
}

#[cfg(test)]
mod tests {
    use crate::runbook::placeholder::find;

    fn names(text: &str) -> Vec<(String, String)> {
        find(text).into_iter().map(|p| (text[p.span.start..p.span.end].to_string(), p.name)).collect()
    }

    #[test]
    fn fill_ins_without_marks() {
        for (text, spelling, name) in [
            ("export TOKEN=\"your-token\"", "your-token", "token"),
            ("make train DATA=data/your-set.csv", "your-set", "set"),
            ("psql -c 'ALTER SUBSCRIPTION your_subscription ENABLE'", "your_subscription", "subscription"),
            ("git clone git@github.com:your-org/app", "your-org", "org"),
            ("cp /backup/app.YYYYMMDD_HHMMSS.db /data", "YYYYMMDD_HHMMSS", "YYYYMMDD_HHMMSS"),
            ("restore --to YYYY-MM-DDTHH:MM:SSZ", "YYYY-MM-DDTHH:MM:SSZ", "YYYY-MM-DDTHH:MM:SSZ"),
            ("URL=postgresql://...new-endpoint...", "...new-endpoint...", "new-endpoint"),
            ("aws x --secret-string \"...\"", "...", "secret-string"),
            ("aws x --secret-string ... --y", "...", "secret-string"),
            ("export API_KEY='…'", "…", "API_KEY"),
            ("kubectl logs -n kube-system kube-proxy-b9g23", "kube-proxy-b9g23", "pod"),
            ("kubectl delete pod web-7d4b9c6f5d-xzkqp", "web-7d4b9c6f5d-xzkqp", "pod"),
        ] {
            assert_eq!(names(text), [(spelling.to_string(), name.to_string())], "{text}");
        }
    }

    #[test]
    fn words_that_are_none() {
        for text in [
            "go test ./...",
            "git log a...b",
            "echo ... # your-token",
            "echo \"wait...\"",
            "ls ...",
            "grep '...' x",
            "X=${Y:-your_default}",
            "your_name=x",
            "echo yours-truly at-your-service",
            "psql -c \"select to_char(now(), 'YYYY-MM-DD')\"",
            "x --date-format YYYY-MM-DD",
            "kubectl logs deploy/web",
            "kubectl logs web-backend",
            "kubectl get svc x-b9g23",
            "docker logs web-b9g23",
        ] {
            assert_eq!(names(text), [], "{text}");
        }
    }
}
