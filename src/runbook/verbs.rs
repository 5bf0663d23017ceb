//! Words that begin a sentence and ask for something to be done: to act, to look, or to tell somebody.

/// Verbs of actions, of looking, and of telling others.
const VERBS: &str = "
add adjust allow announce apply ask assess attach block bump bypass call cancel change check checkpoint clean cleanup
clear close communicate compare configure confirm consider contact copy cordon create decide decrease delete deploy
detach determine disable document downgrade drain drop edit email enable engage ensure escalate evaluate evict examine
exclude execute expand export fail failover file find fix flush force generate go identify import increase inform
inspect install kill know launch learn limit lock log look lower merge migrate monitor mount move navigate note notify
observe open page pause post promote provision publish pull purge push raise read rebalance rebuild record recover recreate
redeploy reduce refresh reindex reinstall release reload remove rename renew repair replace replay report rerun reset
resize restart restore resume resync retry revert review revoke roll rollback rotate run scale schedule see send set
shed shutdown skip start stop suspend switch sync tell terminate test throttle trigger truncate uncordon understand
undo uninstall unlock unmount update upgrade upload use vacuum validate verify visit wait watch wipe work
";

/// Whether a sentence asks a person for something.
pub(super) fn is_imperative(sentence: &str) -> bool {
    first(sentence).is_some_and(|word| VERBS.split_whitespace().any(|verb| verb == word))
}

/// The first word in lower case, marks and emoji before it left out.
fn first(sentence: &str) -> Option<String> {
    let mut words = sentence.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    let word = words.next()?.to_lowercase();
    // "Then restart it", "Please restart it".
    if matches!(word.as_str(), "then" | "please" | "now" | "next" | "finally" | "first" | "also") {
        return words.next().map(str::to_lowercase);
    }
    // "Re-enable it".
    if word == "re" {
        return words.next().map(str::to_lowercase);
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_verb_asks_for_something() {
        for text in ["Restart the pods", "✅ restart it", "Then restart it", "Roll back", "Re-enable it"] {
            assert!(is_imperative(text), "{text}");
        }
        for text in ["Check the rate", "Post it in the channel", "Wait"] {
            assert!(is_imperative(text), "{text}");
        }
        for text in ["Restarts are slow", "Access", "The pool", "", "123"] {
            assert!(!is_imperative(text), "{text}");
        }
    }
}
