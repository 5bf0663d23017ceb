//! The simple commands of a shell command: their words, what feeds them and what they feed. Looked at to tell what
//! needs a person at the keyboard; what stands in functions, quotes and substitutions is not looked at.

use crate::bash::{CommandContext, Statement, StatementKind, read};
use crate::programs::{self, Wrapper};

/// A simple command.
#[derive(Debug, Clone, Default)]
pub struct Simple<'a> {
    /// Its words as they are written, quotes included; assignments and redirections left out.
    pub words: Vec<&'a str>,
    /// What stands around it.
    pub around: CommandContext,
    /// Whether `timeout` stands before it.
    pub timed: bool,
}

/// The simple commands of a shell command, in order, without `sudo`, `env`, `timeout` and the like before them.
pub fn commands<'a>(text: &'a str) -> Vec<Simple<'a>> {
    let script = read(text);
    let own = script.placed(text).into_iter().filter(|placed| !placed.around.inner && placed.command.is_call());
    own.map(|placed| bare(Simple { words: placed.command.written(text), around: placed.around, timed: false }))
        .collect()
}

/// Whether a loop in it goes on for ever: `while true` or `until false` without a way out.
pub fn loops_forever(text: &str) -> bool {
    (text.contains("while") || text.contains("until")) && read(text).statements.iter().any(|one| is_endless(one, text))
}

fn is_endless(statement: &Statement, text: &str) -> bool {
    match &statement.kind {
        // What runs in the background is nothing that anybody waits for.
        StatementKind::Function { .. } | StatementKind::Background(_) => return false,
        StatementKind::Loop { until, condition, .. } => {
            let ends = condition.first().zip(condition.last()).map(|(first, last)| first.span.start..last.span.end);
            let holds = match ends.and_then(|span| text.get(span)) {
                Some("true" | ":" | "[ 1 ]" | "[[ 1 ]]" | "((1))") => !until,
                Some("false") => *until,
                _ => false,
            };
            let mut words = statement.span.of(text).split(|c: char| !c.is_ascii_alphanumeric());
            if holds && !words.any(|word| matches!(word, "break" | "exit" | "return" | "exec")) {
                return true;
            }
        }
        _ => {}
    }
    statement.parts().into_iter().any(|part| is_endless(part, text))
}

/// Takes away what only runs another command.
pub fn bare(mut command: Simple<'_>) -> Simple<'_> {
    // Nobody lets more of them call each other.
    for _ in 0..16 {
        let Some((at, wrapper)) = wrapped(&command.words).filter(|(_, wrapper)| !wrapper.feeds) else { break };
        command.timed |= wrapper.timed;
        command.words.drain(..at);
    }
    command
}

/// Where among the words of a call the program stands that its first one only runs, and what is known of that one. `None` where
/// nothing stands behind it: `sudo -i` and `sudo -s` alone open a shell.
pub fn wrapped(words: &[&str]) -> Option<(usize, &'static Wrapper)> {
    let (first, rest) = words.split_first()?;
    let wrapper = programs::wrapper(base(first))?;
    let behind = after_options(rest, &wrapper.valued);
    let assigned = behind.iter().take_while(|word| wrapper.assignments && word.contains('=')).count();
    let at = words.len() - behind.len() + assigned + wrapper.operands;
    (at < words.len()).then_some((at, wrapper))
}

/// A program, without its directory and quotes.
pub fn base(word: &str) -> &str {
    word.trim_matches(['"', '\'', '\\']).rsplit('/').next().unwrap_or_default()
}

/// What stands behind the options, the values of `valued` ones included.
pub fn after_options<'w, 'a>(words: &'w [&'a str], valued: &[impl AsRef<str>]) -> &'w [&'a str] {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if *word == "--" {
            return words.get(at + 1..).unwrap_or_default();
        }
        if !word.starts_with('-') || *word == "-" {
            break;
        }
        at += if valued.iter().any(|option| option.as_ref() == *word) { 2 } else { 1 };
    }
    words.get(at..).unwrap_or_default()
}

impl<'a> Simple<'a> {
    /// A command as it stands there.
    pub fn of(words: Vec<&'a str>) -> Simple<'a> {
        Simple { words, ..Simple::default() }
    }

    /// The program, without its directory and quotes.
    pub fn program(&self) -> &'a str {
        base(self.words.first().copied().unwrap_or_default())
    }

