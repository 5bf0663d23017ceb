//! Commands that stand outside of code blocks: alone on a line, in running text behind a word such as "run", in a table. What
//! is found is offered and never runs by itself, so a doubtful line is taken; what reads as English is not.

use super::commands::{first_word, is_option};
use super::language::{is_known_command, is_shell, tag};
use super::markdown::{CommandRow, MarkdownCode};
use super::text::{Excerpt, is_among, spoken_words, until_char, words};
use super::{Unread, phase};
use crate::source::{Span, TextPattern};
use std::collections::HashSet;

/// What Markdown shows otherwise than it is written: `\*`, `&amp;`, `<https://…>`, `<br>`.
static RENDERED_OTHERWISE: TextPattern = TextPattern::new(r"\\[!-/:-@\[-`{-~]|&[A-Za-z0-9#]+;|<(?:http|br|BR|!--)");

/// How many bytes before some code say whether it is to be run.
const NEAR: usize = 300;

/// Code in running text or in a cell of a table.
#[derive(Debug)]
pub(super) struct Inline {
    /// Where it begins in the text around it.
    pub at: usize,
    /// The code as a reader sees it.
    pub text: String,
    /// Where it stands in the file, backticks included.
    pub span: Span,
}

/// Whether a line is a command as a person would type it.
pub(super) fn is_command(line: &str) -> bool {
    is_typed(line, is_known_command, false)
}

/// The code in running text that is a command as a person would type it, each with the sentence before it.
pub(super) fn mentioned(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut end = 0;
    let parts = text.split('`').enumerate().map(move |(index, part)| {
        let before = text.get(..end).unwrap_or_default();
        let ends = |(at, _): (usize, &str)| before.get(at + 1..).filter(|next| next.starts_with(char::is_whitespace));
        let before = before.rmatch_indices(['.', ';', '!', '?']).find_map(ends).unwrap_or(before);
        end += part.len() + 1;
        (index % 2 == 1, part.trim(), before)
    });
    parts.filter(|(is_code, code, _)| *is_code && is_command(code)).map(|(_, code, before)| (code, before))
}

/// The words with which lines of a page's shell begin: what nobody else knows is a program there.
pub(super) fn typed_words(source: &str) -> HashSet<&str> {
    let (mut inside, mut shell, mut words) = (false, false, HashSet::new());
    for line in source.lines() {
        let line = line.trim_start_matches([' ', '\t', '>']);
        if let Some(info) = line.strip_prefix("```").or(line.strip_prefix("~~~")) {
            inside = !inside;
            shell = inside && is_shell(&tag(info));
        } else if shell {
            words.extend(line.strip_prefix("$ ").unwrap_or(line).split_whitespace().next());
        }
    }
    words
}

/// Whether a line may be a command: it begins with a known command, and is no sentence.
fn may_be_command(line: &str) -> bool {
    let plain = first_word(line.trim()).is_some_and(is_known_command);
    let english = line.split_whitespace().skip(1).any(|word| is_among(words!("sentence"), word));
    is_command(line) || plain && !english && !line.trim_end().ends_with(['.', ':', ',', ';', '?', '!'])
}

/// `asked`: a word before it asks for it ("run `make test`"), so that the name of a program need not be told from a word.
fn is_typed(line: &str, known: impl Fn(&str) -> bool, asked: bool) -> bool {
    let line = line.trim();
    let prompted = line.strip_prefix("$ ");
    let typed = prompted.unwrap_or(line).trim_start();
    let typed = typed.strip_prefix("sudo ").unwrap_or(typed).trim_start();
    let Some(program) = first_word(typed).filter(|word| known(word)) else { return false };
    let mut words = typed.split_whitespace().skip_while(|word| *word != program).skip(1).peekable();
    if prompted.is_some() || words.peek().is_none() {
        // "Run `./failover.sh`", and not "use `/opt/shop`".
        let is_script = program.starts_with("./") || program.starts_with("../") || program.ends_with(".sh");
        return prompted.is_some() || asked && (is_script || program.len() < line.len());
    }
    let ends = typed.ends_with(['.', ':', ',', ';', '?', '!']) && !typed.ends_with(" .") && !typed.ends_with("..");
    let left_out = typed.contains("...") || typed.contains('…');
    let quoted = typed.contains(['"', '\'']);
    let marks =
        |word: &str| word.starts_with('-') || word.contains(['/', '|', '=', '$', '>', '<', '"', '\'', '@', ':']);
    let shown = words.clone().any(marks) || program.contains('/');
    let english = !quoted && words.any(|word| is_among(words!("sentence"), word));
    !ends && !left_out && !english && (asked || shown || !is_among(words!("english"), program))
}

