//! Whether a request over HTTP only looks: by its method, and by its address, because a GET of `/-/reload` or `/route/b`
//! is an order that somebody has put into an address.

use super::among;
use super::effect::{CallArguments, Effect};
use crate::bash::{EXPANDED, FILLED, Word, WordKind};
use crate::source::TextPattern;
use percent_encoding::percent_decode_str;

/// The effect of `curl`, `wget` or `http`, whose other options write and send nothing.
pub(super) fn of_call(name: &str, arguments: &CallArguments<'_>) -> Effect {
    let unknown = |why: &str| Effect::unknown(format!("HTTP: {why}"));
    let fixed = |value: &&Word| value.kind == WordKind::Fixed;
    for value in arguments.values("-X --request --method") {
        match value.filter(fixed).map(|method| method.text.as_str()) {
            Some("GET" | "HEAD" | "OPTIONS") => {}
            Some("DELETE") => return Effect::changes("HTTP: DELETE"),
            Some(method) => return unknown(method),
            None => return unknown("the method is not known"),
        }
    }
    let queries: Vec<&Word> = arguments.values("--data-urlencode").flatten().collect();
    // `name@file` is read from a file.
    let from_file =
        |query: &&Word| query.text.split('=').next().is_some_and(|name| name.contains(['@', FILLED, EXPANDED]));
    if !queries.is_empty() && !arguments.has("-G --get") || queries.iter().any(from_file) {
        return unknown("it sends something");
    }
    let places = ["-", "/dev/null", "/dev/stdout", "/dev/stderr"];
    let nowhere = |value: Option<&Word>| value.is_some_and(|value| places.iter().any(|place| value.is(place)));
    let written = "-o --output -D --dump-header -O --output-document";
    let keeps = name == "wget" && !arguments.has("-O --output-document --spider");
    if keeps || !arguments.values(written).all(nowhere) {
        return unknown("it writes a file");
    }
    let shown = |value: Option<&Word>| {
        let text = value.filter(fixed).map_or("@", |value| value.text.as_str());
        !text.starts_with('@') && !text.to_lowercase().contains("%output")
    };
    // `X-HTTP-Method-Override`
    let header = |value: Option<&Word>| {
        let beside = |text: &str| text.starts_with(['@', FILLED, EXPANDED]) || text.to_lowercase().contains("method");
        value.is_some_and(|value| !beside(&value.text))
    };
    // What a command or a variable holds is sent to nobody.
    if arguments.values(words!("sent")).flatten().any(|value| value.text.contains(EXPANDED)) {
        return unknown("it sends what is not known here");
    }
    if !arguments.values("-w --write-out").all(shown) || !arguments.values("-H --header").all(header) {
        return unknown("what it shows or sends beside is not known");
    }
    let urls = arguments.values("--url").flatten();
    let mut addresses: Vec<&Word> = arguments.operands.iter().copied().chain(urls).collect();
    // `http ADDRESS field=value` sends it, and so does `http ADDRESS` what it reads.
    if matches!(name, "http" | "https") {
        match addresses[..] {
            [method, address] if ["GET", "HEAD", "OPTIONS"].iter().any(|known| method.is(known)) => {
                addresses = vec![address]
            }
            [_] if arguments.has("--ignore-stdin -I") => {}
            _ => return unknown("the method is not known"),
        }
    }
    if addresses.is_empty() {
        return unknown("the address is not known");
    }
    let globs = !arguments.has("-g --globoff");
    let strange: Vec<(String, bool)> =
        addresses.iter().filter_map(|address| strange(address, &queries, globs)).collect();
    match strange.iter().find(|(_, of_get)| !of_get).or(strange.first()) {
        Some((why, of_get)) => Effect { of_get: *of_get, ..unknown(why) },
        None => Effect::looks(),
    }
}

