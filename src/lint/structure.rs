//! RB101 to RB109: what a runbook leaves out that somebody who was woken up needs: what helps, whether it has helped, the
//! way back, whom to call, which alert leads here, which of several ways to take.

use super::page::begin;
use super::words::{find, holds, words};
use super::{FindingReport, LintPage, Project};
use crate::programs::{self, EffectKind};
use crate::report::many;
use crate::runbook::RunbookPhase::{self, Detect, Diagnose, Escalate, Mitigate, Other, Rollback, Verify};
use crate::runbook::look::{FenceUse, PageCommand, TextKind};
use crate::source::{Severity, Span};

/// RB101: a runbook that does not say what helps.
pub(super) fn no_mitigation(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let look = page.look;
    let is_incident = page.has_phase(Diagnose)
        && look.headings.iter().any(|heading| holds(&heading.text, phrases!("incident")))
        || page.has_phase(Detect) && page.has_phase(Escalate);
    if page.is_index() || page.has_open_fence() || !is_incident || page.has_phase(Mitigate) || page.has_phase(Rollback)
    {
        return;
    }
    let says_so = look.texts.iter().any(|text| {
        // "**Resolution:** restart it" is a section in all but name; so is a heading that was not understood.
        let lead = text.body.text.split([':', '.', '\u{2013}', '\u{2014}']).next().unwrap_or_default();
        text.kind != TextKind::Cell && lead.split_whitespace().count() <= 8 && holds(lead, phrases!("helps"))
    });
    // Commands and steps under headings that say nothing may be the mitigation.
    let acts = |reading: FenceUse| matches!(reading, FenceUse::Run | FenceUse::Held | FenceUse::Person);
    let commands = look.fences.iter().filter(|fence| acts(fence.reading)).map(|fence| fence.span.start);
    let steps = look.lists.iter().filter(|list| list.start.is_some()).map(|list| list.span.start);
    if !says_so && !commands.chain(steps).any(|at| look.phase(at) == Other) {
        let found = report.at(page.top(), "this runbook has no section that says what helps");
        found.help("add `## Mitigation` with the steps, in order; if nobody on call can do anything, say whom to call");
    }
}

/// A section that changes something, and whether its last command looks at what comes of it.
struct ChangingSection {
    at: Span,
    looks: bool,
}

/// The sections of a page whose mitigation changes something.
fn changes(page: &LintPage<'_>) -> Vec<ChangingSection> {
    let mut changes: Vec<ChangingSection> = Vec::new();
    for command in page.commands().iter().filter(|command| command.step.phase == Mitigate) {
        let (place, kind) = (begin(command), command.command.effect().kind);
        let looks = command.command.expected.is_some() || kind == EffectKind::Looks;
        match changes.last_mut().filter(|change| place < change.at.end) {
            Some(change) => change.looks = looks,
            None if kind == EffectKind::Changes => changes.push(ChangingSection { at: page.own_section(place), looks }),
            None => {}
        }
    }
    if changes.is_empty() {
        let unfenced = page.unfenced().filter(|command| command.effect().kind == EffectKind::Changes);
        changes.extend(unfenced.map(|command| ChangingSection { at: command.first_line(page.source).1, looks: false }));
    }
    changes
}

