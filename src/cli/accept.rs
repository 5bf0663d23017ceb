//! `firedrill accept`: a person decides how the commands of a runbook that change something are followed, one after the other,
//! and the decisions are written into the reading beside it.

use super::ask::{Terminal, answer};
use crate::error::{Error, Exit};
use crate::lint::{self, Config};
use crate::output::{print, say, stderr_is_terminal, visible};
use crate::record::write_atomic;
use crate::report::many;
use crate::runbook::{
    self, Accepted, Command, Decision, DecisionState, Do, Matched, Reading, Runbook, RunbookPhase, doubt, path_of,
    places, proposal, written_reading,
};
use crate::source::{Diagnostics, Source, beginning, render, tidy};
use crate::spec;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Lines of the runbook that are shown above a command.
const ABOVE: usize = 6;
/// Lines that are shown below it.
const BELOW: usize = 2;
/// Longest time that Git may take to say who somebody is.
const GIT: Duration = Duration::from_secs(10);

/// Decides how the commands of runbooks that change something are followed: at a terminal one after the other. The decisions are kept
/// in a reading beside each runbook (`db-pool.reading.yaml`), to be reviewed like code.
#[derive(Debug, clap::Args)]
pub struct AcceptArgs {
    /// Runbooks, and folders of them; the project's `runbooks/` when none is named.
    #[arg(value_name = "RUNBOOK")]
    paths: Vec<PathBuf>,
    /// Take every proposal, ask nobody: what is open or has drifted stays so. Prints both.
    #[arg(long, conflicts_with = "check")]
    proposed: bool,
    /// Ask also about what is decided.
    #[arg(long, conflicts_with_all = ["check", "proposed"])]
    again: bool,
    /// Write nothing; exit with 1 when something is open or has drifted, or decides about nothing.
    #[arg(long)]
    check: bool,
    /// Remove decisions about commands that are no longer there.
    #[arg(long, conflicts_with = "check")]
    prune: bool,
    /// Who decides [default: `user.email` of Git, or `user.name`].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// A runbook with its decisions.
struct Page {
    runbook: Runbook,
    accepted: Option<Arc<Accepted>>,
    matched: Matched,
    /// The text of its reading as it was read, or written last.
    written: RefCell<Option<String>>,
}

impl Page {
    fn decisions(&self) -> &[Decision] {
        self.accepted.as_ref().map_or(&[], |accepted| &accepted.decisions)
    }

    fn path(&self) -> &Path {
        &self.runbook.source.path
    }

    /// The commands that this is about, in the order of the text.
    fn commands(&self) -> Vec<Case<'_>> {
        let mut cases: Vec<Case<'_>> = Vec::new();
        for (step, index, state) in &self.matched.commands {
            let Some((of, command)) = self.runbook.steps.get(*step).zip(self.runbook.command(*step, *index)) else {
                continue;
            };
            let settings = of.settings(command.block);
            // Those that an annotation decides about, and those that nobody follows, are no questions.
            let chosen = settings.choose == Some(true) && command.unread.is_none();
            let asked = matches!(state, DecisionState::Open) && (settings.skip.is_some() || chosen);
            if !asked && is_followed(of.phase) {
                let before = state.decision().and_then(|at| self.decisions().get(at));
                cases.push(Case {
                    phase: of.phase,
                    block: (*step, command.block),
                    command,
                    state: state.clone(),
                    before,
                });
            }
        }
        cases.sort_by_key(|case| (case.command.line, case.command.column));
        cases
    }
}

/// One command that somebody must have decided about.
struct Case<'a> {
    phase: RunbookPhase,
    /// Step and block.
    block: (usize, usize),
    command: &'a Command,
    state: DecisionState,
    /// What was decided about it, or about what stood there.
    before: Option<&'a Decision>,
}