/// A paragraph whose lines are commands, or end in commands below a line that leads to them: where they begin, and the block that
/// they are. `span` goes from its first to its last character.
pub(super) fn of_paragraph(source: &str, span: Span) -> Option<(usize, MarkdownCode)> {
    let before = source.get(..span.start)?.chars().next_back();
    if before.is_some_and(|c| !c.is_whitespace() && c != '>' && c != '\u{feff}') {
        return None;
    }
    let end = source.get(span.end..)?.find('\n').map_or(source.len(), |at| span.end + at);
    // Where a reader sees another text than stands in the file, it is not known which one is meant.
    if RENDERED_OTHERWISE.is_match(source.get(span.start..end)?) {
        return None;
    }
    let begin = source.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let quotes = source.get(begin..span.start)?.matches('>').count();
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let mut at = span.start;
    for (index, line) in source.get(span.start..end)?.split_inclusive('\n').enumerate() {
        let bare = line.trim_end();
        let marks = if index == 0 { 0 } else { bare.len() - behind_marks(bare, quotes).len() };
        lines.push((at + marks, bare.get(marks..)?));
        at += line.len();
    }
    let line = |index: usize| lines.get(index).map_or("", |(_, line)| line);
    let goes_on = |index: usize| index > 0 && line(index - 1).ends_with('\\');
    let certain = (0..lines.len()).find(|&index| is_command(line(index)))?;
    let first = (0..certain).rev().take_while(|&index| may_be_command(line(index))).last().unwrap_or(certain);
    // Beside one that certainly is a command, `sleep 20` and `cd /srv` are some as well.
    let all = (first..lines.len()).all(|index| goes_on(index) || may_be_command(line(index)));
    let leads = first == 0 || line(first - 1).ends_with(':') || phase::is_step(line(0));
    if !all || !leads {
        return None;
    }
    let mut body = Excerpt::default();
    let last = lines.len();
    for (index, (at, line)) in lines.iter().enumerate().skip(first) {
        body.push(line, *at);
        body.push(if index + 1 < last { "\n" } else { "" }, at + line.len());
    }
    let start = lines.get(first)?.0;
    Some((start, MarkdownCode::unread(body, Span::new(start, end), Unread::Unfenced, None)))
}

/// A line without its indentation and the marks of the quotes around it.
fn behind_marks(line: &str, quotes: usize) -> &str {
    let mut rest = line.trim_start_matches([' ', '\t']);
    for _ in 0..quotes {
        rest = rest.strip_prefix('>').map_or(rest, |rest| rest.trim_start_matches([' ', '\t']));
    }
    rest
}

/// The commands among the code of a text. `row` is what a table says of them.
pub(super) fn of_text(
    source: &str,
    typed: &HashSet<&str>,
    text: &str,
    inline: &[Inline],
    row: Option<CommandRow>,
) -> Vec<MarkdownCode> {
    // "`a` and `b`", "`a`, then `b`": where one is to be run, the next one is as well.
    let mut last: Option<(&Inline, bool)> = None;
    let found = inline.iter().filter_map(|code| {
        let goes_on = last.filter(|(last, _)| text.get(last.at + last.text.len()..code.at).is_some_and(is_and));
        last = asks_to_run(typed, text, code, goes_on.map(|(_, led)| led)).map(|led| (code, led));
        last
    });
    let read = |(code, led): (&Inline, bool)| {
        let whole = source.get(code.span.start..code.span.end)?;
        let ticks = whole.len() - whole.trim_start_matches('`').len();
        let written = whole.get(ticks..whole.len().checked_sub(ticks)?)?;
        let from = code.span.start + ticks + (written.len() - written.trim_start().len());
        let mut body = Excerpt::default();
        let mut at = from;
        // In a table a pipe is written with a backslash before it.
        for (index, part) in written.trim().split("\\|").enumerate() {
            body.push(if index > 0 { "|" } else { "" }, at - 1);
            body.push(part, at);
            at += part.len() + 2;
        }
        let same = body.text == code.text.trim();
        same.then(|| MarkdownCode { led, ..MarkdownCode::unread(body, code.span, Unread::Inline, row.clone()) })
    };
    found.filter_map(read).collect()
}