/// RB102: a runbook that changes something and never looks whether it helped.
pub(super) fn no_verification(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let look = page.look;
    let changes = changes(page);
    let Some(first) = changes.first() else { return };
    let texts = |within: Span| {
        let texts = look.texts.iter().filter(move |text| text.kind != TextKind::Heading);
        texts.filter(move |text| (within.start..within.end).contains(&text.span.start))
    };
    let says = |within: Span| {
        let fences = look.fences.iter().filter(|fence| (within.start..within.end).contains(&fence.span.start));
        let mut comments =
            fences.flat_map(|fence| fence.body.text.lines()).filter(|line| line.trim_start().starts_with('#'));
        texts(within).any(|text| holds(&text.body.text, phrases!("looks")))
            || comments.any(|line| holds(line, phrases!("looks")))
    };
    let mut verifying = look.headings.iter().filter(|heading| heading.phase == Verify);
    let verifies = verifying.any(|heading| {
        let within = Span::new(heading.span.end, heading.section_end);
        let expected = page.commands().iter().filter(|shell| shell.command.expected.is_some());
        holds(&heading.text, phrases!("verifies"))
            || texts(within).next().is_some() && page.unfenced().next().is_none()
            || expected.map(begin).any(|at| (within.start..within.end).contains(&at))
    });
    let missing: Vec<&ChangingSection> = changes.iter().filter(|change| !change.looks && !says(change.at)).collect();
    if verifies || missing.is_empty() {
        return;
    }
    if missing.len() < changes.len() {
        // Most sections look. What is no mitigation by its heading may be there for another reason.
        let named: Vec<_> = missing.iter().filter(|change| look.phase(change.at.start) == Mitigate).collect();
        if let Some(first) = named.first().filter(|_| missing.len() * 2 <= changes.len()) {
            let found = report.at(page.first_line(first.at), "nothing says how to see whether this has worked");
            found.help("say what to look at, and what it must show");
            found.level = Severity::Info;
            if named.len() > 1 {
                found.label(format!("here, and in {}", many(named.len() - 1, "other section")));
            }
        }
        return;
    }
    let behind = look.headings.iter().filter(|heading| heading.section_end > first.at.start);
    let mut behind = behind.filter(|heading| matches!(heading.phase, Mitigate | Other));
    if !behind.any(|heading| says(Span::new(heading.span.end.max(first.at.start), heading.section_end))) {
        let heading = look.section(first.at.start).map_or(page.top(), |heading| heading.span);
        report.at(page.first_line(heading), "nothing in this runbook tells whether the mitigation has helped").help(
            "add `## Verification` with a command that fails as long as users are not back, and say what it must show",
        );
    }
}

/// RB103: a change that outlives the incident, and no word on how to take it back.
pub(super) fn no_rollback(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    if page.has_phase(Rollback) || page.says(phrases!("takes back")) {
        return;
    }
    // A service that is stopped for a while is started again by the page itself.
    let starts = page.calls().any(|(_, call)| {
        let verb = |word: &&str| matches!(*word, "start" | "restart" | "enable" | "unmask");
        call.words.first() == Some(&"systemctl") && call.words.iter().any(verb)
    });
    let mut lasting = page.calls().filter_map(|(shell, call)| {
        let tries = call.words.iter().any(|word| word.starts_with("--dry-run") || *word == "--help");
        let restarted = starts && call.words.first() == Some(&"systemctl");
        let counts = shell.step.phase == Mitigate && !tries && !restarted;
        Some((shell, call, programs::lasts(&call.words).filter(|_| counts)?))
    });
    if let Some((shell, call, what)) = lasting.next() {
        report
            .at(shell.place(call.span), format!("`{what}` stays in force, and nothing here says how to take it back"))
            .help("add `## Rollback` with the way back, and when to take it");
    }
}

/// RB104: a runbook that leaves its reader alone.
pub(super) fn nobody(project: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let known = project.has_codeowners();
    let has = |page: &LintPage<'_>| page.has_phase(Escalate) || page.says(phrases!("who")) || known;
    let says = (
        "this runbook names nobody: no owner, nobody to escalate to",
        "add who owns it below the title, and `## Escalation`: when to call whom",
    );
    report.once(pages, false, |page| page.acts().then(|| has(page)), says);
}

/// RB105: a page that nobody finds by what woke them up.
pub(super) fn no_alert(_: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let has = |page: &LintPage<'_>| {
        // Its title may be the name of an alert: `KubePodCrashLooping`.
        let title = page.text(page.top()).trim_start_matches(['#', ' ']);
        let is_alert = !title.contains(' ') && title.chars().filter(|c| c.is_ascii_uppercase()).count() > 1;
        is_alert || page.has_phase(Detect) || page.says(phrases!("leads"))
    };
    // What is planned answers no alert.
    let answers = |page: &LintPage<'_>| page.acts() && !holds(page.text(page.top()), phrases!("planned"));
    let says = (
        "nothing on this page says which alert or symptom leads to it",
        "add `Alert:` with its name below the title, or what users and dashboards show",
    );
    report.once(pages, false, |page| answers(page).then(|| has(page)), says);
}

/// RB109: a page of which nobody can tell how old it is.
pub(super) fn no_date(_: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let says = (
        "this runbook does not say when somebody last looked at it, and most others do",
        "add the date of its last review, as the other pages have it",
    );
    report.once(pages, true, |page| page.acts().then(|| page.says(phrases!("reviews"))), says);
}

