//! Words that begin a sentence and ask for something to be done: those that act, and those that only look.

/// Verbs of actions. A condition behind one of them ("Restart if it hangs") is a condition of the action.
const ACTS: &[&str] = &[
    "add",
    "adjust",
    "allow",
    "apply",
    "attach",
    "block",
    "bump",
    "bypass",
    "cancel",
    "change",
    "checkpoint",
    "clean",
    "cleanup",
    "clear",
    "configure",
    "consider",
    "copy",
    "cordon",
    "create",
    "decrease",
    "delete",
    "deploy",
    "detach",
    "disable",
    "downgrade",
    "drain",
    "drop",
    "edit",
    "enable",
    "evict",
    "exclude",
    "execute",
    "expand",
    "export",
    "fail",
    "failover",
    "fix",
    "flush",
    "force",
    "generate",
    "import",
    "increase",
    "install",
    "kill",
    "launch",
    "limit",
    "lock",
    "lower",
    "merge",
    "migrate",
    "mount",
    "move",
    "pause",
    "promote",
    "provision",
    "pull",
    "purge",
    "push",
    "raise",
    "rebalance",
    "rebuild",
    "recover",
    "recreate",
    "redeploy",
    "reduce",
    "refresh",
    "reindex",
    "reinstall",
    "release",
    "reload",
    "remove",
    "rename",
    "renew",
    "repair",
    "replace",
    "replay",
    "rerun",
    "reset",
    "resize",
    "restart",
    "restore",
    "resume",
    "resync",
    "retry",
    "revert",
    "revoke",
    "roll",
    "rollback",
    "rotate",
    "run",
    "scale",
    "send",
    "set",
    "shed",
    "shutdown",
    "skip",
    "start",
    "stop",
    "suspend",
    "switch",
    "sync",
    "terminate",
    "throttle",
    "trigger",
    "truncate",
    "uncordon",
    "undo",
    "uninstall",
    "unlock",
    "unmount",
    "update",
    "upgrade",
    "upload",
    "use",
    "vacuum",
    "wipe",
];

/// Verbs after which `if` asks: "Check if the pool is full".
const ASKS: &[&str] = &[
    "ask",
    "assess",
    "check",
    "compare",
    "confirm",
    "decide",
    "determine",
    "ensure",
    "evaluate",
    "examine",
    "find",
    "identify",
    "inspect",
    "know",
    "learn",
    "look",
    "monitor",
    "note",
    "observe",
    "read",
    "review",
    "see",
    "test",
    "understand",
    "validate",
    "verify",
    "watch",
];

/// Other verbs that ask a person for something.
const CALLS: &[&str] = &[
    "announce",
    "call",
    "close",
    "communicate",
    "contact",
    "document",
    "email",
    "engage",
    "escalate",
    "file",
    "go",
    "inform",
    "log",
    "navigate",
    "notify",
    "open",
    "page",
    "post",
    "record",
    "report",
    "schedule",
    "tell",
    "visit",
    "wait",
    "work",
];

/// Whether the first word of a sentence is a verb of an action.
pub(super) fn acts(sentence: &str) -> bool {
    first(sentence).is_some_and(|word| ACTS.contains(&word.as_str()) || word == "manually" || word == "temporarily")
}

/// Whether the first word of a sentence is a verb of looking.
pub(super) fn asks(sentence: &str) -> bool {
    first(sentence).is_some_and(|word| ASKS.contains(&word.as_str()))
}

/// Whether a sentence asks a person for something.
pub(super) fn is_imperative(sentence: &str) -> bool {
    first(sentence).is_some_and(|word| {
        let word = word.as_str();
        ACTS.contains(&word) || ASKS.contains(&word) || CALLS.contains(&word)
    })
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
            assert!(acts(text) && is_imperative(text), "{text}");
        }
        for text in ["Check the rate", "Post it in the channel", "Wait"] {
            assert!(!acts(text) && is_imperative(text), "{text}");
        }
        for text in ["Restarts are slow", "Access", "The pool", "", "123"] {
            assert!(!is_imperative(text), "{text}");
        }
    }
}