/// What is wrong with an address, and whether only a word of it is not known.
fn strange(address: &Word, queries: &[&Word], globs: bool) -> Option<(String, bool)> {
    let sure = |why: String| Some((why, false));
    let shown = address.text.replace([FILLED, EXPANDED], "…");
    let rest = match address.text.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => rest,
        Some(_) => return sure(format!("the protocol of `{shown}`")),
        None => address.text.as_str(),
    };
    // Without a protocol, curl goes by the name of the host; with one that is filled in, by that: `gopher://cache:6379/_FLUSHALL`.
    let others = ["ftp.", "dict.", "ldap.", "imap.", "smtp.", "pop3."];
    let lower = rest.to_ascii_lowercase();
    let begins = |name: &&str| lower.starts_with(*name) || lower.contains(&format!("@{name}"));
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let bare = rest.len() == address.text.len();
    let strange = others.iter().any(begins) || host.contains([FILLED, EXPANDED]) || host.starts_with(['-', '/', '.']);
    if bare && strange {
        return sure(format!("the protocol of `{shown}` is not known"));
    }
    let path = rest.find(['/', '?']).map_or("", |at| rest.get(at..).unwrap_or_default());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    // What stands below `/admin/` may be an order, whatever its end says.
    let question = !is_of_admin(path) && words!("questions").split_whitespace().any(|end| path.ends_with(end));
    // `re{load}` is an address that curl puts together.
    let glob = |c: char| c == '*' && address.kind != WordKind::Fixed || "{}[]".contains(c) && globs;
    let open = |c: char| c == EXPANDED || glob(c);
    if path.contains(open) || path.contains('\\') || !question && query.contains(open) {
        return sure(format!("`{shown}` may become another address"));
    }
    let mut texts: Vec<&str> = vec![path];
    if !question {
        texts.extend([query].into_iter().chain(queries.iter().map(|query| query.text.as_str())));
    }
    let verb = texts.iter().find_map(|text| words(&decoded(text)).into_iter().find(|word| is_verb(word)));
    let parameters = texts.iter().skip(1).flat_map(|text| text.split(['&', ';']));
    let names = parameters.map(|pair| decoded(pair.split('=').next().unwrap_or_default()));
    let sets = || names.map(|name| name.replace([FILLED, EXPANDED], "…")).find(|name| !is_question(name));
    let other = || if question { None } else { unknown_word(&decoded(path)) };
    verb.map(|verb| format!("`{verb}` in the address sounds like an order"))
        .or_else(|| sets().map(|name| format!("the parameter `{name}` in the address may set something")))
        .and_then(sure)
        .or_else(|| other().map(|word| (format!("`{word}` in the address may be an order"), true)))
}

/// The first word of a path that may be an order. Plurals name things, and so do numbers; what is no ASCII
/// is not known.
fn unknown_word(path: &str) -> Option<String> {
    let all: Vec<&str> = path.split('/').collect();
    // The id of something: `7`, `8f3c-22`.
    let is_id = |part: &str| {
        let hex =
            part.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && part.contains(|c: char| c.is_ascii_digit());
        // `db2` and `a1` are names.
        hex && (part.len() >= 7 || part.starts_with(|c: char| c.is_ascii_digit()))
    };
    // Behind `/namespaces/` stands a name.
    let is_name = |at: usize| at.checked_sub(1).and_then(|at| all.get(at)) == Some(&"namespaces");
    let parts = all.iter().enumerate().filter(|(at, part)| !is_name(*at) && !is_id(part) && !part.is_empty());
    let parts = parts.map(|(_, part)| *part);
    let foreign = |part: &&str| part.contains(|c: char| !c.is_ascii() && c != FILLED);
    if let Some(part) = parts.clone().find(foreign) {
        return Some(part.replace(FILLED, "…"));
    }
    let all: Vec<String> = parts.flat_map(words).collect();
    let file = path.rsplit('/').next().and_then(|last| last.rsplit_once('.'));
    let is_look = file.is_some_and(|(_, end)| among(end, words!("files")))
        || all.last().is_some_and(|last| among(last, words!("looking ends")));
    if is_look && !is_of_admin(path) {
        return None;
    }
    let plural =
        |word: &str| word.len() > 2 && word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    all.into_iter().find(|word| !plural(word) && !among(word, words!("nouns of addresses")))
}

fn is_of_admin(path: &str) -> bool {
    words(&decoded(path)).iter().any(|word| word == "admin")
}

/// Whether a parameter asks; `page_size`, `pageSize` and `page-size` are one. A number keeps an answer from being an old one.
fn is_question(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let of_one = ["_id", "-id", "Id"].iter().any(|end| name.ends_with(end));
    of_one || name.chars().all(|c| c.is_ascii_digit()) || among(&plain, words!("parameters of questions"))
}

/// Whether a word is an order; some are ones within others as well: `flushall`.
fn is_verb(word: &str) -> bool {
    let within = ["delete", "destroy", "failover", "flush", "purge", "restart", "shutdown", "terminate", "truncate"];
    among(word, words!("verbs of addresses")) || within.iter().any(|verb| word.contains(verb))
}

/// The words of a part of an address, in lower case: `/cache/flushAll2` → cache, flush, all.
fn words(text: &str) -> Vec<String> {
    static WORD: TextPattern = TextPattern::new("[A-Z]*[a-z]+|[A-Z]+");
    WORD.find_iter(text).map(|word| word.as_str().to_ascii_lowercase()).collect()
}

/// A text with `%61` read as `a`.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