impl Case<'_> {
    fn is_decided(&self) -> bool {
        matches!(self.state, DecisionState::Decided(_))
    }

    /// The command on one line, as far as it has no line ends of its own.
    fn first_line(&self) -> String {
        let mut whole = String::new();
        for line in self.command.text.lines() {
            whole.push_str(line.trim());
            match whole.strip_suffix('\\') {
                Some(kept) => whole = kept.to_string(),
                None => break,
            }
        }
        visible(&whole)
    }

    /// Why it is a question.
    fn why(&self) -> String {
        match (&self.state, self.before) {
            (DecisionState::ContextChanged(_), Some(before)) => {
                format!("the text around it has changed since {}", before.on)
            }
            (DecisionState::CommandChanged(_), Some(before)) => format!("it has changed since {}", before.on),
            (DecisionState::Ambiguous(_), _) => self.command.handling.why().to_string(),
            _ => doubt(self.command).unwrap_or_else(|| match proposal(self.command, self.phase) {
                Some(_) => "nobody has accepted it".into(),
                None => format!("no drill follows the phase `{}` unless its scenario says so", self.phase.name()),
            }),
        }
    }

    /// What has changed, as lines of a diff.
    fn diff(&self) -> String {
        let mut out = String::new();
        let Some(before) = self.before.filter(|_| !self.is_decided()) else { return out };
        let _ = writeln!(out, "    it was: {}, by {}", visible(&before.decided.text()), visible(&before.by));
        let now = Decision::about(self.command, before.decided.clone(), &before.by, &before.on);
        for (old, new) in [(&before.at, &now.at), (&before.under, &now.under), (&before.command, &now.command)] {
            if old != new {
                old.lines().for_each(|line| out.push_str(&format!("    - {}\n", visible(line))));
                new.lines().for_each(|line| out.push_str(&format!("    + {}\n", visible(line))));
            }
        }
        out
    }
}

/// Whether the steps of a phase can be followed: a scenario selects none of the others by itself.
fn is_followed(phase: RunbookPhase) -> bool {
    !matches!(phase, RunbookPhase::Escalate | RunbookPhase::Reference)
}

