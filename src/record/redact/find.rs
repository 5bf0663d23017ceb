//! Which settings are secrets, by their names, and the passwords inside of connection strings.

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
    if words.iter().any(|word| MEASURES.contains(word)) {
        return false;
    }
    // The id of a key of AWS is what scanners for secrets look for first.
    if *last == "ID" && before.ends_with(&["ACCESS", "KEY"]) {
        return true;
    }
    if ABOUT.contains(last) {
        return false;
    }
    let ends = |word: &str| SECRET.iter().any(|secret| word.strip_suffix('S').unwrap_or(word).ends_with(secret));
    let secret_word = |word: &str| ends(word) || word.ends_with("CREDS") || WHOLE.contains(&word);
    if words.iter().any(|word| secret_word(word)) {
        return true;
    }
    match *last {
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
    words.chain(super::command::script_secrets(text)).filter(|secret| !secret.is_empty()).collect()
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