/// The command that a cell of a table below `head` is, without marks of code.
pub(super) fn of_cell(
    source: &str,
    head: &str,
    text: &str,
    cell: Span,
    row: Option<CommandRow>,
) -> Option<MarkdownCode> {
    let head = spoken_words(head);
    let says = |list: &str| head.iter().any(|word| is_among(list, word));
    // "docker restart" may be the name of a problem.
    let shown = says("command commands run fix action actions how");
    let marked = || text.split_whitespace().any(|word| is_option(word) || word.contains('/'));
    if says(words!("against")) || !shown && !marked() {
        return None;
    }
    let written = source.get(cell.start..cell.end)?;
    let at = cell.start + (written.len() - written.trim_start().len());
    let body = Excerpt::of(text.trim(), at);
    let span = Span::new(at, at + body.text.len());
    // Where a reader sees another text than stands in the file, it is not known which one is meant.
    let same = body.text == written.trim() && is_command(&body.text);
    same.then(|| MarkdownCode::unread(body, span, Unread::Inline, row))
}

/// Whether a text between two pieces of code does nothing but join them: "and", ", then", "2.", a line break.
fn is_and(between: &str) -> bool {
    let joins = |word: &str| is_among("and or then br", &word.to_lowercase());
    words(between).all(|word| joins(word) || word.chars().all(|c| c.is_ascii_digit()))
}

