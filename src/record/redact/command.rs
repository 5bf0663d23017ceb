//! Secrets in what people write for a shell or for a database: known by the name before them.

use super::find::{looks_secret, url_password};
use std::collections::BTreeSet;

/// A command line with its secrets hidden, and the secrets: what follows `--token`, what `--token=` and `TOKEN=` give, and
/// passwords of URLs; also within a word that is a command line itself, as that of `sh -c`.
pub fn concealed(words: &[String]) -> (String, Vec<String>) {
    let mut secrets: Vec<String> = Vec::new();
    let mut shown: Vec<String> = Vec::new();
    let mut after_flag = false;
    for word in words {
        // A secret that is a word of its own may hold spaces.
        let pieces: Vec<&str> = if after_flag { vec![word.as_str()] } else { word.split_whitespace().collect() };
        for piece in pieces {
            let secret = secret_in(piece, after_flag);
            after_flag = piece.starts_with('-') && !piece.contains('=') && looks_secret(piece);
            shown.push(match secret {
                Some(secret) => piece.replace(secret, "***"),
                None => piece.to_string(),
            });
            secrets.extend(secret.map(str::to_string));
        }
    }
    (shown.join(" "), secrets)
}

/// The secret in a piece of a command line.
fn secret_in(piece: &str, after_flag: bool) -> Option<&str> {
    fn bare(text: &str) -> &str {
        text.trim_matches(['"', '\''])
    }
    let given = piece.split_once('=').filter(|(name, _)| looks_secret(name)).map(|(_, value)| bare(value));
    let follows = (after_flag && !piece.starts_with('-')).then(|| bare(piece));
    let secret = follows.or(given).or_else(|| url_password(piece));
    secret.filter(|secret| !secret.is_empty())
}

/// The secrets in a script for a shell: as in a command line, whatever is quoted in it. A value that the shell takes from
/// elsewhere (`$NAME`, `$(…)`) is none.
pub fn script_secrets(script: &str) -> Vec<String> {
    let quoted = words(script);
    // A quoted word may be a command line itself, or a connection string.
    let within = quoted.iter().filter(|word| word.contains(char::is_whitespace));
    let within = within.flat_map(|word| concealed(std::slice::from_ref(word)).1);
    // Words without blanks, as `concealed` takes words apart.
    let plain: Vec<String> = quoted.iter().filter(|word| !word.contains(char::is_whitespace)).cloned().collect();
    let mut found = concealed(&plain).1;
    found.extend(quoted.iter().filter_map(|word| secret_in(word, false)).map(str::to_string));
    found.extend(within);
    // Once more without regard to quotes: an apostrophe in a comment opens none.
    found.extend(concealed(&[script.to_string()]).1);
    let found = found.iter().map(|secret| secret.trim_end_matches([';', ')', '"', '\'']));
    let found = found.filter(|secret| !secret.is_empty() && !secret.starts_with(['$', '`']));
    found.map(str::to_string).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Words as a shell has them, without their quotes.
fn words(script: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = script.chars();
    while let Some(c) = chars.next() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>') => {
                words.push(std::mem::take(&mut word));
            }
            None | Some('"') if c == '\\' => word.extend(chars.next()),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The texts that follow PASSWORD in SQL, as it is written and as it is meant.
pub fn sql_secrets(sql: &str) -> Vec<String> {
    const NAME: &str = "password";
    let lower = sql.to_ascii_lowercase();
    let mut found: Vec<String> = Vec::new();
    for (at, _) in lower.match_indices(NAME) {
        let rest = sql.get(at + NAME.len()..).unwrap_or_default();
        let rest = rest
            .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | 'E' | 'e' | 'U' | 'u' | '&'));
        if let Some(text) = rest.strip_prefix('\'') {
            let written = text.replace("\'\'", "\0\0");
            let end = written.find('\'').unwrap_or(written.len());
            let written = text.get(..end).unwrap_or_default();
            found.extend([written.to_string(), written.replace("\'\'", "'")]);
        } else if let Some((tag, text)) = rest.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
            found.extend(text.split(&format!("${tag}$")).next().map(str::to_string));
        }
    }
    let urls = sql.split_whitespace().filter_map(url_password);
    found.extend(urls.map(|password| password.trim_end_matches([';', ')', '"', '\'']).to_string()));
    found.into_iter().filter(|secret| !secret.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scripts_hold_secrets_under_many_names() {
        let of = |script: &str| script_secrets(script);
        assert_eq!(of("PGPASSWORD=hunter22; psql -c 'SELECT 1'"), ["hunter22"]);
        assert_eq!(of("x=$(API_TOKEN=hunter22 fetch)"), ["hunter22"]);
        assert!(of("PGPASSWORD='hunter 22' psql").contains(&"hunter 22".to_string()));
        assert!(of("# it's so\nPGPASSWORD=hunter22 psql").contains(&"hunter22".to_string()));
        assert_eq!(of("psql postgresql://u:hunter22@db/x -At"), ["hunter22"]);
        assert_eq!(of("psql \"host=db password=hunter22\""), ["hunter22"]);
        assert_eq!(of("mysql --password hunter22 -e 'SELECT 1'"), ["hunter22"]);
        assert_eq!(of("sh -c 'export API_KEY=hunter22'"), ["hunter22"]);
        assert_eq!(of("PGPASSWORD=\"$DB_PASSWORD\" psql -At; PGPASSWORD=$(cat /run/x) psql"), Vec::<String>::new());
        assert_eq!(of("psql -At -c 'SELECT number FROM bookings'"), Vec::<String>::new());
    }

    #[test]
    fn passwords_in_sql_are_secrets() {
        assert_eq!(sql_secrets("ALTER ROLE app PASSWORD 'hunter22'; SELECT 'x'"), ["hunter22"]);
        assert_eq!(sql_secrets("create role a with encrypted password E'hunter''22'"), ["hunter''22", "hunter'22"]);
        assert_eq!(sql_secrets("ALTER ROLE a PASSWORD $x$hunter22$x$ VALID UNTIL 'x'"), ["hunter22"]);
        assert_eq!(sql_secrets("UPDATE users SET password = 'hunter22'"), ["hunter22"]);
        assert_eq!(sql_secrets("SELECT dblink('host=db password=hunter22')"), ["hunter22"]);
        assert_eq!(sql_secrets("ALTER ROLE a PASSWORD NULL; DELETE FROM customers"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_can_break_it(text in ".*") {
            let _ = (script_secrets(&text), sql_secrets(&format!("password {text}")));
        }
    }
}