/// Runs the command.
pub async fn run(args: AcceptArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let pages = pages(&args.paths, globals)?;
    if args.check {
        return check(&pages, &args.paths, globals);
    }
    let terminal = Terminal::new(true, "").is_present();
    if !args.proposed && !args.prune && !terminal {
        return Err(Error::usage("there is nobody to ask: `accept` needs a terminal")
            .hint("take the proposals with `--proposed`, or look at what is open with `--check`"));
    }
    if args.prune && !args.proposed {
        return prune(&pages);
    }
    let by = match args.by {
        Some(by) if !by.trim().is_empty() => by,
        _ => identity(&globals.project).await?,
    };
    let today = today();
    let mut open = 0;
    for page in &pages {
        let decided = match args.proposed {
            true => propose(page, &by, &today)?,
            false => match ask(page, (&by, &today), args.again, globals).await {
                Asked::Done(decided) => decided,
                Asked::Quit(decided) => {
                    save(page, &decided, args.prune)?;
                    return Ok(Exit::Passed);
                }
            },
        };
        let left = |(number, case): (usize, &Case<'_>)| !case.is_decided() && !decided.contains_key(&number);
        open += page.commands().iter().enumerate().filter(|one| left(*one)).count();
        save(page, &decided, args.prune)?;
    }
    if !globals.quiet {
        let left = if open == 0 { "nothing is open".to_string() } else { format!("{} open", many(open, "decision")) };
        say(&format!("{}: {left}\n", many(pages.len(), "runbook")));
    }
    Ok(Exit::Passed)
}

/// Asks about one runbook, where a drill is to follow it.
pub(super) async fn offer(runbook: &Path, globals: &super::Globals) -> Result<(), Error> {
    let pages = pages(&[runbook.to_path_buf()], globals)?;
    let by = identity(&globals.project).await?;
    for page in &pages {
        let (Asked::Done(decided) | Asked::Quit(decided)) = ask(page, (&by, &today()), false, globals).await;
        save(page, &decided, false)?;
    }
    Ok(())
}

/// The reading of a runbook that is written just now: all of it is accepted by whoever has it written.
pub(super) fn all(path: &Path, text: &str, by: &str) -> Result<(PathBuf, String), Error> {
    let source = Source::new(path, text);
    let runbook = runbook::parse(&source, &mut Diagnostics::default());
    let stand = runbook.iter().flat_map(|runbook| {
        let stand = runbook.match_decisions(None).commands.into_iter();
        stand.filter_map(|(step, index, _)| runbook.command(step, index))
    });
    let decisions: Vec<Decision> = stand.map(|command| Decision::about(command, Do::Run, by, &today())).collect();
    let written = written_reading(path, &decisions, None)
        .map_err(|error| Error::harness(format!("writing the reading: {error}")))?;
    Ok((places(path).into_iter().next().unwrap_or_else(|| path_of(path)), written))
}

fn today() -> String {
    crate::record::utc_now().date().to_string()
}

/// Reads the runbooks, with the languages that scenarios give a client.
fn pages(paths: &[PathBuf], globals: &super::Globals) -> Result<Vec<Page>, Error> {
    let paths = if paths.is_empty() { vec![tidy(&globals.project.join("runbooks"))] } else { paths.to_vec() };
    let named = paths.iter().map(|path| match path.exists() {
        true => Ok(path.clone()),
        // The name of a file in `runbooks/`.
        false => super::show::read(path, &globals.project).map(|source| source.path.clone()),
    });
    let paths: Vec<PathBuf> = named.collect::<Result<_, Error>>()?;
    let files = lint::collect(&paths, &globals.project, &Config::default())
        .map_err(|error| Error::usage(error.to_string()).hint("name files or folders of runbooks"))?;
    let clients = clients(globals);
    let mut diags = Diagnostics::default();
    let mut pages = Vec::new();
    for file in files {
        let source = match Source::read(&file) {
            Ok(source) => source,
            Err(error) => {
                error.report("the runbook", None, &mut diags);
                continue;
            }
        };
        let clients = file.canonicalize().ok().and_then(|whole| clients.get(&whole).cloned()).unwrap_or_default();
        let reading = Reading { clients, bridged: true };
        let mut of_page = Diagnostics::default();
        let mut runbook = runbook::parse_with(&source, &reading, &mut of_page);
        if let Some(runbook) = &mut runbook {
            runbook.decide(&BTreeMap::new(), &mut of_page);
        }
        of_page.all.retain(|diag| diag.level == crate::source::Level::Error);
        diags.all.append(&mut of_page.all);
        pages.extend(runbook.map(|runbook| {
            let accepted = runbook.accepted.clone();
            let matched = runbook.match_decisions(accepted.as_deref());
            let written = RefCell::new(accepted.as_ref().map(|accepted| accepted.source.text.clone()));
            Page { runbook, accepted, matched, written }
        }));
    }
    if diags.has_errors() {
        let text = render(&diags, globals.color());
        return Err(Error::usage(format!("a runbook or its reading has mistakes, and nothing was written\n{text}")));
    }
    Ok(pages)
}

/// Which languages the project's scenarios give a client, for each runbook.
fn clients(globals: &super::Globals) -> BTreeMap<PathBuf, BTreeSet<String>> {
    let mut found: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for scenario in spec::project_scenarios(&globals.project) {
        let Some((runbook, clients)) = spec::clients_of(&scenario) else { continue };
        if let Ok(whole) = runbook.canonicalize() {
            found.entry(whole).or_default().extend(clients);
        }
    }
    found
}

/// Who decides, as Git knows them.
pub(super) async fn identity(project: &Path) -> Result<String, Error> {
    for key in ["user.email", "user.name"] {
        let mut git = crate::process::git(project);
        git.args(["config", "--get", key]);
        let said = crate::process::output(git, GIT).await.ok().filter(|output| output.status.success());
        let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            return Ok(said);
        }
    }
    Err(Error::usage("who decides is not known: Git has no `user.email` here").hint("say it with `--by NAME`"))
}

/// Says what is open, what has drifted, and which decisions are about nothing.
fn check(pages: &[Page], paths: &[PathBuf], globals: &super::Globals) -> Result<Exit, Error> {
    let mut out = String::new();
    let mut found = 0;
    let mut decided = 0;
    for page in pages {
        let path = page.path().display();
        for case in page.commands() {
            if case.is_decided() {
                decided += 1;
                continue;
            }
            found += 1;
            let word = if case.before.is_some() { "drifted" } else { "open" };
            let Command { line, column, .. } = case.command;
            let what = match case.command.unread {
                Some(unread) if case.command.effect().because.is_empty() => unread.text().to_string(),
                _ => case.command.effect().because,
            };
            let _ = writeln!(
                out,
                "{path}:{line}:{column}: {word}: `{}`: {} ({})",
                case.first_line(),
                case.why(),
                visible(&what)
            );
            out.push_str(&case.diff());
        }
        for decision in page.matched.stale.iter().filter_map(|at| page.decisions().get(*at)) {
            let Some(accepted) = &page.accepted else { continue };
            found += 1;
            let at = accepted.source.pos(decision.span.start);
            let command = visible(decision.command.lines().next().unwrap_or_default());
            let reading = accepted.source.path.display();
            let _ = writeln!(out, "{reading}:{}:{}: stale: `{command}` is no longer in {path}", at.line, at.column);
        }
    }
    for reading in orphans(paths, globals) {
        found += 1;
        let _ = writeln!(out, "{}:1:1: stale: this reading has no runbook", reading.display());
    }
    print(&out)?;
    if !globals.quiet {
        let told = format!("{} in {}, {found} to look at", many(decided, "decision"), many(pages.len(), "runbook"));
        say(&format!("{told}\n"));
    }
    Ok(if found > 0 { Exit::Failed } else { Exit::Passed })
}