/// Whether a word asks for some code in a text (`true`) or a sign does; `None` where it is not to be run. `goes_on`: what asks for the
/// code that it follows.
fn asks_to_run(typed: &HashSet<&str>, text: &str, code: &Inline, goes_on: Option<bool>) -> Option<bool> {
    let (before, after) = (text.get(..code.at)?, text.get(code.at + code.text.len()..)?);
    let near = until_char(before, before.len().saturating_sub(NEAR));
    let before = before.get(near..).unwrap_or_default().trim_end();
    // "If it is not up after a minute, run `x`" asks for it, "do not run `x`" does not.
    let words = spoken_words(before.trim_end_matches(',').rsplit(['.', ';', ',', ':']).next().unwrap_or_default());
    let next = after.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let alone = || next.is_empty() || is_among("and or then on br", next);
    // "Run the command `…`"
    let mut back = words.iter().map(String::as_str).rev();
    let last = back.next().and_then(|last| match last {
        "command" | "commands" => back.find(|word| !is_among("a the this these following", word)),
        last => Some(last),
    });
    // "Never run `x`, then `y`."
    let goes_against =
        || spoken_words(before.rsplit(['.', ';']).next().unwrap_or_default()).iter().any(|word| is_against(word));
    let in_sequence = |word| is_among(words!("sequence"), word) && alone() && !goes_against();
    let called = last.is_some_and(|word| is_among(words!("leading"), word) || in_sequence(word));
    let leads = match before.chars().next_back() {
        _ if goes_on.is_some() => goes_on,
        // "Stop the import (`…`), then start it again:"
        Some('(') if before.rsplit(['.', '!', '?']).next().is_some_and(phase::is_imperative) => Some(true),
        Some(_) if is_alternative(before) => alone().then_some(true),
        Some(':' | '(' | '—' | '–' | '→' | '$' | '-') => Some(false),
        // "`kubectl get pods` shows them" tells of it; "`kubectl get pods`: look at them" asks for it.
        None | Some('.') => alone().then_some(true),
        Some(_) => called.then_some(true),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(plain);
    let options = code.text.split_whitespace().any(is_option);
    let known = |word: &str| is_known_command(word) || name(word) && (options || typed.contains(word));
    let asked = called || goes_on == Some(true);
    leads.filter(|_| is_typed(&code.text, known, asked) && !words.iter().any(|word| is_against(word)))
}

pub(super) fn is_against(word: &str) -> bool {
    is_among(words!("against"), word)
}

/// Whether the code behind a text is one of several ways: "Do nothing, or", "Otherwise,".
fn is_alternative(before: &str) -> bool {
    let before = before.trim_end_matches(',').to_lowercase();
    let sentence = before.rsplit(['.', ';', ':']).next().unwrap_or_default();
    // The last of a list of what must not be done, or of what happens, is no way.
    let words = spoken_words(sentence);
    let says_no = words.iter().any(|word| is_against(word));
    match words.last().map(String::as_str) {
        Some("alternatively" | "otherwise") => true,
        Some("or") => !says_no && (words.iter().any(|word| word == "nothing") || phase::is_imperative(sentence)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::{Accepted, Decision, Do, Handling, Runbook, parse};
    use crate::source::{Diagnostics, Source};
    use std::collections::BTreeMap;

    fn runbook(text: &str) -> Runbook {
        parse(&Source::new("r.md", text), &mut Diagnostics::default()).expect("a runbook")
    }

    fn unread(text: &str) -> Vec<String> {
        let runbook = runbook(text);
        let commands = runbook.steps.iter().flat_map(|step| step.commands());
        commands.filter(|command| command.unread.is_some()).map(|command| command.text.clone()).collect()
    }

    #[test]
    fn lines_that_are_commands_and_sentences_that_are_none() {
        for line in [
            "kubectl get pods",
            "docker ps",
            "systemctl restart nginx",
            "sudo df -h",
            "$ make",
            "FOO=1 kubectl get po",
            "docker build .",
            "curl http://web/debug | grep db_pool",
            "git commit -m 'fix the bug'",
            "make -C app install",
        ] {
            assert!(is_command(line), "{line}");
        }
        for line in [
            "make sure that it runs",
            "find the pod",
            "kubectl",
            "curl requests that fail",
            "watch closely",
            "kubectl get pods.",
            "Kubectl get pods",
            "kill it",
            "test thoroughly",
            "kubectl scale ... --replicas=4",
            "",
        ] {
            assert!(!is_command(line), "{line}");
        }
    }

    #[test]
    fn commands_outside_of_blocks_are_offered() {
        for (text, commands) in [
            ("## Fix\n\nkubectl get pods\n", vec!["kubectl get pods"]),
            (
                "## Fix\n\nLook at them:\nkubectl get pods\nkubectl get no \\\n  -o wide\n",
                vec!["kubectl get pods", "kubectl get no \\\n-o wide"],
            ),
            ("## Fix\n\n> kubectl delete pod <pod>\n", vec!["kubectl delete pod <pod>"]),
            ("## Fix\n\n- psql -c 'select * from a_b_c'\n", vec!["psql -c 'select * from a_b_c'"]),
            ("## Fix\n\n1. Run `./failover.sh`; see `/etc/hosts`.\n", vec!["./failover.sh"]),
            ("## Fix\n\n1. Run `kubectl get pods` and wait.\n", vec!["kubectl get pods"]),
            (
                "## Fix\n\nRun `make drift-check` or `service nginx restart`.\n",
                vec!["make drift-check", "service nginx restart"],
            ),
            ("## Fix\n\n1. Run `make fix-cache`.\n\n   ```bash\n   df -h\n   ```\n", vec!["make fix-cache"]),
            ("## Fix\n\n- `service unavailable`: run `make`, do not run `make clean`\n", vec![]),
            ("## Fix\n\n- Logs: `kubectl logs web`\n", vec!["kubectl logs web"]),
            ("## Fix\n\n| What | How |\n| - | - |\n| Look | `df -h \\| grep /` |\n", vec!["df -h | grep /"]),
            (
                "## Fix\n\n| What | How |\n| - | - |\n| docker compose ps | docker compose start web |\n| Up | kubectl it |\n",
                vec!["docker compose start web"],
            ),
            (
                "## Fix\n\n| Problem | Do not run |\n| - | - |\n| docker restart | kubectl delete ns -A |\n| kubectl get po -A | |\n",
                vec!["kubectl get po -A"],
            ),
            ("## Fix\n\nRun the following command `kubectl delete pod x`.\n", vec!["kubectl delete pod x"]),
            ("## Fix\n\nThe command `kubectl delete pod x` is dangerous.\n", vec![]),
            (
                "## Fix\n\n```sh\nkubectl delete pod x\n```\n\nThen `kubectl delete pod y`. Finally, `docker restart web`\n",
                vec!["kubectl delete pod y", "docker restart web"],
            ),
            ("## Fix\n\nNow `kubectl get pods` shows it. Never run `docker kill a`, then `docker kill b`.\n", vec![]),
            (
                "## Fix\n\nStop the import (`docker compose stop import`), then restart:\n\n```bash\ndocker compose restart web\n```\n",
                vec!["docker compose stop import"],
            ),
            ("## Fix\n\nRestart it (`docker compose restart`):\n\n```bash\ndocker compose restart web\n```\n", vec![]),
            ("## Fix\n\n- Tests: `pytest -x`, health: `shopctl health`\n", vec!["pytest -x"]),
            ("## Fix\n\n```sh\nshopctl on\n```\n\n- Health: `shopctl health`\n", vec!["shopctl health"]),
            (
                "## Fix\n\nRun `kubectl delete pod x`, then `kubectl delete pod y`.\n",
                vec!["kubectl delete pod x", "kubectl delete pod y"],
            ),
            ("## Fix\n\nIf it is not up after a minute, run `kubectl get pods`.\n", vec!["kubectl get pods"]),
            (
                "## Fix\n\n1. Do nothing, or `docker restart web`.\n2. Otherwise, `docker restart db`\n",
                vec!["docker restart web", "docker restart db"],
            ),
            ("## Fix\n\nThis is web or `docker restart web`. Do not wait or `docker restart db`.\n", vec![]),
            ("## Fix\n\nNever run `docker kill a`, `docker kill b`, or `docker restart db`.\n", vec![]),
            ("## Fix\n\nOnly if that did not help: `redis-cli FLUSHDB`\n", vec!["redis-cli FLUSHDB"]),
            (
                "## Fix\n\nThen run:\nkubectl delete pod x\nsleep 20\ncd /srv\n./restart.sh\n",
                vec!["kubectl delete pod x", "sleep 20", "cd /srv", "./restart.sh"],
            ),
            ("## Fix\n\nkubectl get secret x \\\n    > backup.yaml\n", vec!["kubectl get secret x \\\n> backup.yaml"]),
            ("## Fix\n\n> kubectl get pods \\\n>   -o wide\n", vec!["kubectl get pods \\\n-o wide"]),
            ("## Fix\n\ncurl -X POST http://web/a?x=1&amp;y=2\n", vec![]),
            ("## Fix\n\npsql -c \"SELECT \\* FROM a\"\n", vec![]),
            ("## Fix\n\n```\nkubectl cordon a\nmigrate-traffic to=eu\nkubectl uncordon a\n```\n", vec![]),
            ("## Fix\n\nDon\u{2019}t run `kubectl delete ns x`.\n", vec![]),
            ("## Fix\n\nDo not run `kubectl delete ns x`.\n", vec![]),
            ("## Fix\n\n`kubectl get pods` shows them.\n", vec![]),
            ("## Fix\n\nUse `kubectl get pods` to see them:\n\n```bash\nkubectl get pods -n x\n```\n", vec![]),
            (
                "## Fix\n\n1. Run `kubectl scale deploy/web --replicas=5`, then wait:\n\n   ```bash\n   kubectl rollout status deploy/web\n   ```\n",
                vec!["kubectl scale deploy/web --replicas=5"],
            ),
            (
                "## Fix\n\nRestart it with `kubectl rollout restart <name>`:\n\n```bash\nkubectl -n x rollout restart deploy/web\n```\n",
                vec![],
            ),
            (
                "## Fix\n\nSays it less, start it (`docker compose start db`, then `docker compose stop web`) and escalate.\n\n```bash\ntar -tf x\n```\n",
                vec![],
            ),
            ("## Fix\n\nThe output comes from\nkubectl get pods\n", vec![]),
        ] {
            assert_eq!(unread(text), commands, "{text}");
        }
    }

    #[test]
    fn their_places_are_those_of_the_file() {
        let text = "## Fix\n\n| What | How |\n| - | - |\n| Disk | `df -h \\| grep <mount>` |\n";
        let runbook = runbook(text);
        let command = &runbook.steps[0].commands()[0];
        assert_eq!((command.line, command.column, runbook.steps[0].title.as_str()), (5, 11, "Disk"));
        assert_eq!((command.inputs[0].line, command.inputs[0].column), (5, 25));
        assert_eq!(
            command.governs.under,
            ["What | How / Disk | df -h | grep <mount>"],
            "the row is read with its command"
        );
    }

    #[test]
    fn an_unread_command_waits_for_a_decision_and_does_what_it_says() {
        let table = "## Fix\n\n| What | How |\n| - | - |\n| Disk | `df -h` |\n";
        let untagged = "## Fix\n\n```\ndf -h\n```\n";
        for page in [table, untagged, "## Fix\n\ndf -h\n"] {
            let mut runbook = runbook(page);
            runbook.settle(&BTreeMap::new());
            assert!(matches!(runbook.steps[0].commands()[0].handling, Handling::Blocked(_)), "{page}");
            for (decided, runs) in [(Do::Run, true), (Do::Skip, false)] {
                let decision = Decision::about(&runbook.steps[0].commands()[0], decided, "me", "2026-11-20");
                let accepted = Accepted { source: runbook.source.clone(), decisions: vec![decision] };
                let accepted = Some(std::sync::Arc::new(accepted));
                runbook.accepted.clone_from(&accepted);
                runbook.settle(&BTreeMap::new());
                let handling = &runbook.steps[0].commands()[0].handling;
                assert!(matches!(handling, Handling::Run(_)) == runs && !matches!(handling, Handling::Blocked(_)));
                let mut other =
                    super::tests::runbook(&page.replace("Disk", "If the disk is full").replace("Fix", "Mend"));
                other.accepted.clone_from(&accepted);
                other.settle(&BTreeMap::new());
                assert!(matches!(other.steps[0].commands()[0].handling, Handling::Blocked(_)), "{page}");
            }
        }
        let annotated = runbook(&untagged.replace("```\ndf", "<!-- firedrill: id=disk -->\n```\ndf"));
        assert_eq!(annotated.steps[0].commands()[0].unread, None, "its author has read it");
    }

    #[test]
    fn output_in_a_block_without_a_tag_is_no_command() {
        let of = |text: &str| {
            let runbook = runbook(&format!("## Fix\n\n```\n{text}\n```\n"));
            let commands = runbook.steps[0].commands().iter();
            commands.map(|c| (c.text.clone(), c.expected.clone(), c.unread.is_some())).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(of("shopctl status"), []);
        assert_eq!(of("worker started in 3 s"), []);
        assert_eq!(of("/opt/shop/"), []);
        assert_eq!(of("redis-cli ping\nPONG"), [("redis-cli ping".into(), some("PONG"), true)]);
        assert_eq!(
            of("kubectl get po\nshopctl drain --all\nDrained 3"),
            [("kubectl get po".into(), None, true), ("shopctl drain --all".into(), some("Drained 3"), true)]
        );
        assert_eq!(
            of("# df -h\n/dev/sda1 3G\n# redis-cli ping\nPONG"),
            [("df -h".into(), some("/dev/sda1 3G"), true), ("redis-cli ping".into(), some("PONG"), true)],
            "prompts of root"
        );
        assert_eq!(of("$ df -h\n/dev/sda1 3G"), [("df -h".into(), some("/dev/sda1 3G"), false)]);
    }
}