    /// The words behind the program.
    pub fn arguments(&self) -> &[&'a str] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The command that runs in another place: behind `kubectl exec POD --`, `docker exec NAME`, `docker compose run SERVICE`.
    pub fn inner(&self) -> Option<Simple<'a>> {
        let arguments = self.arguments();
        let words = match self.program() {
            "kubectl" | "oc" | "$KUBECTL" | "k" => {
                let at = arguments.iter().position(|word| matches!(*word, "exec" | "rsh" | "run" | "debug"))?;
                let dashes = arguments.iter().position(|word| *word == "--");
                match dashes {
                    Some(dashes) if dashes > at => arguments.get(dashes + 1..)?,
                    _ if matches!(arguments.get(at), Some(&"exec" | &"rsh")) => {
                        let valued = ["-n", "--namespace", "-c", "--container", "--context", "--kubeconfig"];
                        // `kubectl exec POD -n NS command`: options may stand behind the name as well.
                        let behind_name = after_options(arguments.get(at + 1..)?, &valued).get(1..)?;
                        after_options(behind_name, &valued)
                    }
                    _ => return None,
                }
            }
            "docker" | "podman" | "docker-compose" | "nerdctl" => {
                let valued = ["-u", "--user", "-e", "--env", "-w", "--workdir", "--index", "--env-file"];
                let of_run: Vec<&str> = words!("options of compose run").split_whitespace().collect();
                let run = || self.behind("run", &of_run).filter(|_| self.is_of_compose());
                return self.behind("exec", &valued).or_else(run).map(bare);
            }
            _ => return None,
        };
        self.with(words).map(bare)
    }

    /// Whether it is a call of Docker Compose.
    pub(super) fn is_of_compose(&self) -> bool {
        self.program() == "docker-compose" || self.arguments().contains(&"compose")
    }

    /// The command behind a verb, its options and a name: `exec NAME command`.
    fn behind(&self, verb: &str, valued: &[&str]) -> Option<Simple<'a>> {
        let at = self.arguments().iter().position(|word| *word == verb)?;
        self.with(after_options(self.arguments().get(at + 1..)?, valued).get(1..)?)
    }

    /// The command that some of its words are.
    pub(super) fn with(&self, words: &[&'a str]) -> Option<Simple<'a>> {
        (!words.is_empty()).then(|| Simple { words: words.to_vec(), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let flags = |c: &Simple<'_>| {
            let around = c.around;
            let flags = [(around.fed, " fed"), (around.background, " &"), (around.cut, " cut"), (c.timed, " timed")];
            flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<String>()
        };
        commands(text).iter().map(|c| format!("{}{}", c.words.join(" "), flags(c))).collect()
    }

    #[test]
    fn simple_commands_know_what_is_around_them() {
        assert_eq!(shown("a 'b c' > f"), ["a 'b c'"]);
        assert_eq!(shown("A=1 sudo -u x tail -f y | head -3"), ["tail -f y cut", "head -3 fed"]);
        assert_eq!(shown("timeout -k 1 5 a b & c"), ["a b & timed", "c"]);
        assert_eq!(shown("a < f; b <<< x"), ["a fed", "b fed"]);
        assert_eq!(shown("if a; then b; else c; fi && d"), ["a", "b", "c", "d"]);
        assert_eq!(shown("f() { a; }; b $(c)"), ["b $(c)"]);
        assert_eq!(shown("sudo -i"), ["sudo -i"]);
        assert_eq!(shown("ssh h <<EOF\nls\nEOF"), ["ssh h fed"]);
        assert_eq!(shown("tail -f x | grep y | grep -m1 z"), ["tail -f x cut", "grep y fed cut", "grep -m1 z fed"]);
    }

    #[test]
    fn commands_in_another_place() {
        let inner = |text: &str| commands(text)[0].inner().map(|c| c.words.join(" "));
        assert_eq!(inner("kubectl exec -it -n x pod -- sh -l").as_deref(), Some("sh -l"));
        assert_eq!(inner("kubectl exec pod -n x sh").as_deref(), Some("sh"));
        assert_eq!(inner("docker compose exec -T -u root db sudo psql").as_deref(), Some("psql"));
        assert_eq!(inner("docker exec -it web bash").as_deref(), Some("bash"));
        assert_eq!(inner("kubectl debug node/x"), None);
        assert_eq!(inner("kubectl get pods"), None);
    }
}