/// RB106: a choice that is left to somebody who cannot know.
pub(super) fn which_remedy(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let changes = |shell: &PageCommand<'_>| shell.command.effect().kind == EffectKind::Changes;
    let untold = page.commands().iter().find(|shell| {
        let governs = &shell.command.governs;
        let mut said = governs.headings.iter().chain(&governs.under);
        let several = shell.step.phase == Mitigate && governs.of_several && changes(shell);
        several && !said.any(|text| holds(text, phrases!("which")) || text.contains('('))
    });
    if let Some(shell) = untold {
        let heading = page.look.section(begin(shell)).map_or(page.top(), |heading| heading.span);
        report
            .at(page.first_line(heading), "this is one of several ways, and nothing says when to take which")
            .help("say in each heading, or above them, when it is the right one: `If …`");
    }
    let mut told: Option<&PageCommand<'_>> = None;
    for pair in page.commands().windows(2) {
        let [one, other] = pair else { continue };
        if !page.in_one_block(one, other) || told.is_some_and(|told| page.in_one_block(told, one)) {
            continue;
        }
        let between = page.text(Span::new(one.place(Span::new(0, one.command.text.len())).end, begin(other)));
        if let Some(line) = between.lines().find(|line| says_or(line)).filter(|_| changes(one) && changes(other)) {
            told = Some(one);
            let place = page.first_line(Span::of_part(&page.source.text, line));
            let found = report.at(place, "this block holds several ways to do it: who pastes it runs all of them");
            found.help("give each way a block of its own, and say above it when it is the right one");
        }
    }
}

/// `# or`, `# Alternatively, …`.
fn says_or(line: &str) -> bool {
    let Some(said) = line.trim_start().strip_prefix('#') else { return false };
    let said = said.trim_matches(['#', ' ', ':', '-']).to_lowercase();
    let begins = ["or ", "or:", "alternatively"].iter().any(|word| said.starts_with(word));
    said == "or" || begins && !said.starts_with("or else")
}

/// RB107: a page that its author has not finished.
pub(super) fn unfinished(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    /// Marks that are words of their own in capitals.
    const MARKS: &[&str] = &["TODO", "TBD", "TBA", "FIXME"];
    // A block that holds nothing but comments that say so: `# TODO: command needed`.
    let blocks = page.look.fences.iter().filter_map(|fence| {
        let mut lines = fence.body.text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (_, span) = words(&fence.body.text).find(|(word, _)| MARKS.contains(word))?;
        lines.all(|line| line.starts_with(['#', '/', '<'])).then(|| fence.body.place(span))
    });
    let texts = page.look.texts.iter().filter_map(|text| {
        let whole = text.body.text.as_str();
        let marked = words(whole).find(|(word, span)| MARKS.contains(word) && !is_a_name(whole, *span, text.kind));
        // A phrase counts where it is all that is said: "To be added."
        let phrase = || find(whole, phrases!("unfinished")).filter(|_| words(whole).count() <= 8);
        // One finding is enough for a block.
        let span = marked.map(|(_, span)| span).or_else(phrase)?;
        (!text.is_code(span)).then(|| text.body.place(span))
    });
    for place in blocks.chain(texts) {
        let found = report.at(place, format!("“{}”: this is not finished", page.text(place)));
        found.help("write it, or say whom to call as long as it is not written");
    }
}

/// Whether the word is spoken about: "the TODO list".
fn is_a_name(text: &str, span: Span, kind: TextKind) -> bool {
    let after = text.get(span.end..).unwrap_or_default().trim_start().chars().take(8);
    let after: String = after.flat_map(char::to_lowercase).collect();
    kind != TextKind::Heading && ["list", "item", "comment", "app"].iter().any(|noun| after.starts_with(noun))
}

/// RB108: a mitigation that is a telephone number.
pub(super) fn only_escalates(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let is_mitigation = |at: usize| page.look.phase(at) == RunbookPhase::Mitigate;
    let Some(first) = page.look.headings.iter().find(|heading| heading.phase == Mitigate) else { return };
    let texts = page.look.texts.iter().filter(|text| text.kind != TextKind::Heading && is_mitigation(text.span.start));
    let sentences = texts.flat_map(|text| text.body.text.split(['.', ';', '!'])).filter(|said| !said.trim().is_empty());
    let mut sentences = sentences.peekable();
    let does = page.look.fences.iter().any(|fence| is_mitigation(fence.span.start));
    if sentences.peek().is_some() && !does && sentences.all(|sentence| holds(sentence, phrases!("calls somebody"))) {
        let found = report.at(first.span, "this mitigation only calls somebody else");
        found.help("say what can be done until they are there, or page them directly");
    }
}