/// Readings whose runbook is not there, in the folders that were named and in `readings/`.
fn orphans(paths: &[PathBuf], globals: &super::Globals) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = match paths.is_empty() {
        true => vec![globals.project.join("runbooks"), globals.project.join("readings")],
        false => paths.iter().filter(|path| path.is_dir()).cloned().collect(),
    };
    let mut found = Vec::new();
    let mut left = 10_000_usize;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            left = left.saturating_sub(1);
            let (path, is_dir) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
            if is_dir && left > 0 {
                folders.push(path);
                continue;
            }
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some(stem) = name.strip_suffix(".reading.yaml") {
                // What lies below `readings/` is about the same path without it.
                let above: PathBuf = path.components().filter(|part| part.as_os_str() != "readings").collect();
                let there = |path: &Path, end: &str| path.with_file_name(format!("{stem}.{end}")).exists();
                let runbook = ["md", "markdown"].iter().any(|end| there(&path, end) || there(&above, end));
                if !runbook {
                    found.push(tidy(&path));
                }
            }
        }
    }
    found.sort();
    found
}

fn prune(pages: &[Page]) -> Result<Exit, Error> {
    for page in pages.iter().filter(|page| !page.matched.stale.is_empty()) {
        save(page, &BTreeMap::new(), true)?;
        say(&format!("{}: {} removed\n", page.path().display(), many(page.matched.stale.len(), "decision")));
    }
    Ok(Exit::Passed)
}

/// What is decided about commands, by their number among those of [`Page::commands`].
type Decided = BTreeMap<usize, Decision>;

/// Takes every proposal for what nobody has decided about; what has drifted is a person's to look at.
fn propose(page: &Page, by: &str, today: &str) -> Result<Decided, Error> {
    let mut decided = Decided::new();
    let mut out = String::new();
    let path = page.path().display();
    for (number, case) in page.commands().iter().enumerate().filter(|(_, case)| !case.is_decided()) {
        let line = case.command.line;
        let proposed = proposal(case.command, case.phase).filter(|_| case.before.is_none());
        match proposed {
            Some(proposed) => {
                let _ = writeln!(out, "{path}:{line}: {}: {}", proposed.text(), case.first_line());
                decided.insert(number, Decision::about(case.command, proposed, by, today));
            }
            None => {
                let _ = writeln!(out, "{path}:{line}: open: {} ({})", case.first_line(), case.why());
            }
        }
    }
    print(&out)?;
    Ok(decided)
}

/// How asking ended.
enum Asked {
    /// Every question was asked.
    Done(Decided),
    /// The person went away; what was decided is kept.
    Quit(Decided),
}

/// What a person answered.
enum Answer {
    Decide(Do),
    /// The same for the rest of the block.
    Rest,
    Leave,
    Back,
    Quit,
    Unclear,
}

