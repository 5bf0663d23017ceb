//! Words of a call that are neither a program nor a verb that the table knows, and what was probably meant.

use super::among;
use super::effect::name_of;
use super::table::{self, Program};
use crate::bash::{Word, WordKind};

/// A word that is spelt wrong, and what is probably meant: `kubctl` and `kubectl`, `kubectl delte` and `delete`. Only where
/// a letter is missing or doubled, or two have changed places: another letter may make another program.
pub fn misspelt(words: &[Word]) -> Option<(String, String)> {
    let (first, rest) = words.split_first()?;
    let name = name_of(&first.text).filter(|_| first.kind == WordKind::Fixed)?;
    let Some(entry) = table::entry(name) else {
        let meant = table::names().filter(|known| known.len() >= 5).find(|known| is_slip(name, known));
        return meant.map(|known| (name.to_string(), known.to_string()));
    };
    let program = entry.program?;
    let verbs = verbs(program);
    let given = rest.iter().find(|word| !word.text.starts_with('-'))?;
    let is_verb = given.kind == WordKind::Fixed && given.text.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
    if verbs.len() < 8 || program.changes.is_empty() || !is_verb || verbs.contains(&given.text.as_str()) {
        return None;
    }
    let slip = verbs.iter().find(|verb| is_slip(&given.text, verb)).map(|verb| verb.to_string());
    // `kubectl pods`: the verb is left out.
    let left_out = || {
        let is_kind = matches!(name, "kubectl" | "oc") && among(&given.text, words!("kinds"));
        is_kind.then(|| format!("get {}", given.text))
    };
    slip.or_else(left_out).map(|meant| (format!("{name} {}", given.text), format!("{name} {meant}")))
}

/// The first words that a program knows.
fn verbs(program: &Program) -> Vec<&str> {
    let ways = [&program.looks, &program.changes, &program.interactive, &program.endless, &program.destroys];
    let first = ways.into_iter().flatten().filter_map(|way| way.operands.first());
    first.flatten().map(String::as_str).collect()
}

/// Whether a letter of the known word is missing or doubled, or two neighbours have changed places.
fn is_slip(given: &str, known: &str) -> bool {
    let (given, known): (Vec<char>, Vec<char>) = (given.chars().collect(), known.chars().collect());
    let same = given.iter().zip(&known).take_while(|(a, b)| a == b).count();
    let equal = given.len() == known.len();
    match (given.get(same..).unwrap_or_default(), known.get(same..).unwrap_or_default()) {
        (rest, [_, behind @ ..]) if given.len() + 1 == known.len() => known.len() >= 5 && same > 0 && rest == behind,
        ([twice, rest @ ..], behind) if given.len() == known.len() + 1 => {
            known.len() >= 4 && same > 0 && given.get(same - 1) == Some(twice) && rest == behind
        }
        ([a, b, rest @ ..], [c, d, behind @ ..]) if equal => given.len() >= 3 && a == d && b == c && rest == behind,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(call: &str) -> Option<String> {
        misspelt(&call.split(' ').map(Word::fixed).collect::<Vec<_>>()).map(|(_, meant)| meant)
    }

    #[test]
    fn slips_are_found_and_other_programs_are_not() {
        for (call, known) in [
            ("kubctl get pods", "kubectl"),
            ("systemclt restart x", "systemctl"),
            ("kubectl delte pod x", "kubectl delete"),
            ("kubectl gte pods", "kubectl get"),
            ("kubectl pods", "kubectl get pods"),
            ("docker restrat x", "docker restart"),
            ("systemctl sttatus x", "systemctl status"),
        ] {
            assert_eq!(meant(call).as_deref(), Some(known), "{call}");
        }
        for call in
            ["kubectx prod", "mysqld --version", "shop-admin drain", "kubectl ctx", "grep sttatus x", "kubectl get x"]
        {
            assert_eq!(meant(call), None, "{call}");
        }
    }
}