#[cfg(test)]
mod tests {
    cases! {
        rb101,
        bad: [
            "# T\n\n## Diagnosis\n\nLook.\n" => [(1, 1)],
            "## Symptoms\n\nx\n\n## Escalation\n\ny\n" => [(1, 1)],
            "# T\n\n## Diagnosis\n\n```bash\nls\n```\n" => [(1, 1)],
        ],
        good: [
            "# T\n\n## Diagnosis\n\nLook.\n\n### How to fix it\n\nx\n",
            "# T\n\n## Symptoms\n\nx\n\n## Restart the service\n\n```bash\nsystemctl restart x\n```\n",
            "# T\n\n## Symptoms\n\nx\n\n## Failover\n\n1. Call.\n",
            "# T\n\n## Diagnosis\n\n### 1. The disk\n\n**Resolution:**\n- Empty it.\n",
            "# T\n\n## When it triggers\n\nx\n",
            "# Our runbooks\n\n- [a](a.md)\n",
            "# T\n\n## Overview\n\nWords.\n",
        ],
    }

    cases! {
        rb102,
        bad: [
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\n```\n" => [(3, 1)],
            "# T\n\n## Diagnosis\n\nCheck it.\n\n## Fix\n\nRestart it.\n\n```bash\nkubectl get pods\nkubectl delete pod x\n```\n" => [(7, 1)],
        ],
        good: [
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\n```\n\n## Verify\n\nLook.\n",
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\nsystemctl status x\n```\n",
            "# T\n\n## Fix\n\n```bash\nsystemctl restart x\n```\n\nWatch the error rate for five minutes.\n",
            "# T\n\n## Fix\n\n```bash\n# restart, then check\nsystemctl restart x\n```\n",
            "# T\n\n## Fix\n\nRestart it by hand.\n",
            "# T\n\n## Fix\n\n```console\n$ systemctl restart x\nok\n```\n",
        ],
    }

    cases! {
        rb103,
        bad: [
            "# T\n\n## Fix\n\n```bash\nls\nkubectl -n x scale deploy/y --replicas=0\n```\n" => [(7, 1)],
            "# T\n\n## Fix\n\n1. a\n   ```console\n   $ date && sudo systemctl stop x\n   ```\n" => [(7, 14)],
        ],
        good: [
            "# T\n\n## Fix\n\n```bash\nsystemctl stop x\nrm -f /run/x.lock\nsystemctl start x\n```\n",
            "# T\n\n## Fix\n\n```bash\nhelm upgrade --install x y/z\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl rollout restart deploy/y\nkubectl delete pod x\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl scale deploy/y --replicas=0\n```\n\nScale back to three in the morning.\n",
            "# T\n\n## Diagnosis\n\n```bash\nkubectl scale deploy/y --replicas=0\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl scale x --replicas=1 --dry-run=server\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl scale x\n```\n\n## Rollback\n\nx\n",
        ],
    }

    #[test]
    fn what_stays_in_force_is_named() {
        let text = "# T\n\n## Fix\n\n```bash\nkubectl -n x scale deploy/y --replicas=0\n```\n";
        let found = crate::lint::cases::found(crate::lint::cases::rule("rb103"), text);
        assert!(found.all.iter().all(|d| d.message.starts_with("`kubectl scale` stays in force")), "{:?}", found.all);
        assert_eq!(found.all.len(), 1);
    }

    cases! {
        rb104,
        bad: [
            "# T\n\n## Fix\n\nRestart it.\n" => [(1, 1)],
            "---\ntitle: T\n---\n\n## Fix\n\nRestart it.\n" => [(5, 1)],
        ],
        good: [
            "# T\n\n| **Owner** | x |\n| - | - |\n\n## Fix\n\nRestart it.\n",
            "---\nowner: shop\n---\n# T\n\n## Fix\n\nRestart it.\n",
            "# T\n\n## Fix\n\nRestart it, or call the database on call.\n",
            "# T\n\n## Fix\n\nx\n\n## Contacts\n\ny\n",
            "# T\n\n## Overview\n\nNothing to be done here.\n",
        ],
    }