/// Asks about what is open, or `again` about everything; `by` is who decides, and when.
async fn ask(page: &Page, (by, today): (&str, &str), again: bool, globals: &super::Globals) -> Asked {
    let cases = page.commands();
    let open: Vec<usize> =
        (0..cases.len()).filter(|at| cases.get(*at).is_some_and(|case| again || !case.is_decided())).collect();
    let mut decided = Decided::new();
    if open.is_empty() {
        let count = many(cases.len(), "command");
        say(&format!("{}: nothing is open ({count} decided)\n", page.path().display()));
        return Asked::Done(decided);
    }
    let mut at = 0;
    let mut last: Option<((usize, usize), Do)> = None;
    while let Some((number, case)) = open.get(at).and_then(|number| Some((*number, cases.get(*number)?))) {
        let proposed = proposal(case.command, case.phase).filter(|_| case.before.is_none());
        say(&question(page, case, (at + 1, open.len()), proposed.as_ref(), globals));
        let Some(said) = answer("  > ".to_string(), false).await else { return Asked::Quit(decided) };
        let answer = match understood(&said, proposed.as_ref()) {
            // Of a choice it is asked what it is called.
            None => choice(page, &decided).await,
            Some(answer) => answer,
        };
        match answer {
            Answer::Decide(decision) => {
                decided.insert(number, Decision::about(case.command, decision.clone(), by, today));
                // Whatever ends this, what was decided is kept.
                if let Err(error) = save(page, &decided, false) {
                    say(&format!("{error}\n"));
                }
                last = Some((case.block, decision));
                at += 1;
            }
            Answer::Rest => match last.as_ref().filter(|(block, _)| *block == case.block) {
                Some((_, Do::Way { .. })) => say("  a way is decided for each command: `w`\n"),
                Some((_, decision)) => {
                    let here = |number: &usize| cases.get(*number).is_some_and(|other| other.block == case.block);
                    while let Some(number) = open.get(at).filter(|number| here(number)) {
                        if let Some(case) = cases.get(*number) {
                            decided.insert(*number, Decision::about(case.command, decision.clone(), by, today));
                        }
                        at += 1;
                    }
                }
                None => say("  nothing was decided in this block yet\n"),
            },
            Answer::Leave => at += 1,
            Answer::Back => {
                at = at.saturating_sub(1);
                last = None;
                open.get(at).map(|number| decided.remove(number));
            }
            Answer::Quit => return Asked::Quit(decided),
            Answer::Unclear => say("  r, s, p, w, a, o, b or q; a way is written as `backend: postgres`\n"),
        }
    }
    Asked::Done(decided)
}

/// What a key means; `None` asks for a choice.
fn understood(said: &str, proposed: Option<&Do>) -> Option<Answer> {
    Some(match said.trim() {
        "" => proposed.map_or(Answer::Unclear, |proposed| Answer::Decide(proposed.clone())),
        "r" | "run" => Answer::Decide(Do::Run),
        "s" | "skip" => Answer::Decide(Do::Skip),
        "p" | "person" => Answer::Decide(Do::Person),
        "w" | "way" => return None,
        "a" | "all" => Answer::Rest,
        "o" | "open" => Answer::Leave,
        "b" | "back" => Answer::Back,
        "q" | "quit" => Answer::Quit,
        _ => Answer::Unclear,
    })
}

async fn choice(page: &Page, decided: &Decided) -> Answer {
    let known: BTreeSet<String> = page
        .decisions()
        .iter()
        .chain(decided.values())
        .filter_map(|decision| match &decision.decided {
            Do::Way { choice, way } => Some(format!("{choice}: {way}")),
            _ => None,
        })
        .collect();
    if !known.is_empty() {
        say(&format!("  there is {}\n", known.iter().map(|way| visible(way)).collect::<Vec<_>>().join(", ")));
    }
    let said =
        answer("  which choice is it, and which of its ways is this? (backend: postgres) ".to_string(), false).await;
    let said = said.unwrap_or_default();
    match said.split_once(':').map(|(choice, way)| (choice.trim(), way.trim())) {
        Some((choice, way)) if !choice.is_empty() && !way.is_empty() => {
            Answer::Decide(Do::Way { choice: choice.to_string(), way: way.to_string() })
        }
        _ => Answer::Unclear,
    }
}

