//! Which settings are secrets, by their names, the passwords inside of connection strings, and the secrets in what people write for a
//! shell or for a database: known by the name before them.

use std::collections::BTreeSet;

/// Words that make a name a secret's, alone or at the end of a word (`PGPASSWORD`).
const SECRET: [&str; 13] = [
    "PASSWORD", "PASSWD", "PASSPHRASE", "PASSCODE", "TOKEN", "SECRET", "CREDENTIAL", "CREDS", "APIKEY", "SECRETKEY",
    "PRIVATEKEY", "ACCESSKEY", "AUTHKEY",
];
/// Words that do so only as a whole.
const WHOLE: [&str; 6] = ["DSN", "PSK", "JWT", "HMAC", "BEARER", "PAT"];
/// Words that say that the name is of something *about* a secret, at its end.
const ABOUT: [&str; 42] = [
    "FILE", "PATH", "DIR", "DIRECTORY", "NAME", "USER", "USERNAME", "ID", "URL", "URI", "ENDPOINT", "HOST", "PORT",
    "TTL", "EXPIRY", "EXPIRES", "EXPIRATION", "TIMEOUT", "LIFETIME", "AGE", "DAYS", "HOURS", "MINUTES", "SECONDS",
    "INTERVAL", "POLICY", "ENABLED", "DISABLED", "REQUIRED", "ALGORITHM", "ALG", "TYPE", "FORMAT", "HEADER", "PREFIX",
    "SUFFIX", "ISSUER", "AUDIENCE", "PROVIDER", "ENCODING", "REGEX", "HINT",
];
/// Words that say so anywhere in it.
const MEASURES: [&str; 10] = ["MIN", "MAX", "MINIMUM", "MAXIMUM", "LENGTH", "LEN", "COUNT", "LIMIT", "SIZE", "NUM"];
/// Keys that are no secret.
const OPEN_KEYS: [&str; 13] = [
    "PUBLIC", "PRIMARY", "FOREIGN", "SORT", "PARTITION", "CACHE", "ROUTING", "INDEX", "ROW", "HOST", "LOOKUP", "GROUP",
    "OBJECT",
];

/// Whether the value of a setting with this name is a secret: `POSTGRES_PASSWORD`, `apiKey`, `SENTRY_DSN`; but not
/// `KEYBOARD`, `TOKENIZER`, `PASSWORD_FILE`, `PASSWORD_MIN_LENGTH` or `PWD`.
pub fn looks_secret(key: &str) -> bool {
    let words = words(key);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((last, before)) = words.split_last() else { return false };
    let ends = |word: &str| SECRET.iter().any(|secret| word.strip_suffix('S').unwrap_or(word).ends_with(secret));
    let secret_word = |word: &str| ends(word) || word.ends_with("CREDS") || WHOLE.contains(&word);
    match *last {
        _ if words.iter().any(|word| MEASURES.contains(word)) => false,
        // The id of a key of AWS is what scanners for secrets look for first.
        "ID" if before.ends_with(&["ACCESS", "KEY"]) => true,
        _ if ABOUT.contains(last) => false,
        _ if words.iter().any(|word| secret_word(word)) => true,
        "KEY" | "KEYS" => !before.iter().any(|word| OPEN_KEYS.contains(word)),
        "PASS" => true,
        // `PWD` alone is the working directory.
        "PWD" => !before.is_empty(),
        "AUTH" => {
            before.last().is_some_and(|word| matches!(*word, "BASIC" | "HTTP" | "PROXY" | "REDISCLI" | "REGISTRY"))
        }
        "SALT" | "PEPPER" => !before.is_empty(),
        _ => false,
    }
}

/// Words of a name in any style, in capitals: `api_key`, `api-key`, `apiKey` and `APIKey` are `API`, `KEY`.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = key.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            words.push(std::mem::take(&mut word));
            continue;
        }
        let after_lower = n.checked_sub(1).and_then(|p| chars.get(p)).is_some_and(|p| p.is_lowercase());
        let after_upper = n.checked_sub(1).and_then(|p| chars.get(p)).is_some_and(|p| p.is_uppercase());
        let before_lower = chars.get(n + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || (after_upper && before_lower)) {
            words.push(std::mem::take(&mut word));
        }
        word.extend(c.to_uppercase());
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The passwords that the words of people hold: in connection strings, in `password=…`, in commands.
pub fn secrets_in_text(text: &str) -> Vec<String> {
    let words = text.split_whitespace().filter_map(url_password).map(str::to_string);
    words.chain(script_secrets(text)).filter(|secret| !secret.is_empty()).collect()
}

/// The password in a connection string: `postgres://shop:hunter2@db/shop`, `host=db password=hunter2`,
/// `Server=db;Password=hunter2`.
pub fn url_password(value: &str) -> Option<&str> {
    let in_authority = || {
        let (_, rest) = value.split_once("://")?;
        let end = rest.find(|c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace()).unwrap_or(rest.len());
        let (user_info, _) = rest.get(..end)?.rsplit_once('@')?;
        let (_, password) = user_info.split_once(':')?;
        Some(password)
    };
    let in_pairs = || {
        let lower = value.to_ascii_lowercase();
        ["password=", "passwd=", "pwd="].into_iter().find_map(|key| {
            let begins = |at: usize| {
                let before = lower.get(..at).and_then(|before| before.chars().next_back());
                before.is_none_or(|c| matches!(c, ';' | '&' | '?' | ',') || c.is_whitespace())
            };
            let (at, _) = lower.match_indices(key).find(|(at, _)| begins(*at))?;
            let rest = value.get(at + key.len()..)?;
            // libpq quotes values that hold spaces.
            if let Some(quoted) = rest.strip_prefix('\'') {
                return quoted.split('\'').next();
            }
            rest.split(|c: char| matches!(c, ';' | '&' | ',') || c.is_whitespace()).next()
        })
    };
    in_authority().filter(|p| !p.is_empty()).or_else(|| in_pairs().filter(|p| !p.is_empty()))
}

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
            shown.push(secret.map_or_else(|| piece.to_string(), |secret| piece.replace(secret, "***")));
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
    let quoted = shell_words(script);
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
fn shell_words(script: &str) -> Vec<String> {
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