    cases! {
        rb105,
        bad: ["# Queue is full\n\n## Fix\n\nRestart it.\n" => [(1, 1)]],
        good: [
            "# QueueFull\n\n## Fix\n\nRestart it.\n",
            "# DATABASE RECOVERY\n\nUse when: rows are gone.\n\n## Fix\n\nRestart it.\n",
            "# Queue\n\n## Symptoms\n\nOrders wait.\n\n## Fix\n\nRestart it.\n",
            "# Queue\n\nNothing to be done here.\n",
            "# Key rotation\n\n## Fix\n\nRestart it.\n",
        ],
    }

    cases! {
        rb106,
        bad: [
            "# T\n\n## Fix\n\n### Option A\n\n```bash\nkubectl rollout undo deploy/x\n```\n\n### Option B\n\n```bash\nkubectl rollout restart deploy/x\n```\n" => [(5, 1)],
            "# T\n\n## Fix\n\n```bash\nkubectl rollout undo deploy/x\n\n# Or:\nkubectl rollout restart deploy/x\n```\n" => [(8, 1)],
        ],
        good: [
            "# T\n\n## Fix\n\n### Option A: if it is new\n\n```bash\nkubectl rollout undo deploy/x\n```\n\n### Option B: otherwise\n\n```bash\nkubectl rollout restart deploy/x\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl get pods\n# or\nkubectl get deploy\n```\n",
            "# T\n\n## Fix\n\n```bash\nkubectl rollout undo deploy/x\n# order matters\nkubectl rollout restart deploy/x\n```\n",
        ],
    }

    cases! {
        rb107,
        bad: [
            "# T\n\nFirst **TODO**: write this\n" => [(3, 9)],
            "# T\n\n- a\n- TBD\n\n| x | TODO |\n| - | - |\n| FIXME | y |\n" => [(4, 3), (6, 7), (8, 3)],
            "# TODO\n\nx\n" => [(1, 3)],
            "# T\n\n## Meaning\n\nTo be added.\n" => [(5, 1)],
            "# T\n\n```bash\n# TODO: the command\n```\n" => [(4, 3)],
        ],
        good: [
            "# T\n\nClose every `TODO` and run `grep TODO`. <!-- TODO: a picture -->\n",
            "# T\n\n```bash\ngrep -r TODO .\n```\n\n```bash\n# TODO of the on-call\nls\n```\n",
            "# T\n\nThe TODO list of the on-call; our todo app; a [TODO](x.md).\n",
            "# T\n\nA worker has to be added when the queue grows beyond what two of them can take.\n",
        ],
    }

    cases! {
        rb108,
        bad: [
            "# T\n\n## Mitigation\n\nContact the DBA team.\n" => [(3, 1)],
            "# T\n\n## Resolution\n\n- Escalate to SRE\n- Open a ticket\n\n## Links\n\nx\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n## Mitigation\n\nRestart it. Contact the DBA team.\n",
            "# T\n\n## Mitigation\n\nContact the DBA team.\n\n```bash\nls\n```\n",
            "# T\n\n## Mitigation\n\n- Escalate to SRE\n- Scale it out\n",
            "# T\n\n## Escalation\n\nContact the DBA team.\n",
            "# T\n\n## Mitigation\n\n## Links\n\nx\n",
        ],
    }

    cases! {
        rb109,
        bad: [],
        good: ["# T\n\n## Fix\n\nRestart it.\n"],
    }

    #[test]
    fn a_date_is_missed_where_most_pages_have_one() {
        let dated = |words: &str| format!("# T\n\n{words}\n\n## Fix\n\nRestart it.\n");
        let found = |pages: &[&str]| -> Vec<String> {
            let dir = tempfile::tempdir().expect("a directory");
            let path = |(index, words): (usize, &&str)| {
                let path = dir.path().join(format!("{index}.md"));
                std::fs::write(&path, dated(words)).expect("a page");
                path
            };
            let paths: Vec<_> = pages.iter().enumerate().map(path).collect();
            let all = crate::lint::run(&paths, &Default::default(), &Default::default()).all;
            let of_rule = all.iter().filter(|found| found.code == Some("RB109"));
            of_rule.map(|found| found.source.path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
        };
        let (one, other) = ("Last reviewed: 2026-10-02", "| **Last Updated** | 2026-10-02 |\n| - | - |");
        assert_eq!(found(&[one, "Words.", other, "Words.", one]), ["1.md"], "once");
        assert_eq!(found(&[one, "Words.", "Words."]), [""; 0], "no custom");
        assert_eq!(found(&["---\nlast_reviewed: 2026-10-02\n---", one]), [""; 0]);
    }
}