/// What is asked: the lines of the runbook with the command marked, what governs it, what it does and how that is known, and the
/// proposal.
fn question(
    page: &Page,
    case: &Case<'_>,
    (number, of): (usize, usize),
    proposed: Option<&Do>,
    globals: &super::Globals,
) -> String {
    let color = globals.may_color() && stderr_is_terminal();
    let bold = |text: &str| if color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_string() };
    let Command { line, governs, text, .. } = case.command;
    let mut out = format!("\n{}\n", bold(&format!("{number} of {of}  {}:{line}", page.path().display())));
    if !governs.headings.is_empty() {
        let _ = writeln!(out, "  under {}", visible(&governs.path()));
    }
    let height = text.lines().count().max(1);
    let lines: Vec<&str> = page.runbook.source.text.lines().collect();
    let from = line.saturating_sub(ABOVE + 1);
    for (at, written) in lines.iter().enumerate().take(line + height - 1 + BELOW).skip(from) {
        let own = (*line..line + height).contains(&(at + 1));
        let shown = format!("{:>5} {} {}", at + 1, if own { ">" } else { " " }, visible(written));
        let _ = writeln!(out, "{}", if own { bold(&shown) } else { shown });
    }
    match case.before {
        Some(before) if case.is_decided() => {
            let _ = writeln!(
                out,
                "  decided: {}, by {} on {}",
                visible(&before.decided.text()),
                visible(&before.by),
                before.on
            );
        }
        Some(_) => {
            let _ = writeln!(out, "  {}:", case.why());
            out.push_str(&case.diff());
        }
        None => {}
    }
    if lines.get(line - 1).is_none_or(|line| Some(line.trim()) != text.lines().next()) {
        let _ = writeln!(out, "  the command: {}", bold(&visible(text)));
    }
    let above = governs.text();
    if !above.is_empty() && lines.get(from..*line).is_none_or(|near| !near.concat().contains(beginning(&above, 40))) {
        let _ = writeln!(out, "  before it: {}", visible(&above.replace('\n', " ")));
    }
    let effect = case.command.effect();
    let what = match effect.kind {
        crate::programs::Kind::Changes => "changes something",
        crate::programs::Kind::Looks => "only looks",
        crate::programs::Kind::Unknown => "may change something",
    };
    let why = if effect.because.is_empty() { String::new() } else { format!(": {}", visible(&effect.because)) };
    let _ = writeln!(out, "  it {what}{why}");
    if let Some(unread) = case.command.unread {
        let _ = writeln!(out, "  is it a command of this runbook? {}; [s] leaves it out", unread.text());
    }
    let _ = match proposed {
        Some(proposed) => writeln!(out, "  proposal: {} (Enter)", bold(&proposed.text())),
        None if case.is_decided() => Ok(()),
        None => writeln!(out, "  no proposal: {}", visible(&case.why())),
    };
    out.push_str("  [r]un  [s]kip  [p]erson  [w]ay of a choice  [a]s before, rest of the block\n");
    out.push_str("  leave it [o]pen  [b]ack  [q]uit and keep\n");
    out
}

/// Writes what was decided to the reading, beside what was decided before; where the folder is not to be written to, below
/// `readings/`.
fn save(page: &Page, decided: &Decided, prune: bool) -> Result<(), Error> {
    let gone = prune && !page.matched.stale.is_empty();
    if decided.is_empty() && !gone {
        return Ok(());
    }
    // Every decision stays, or has its place taken by a new one about the same command.
    let cases = page.commands();
    let number_of = |at: usize| cases.iter().position(|case| case.state.decision() == Some(at));
    let place = |command: &Command| (command.line, command.column);
    let place_of = |at: usize| {
        let found = page.matched.commands.iter().find(|(_, _, state)| state.decision() == Some(at));
        found.and_then(|(step, index, _)| page.runbook.command(*step, *index)).map_or((usize::MAX, 0), place)
    };
    let kept = page.decisions().iter().enumerate().filter(|(at, _)| !(prune && page.matched.stale.contains(at)));
    let kept = kept.map(|(at, old)| {
        let new = number_of(at).and_then(|number| decided.get(&number));
        (place_of(at), new.unwrap_or(old).clone())
    });
    let mut all: Vec<((usize, usize), Decision)> = kept.collect();
    all.extend(decided.iter().filter_map(|(number, new)| {
        let case = cases.get(*number).filter(|case| case.before.is_none())?;
        Some((place(case.command), new.clone()))
    }));
    all.sort_by_key(|(at, _)| *at);
    let all: Vec<Decision> = all.into_iter().map(|(_, decision)| decision).collect();
    let text = written_reading(page.path(), &all, page.accepted.as_deref())
        .map_err(|error| Error::harness(format!("writing the reading: {error}")))?;
    let path = path_of(page.path());
    let there = std::fs::read_to_string(&path).ok();
    if there != *page.written.borrow() {
        return Err(Error::usage(format!("{} was changed by somebody else meanwhile", path.display()))
            .hint("nothing of it was overwritten: run `firedrill accept` again"));
    }
    let written = write_atomic(&path, text.as_bytes()).or_else(|error| {
        let elsewhere = places(page.path()).pop().filter(|other| *other != path && !path.exists());
        elsewhere.map_or(Err(error), |other| write_atomic(&other, text.as_bytes()))
    });
    written.map_err(|error| {
        Error::harness(format!("{} cannot be written: {error}", path.display()))
            .hint("make the folder writable, or make a folder `readings` at the top of the project")
    })?;
    page.written.replace(Some(text));
    Ok(())
}
