//! `firedrill accept`: a person decides how the commands of a runbook that change something are followed, one after the other,
//! and the decisions are written into the reading beside it.

use super::ask::{answer, is_somebody_there};
use super::evidence::{entries, folders};
use crate::error::{Error, Exit};
use crate::lint::{self, Config};
use crate::output::{Live, print, say, visible};
use crate::record::write_atomic;
use crate::report::{Paint, fold, many, wrap};
use crate::runbook::{
    self, Command, Decision, DecisionState, Do, FOLDER, Reviewed, Runbook, RunbookPhase, SUFFIX, doubt, path_of,
    places, proposal, written_reading,
};
use crate::source::{Diagnostics, Source, beginning, render, tidy};
use crate::spec::{self, FollowedRunbook};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Lines of the runbook that are shown above a command.
const ABOVE: usize = 6;
/// Lines that are shown below it.
const BELOW: usize = 2;
/// Columns before what is said of a command.
const ROOM: usize = 8;
/// The answer to what is no answer.
const UNCLEAR: &str = "  r, s, p, w, a, o, b or q; `a` follows a decision in its block that is no way; a way is written as \
                       `backend: postgres`\n";
/// So deep below the folders that are named readings are looked for.
const DEEPEST: usize = 16;
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
    /// Ask also about what is decided, and about phases that no scenario follows.
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
    /// The phases that scenarios of the project select.
    phases: BTreeSet<RunbookPhase>,
    /// The text of its reading as it was read, or written last.
    written: RefCell<Option<String>>,
}

impl Page {
    fn decisions(&self) -> &[Decision] {
        self.runbook.accepted.as_ref().map_or(&[], |accepted| &accepted.decisions)
    }

    fn path(&self) -> &Path {
        &self.runbook.source.path
    }

    /// The commands that somebody is to decide about, or has, in the order of the text: those that an annotation decides about,
    /// and those that nobody follows, are no questions.
    fn cases(&self, all: bool) -> Vec<Reviewed<'_>> {
        let mut cases = self.runbook.review().cases;
        cases.retain(|case| {
            let phase = case.step.phase;
            let is_aside = matches!(phase, RunbookPhase::Escalate | RunbookPhase::Reference);
            let is_followed = all || !is_aside || self.phases.contains(&phase);
            case.state != DecisionState::Open || is_followed && !case.is_skipped() && !case.is_chosen()
        });
        cases
    }
}

/// The command on one line, as far as it has no line ends of its own.
fn first_line(command: &Command) -> String {
    let mut whole = String::new();
    for line in command.text.lines() {
        whole.push_str(line.trim());
        match whole.strip_suffix('\\') {
            Some(kept) => whole = kept.to_string(),
            None => break,
        }
    }
    visible(&whole)
}

/// Why a command is a question.
fn why(case: &Reviewed<'_>) -> String {
    let doubt = doubt(case.command).filter(|_| case.state == DecisionState::Open);
    visible(&doubt.unwrap_or_else(|| case.why()))
}

/// What is proposed where nobody has decided; what has changed since is a person's to look at.
fn proposed(case: &Reviewed<'_>) -> Option<Do> {
    proposal(case.command, case.step.phase).filter(|_| case.decision.is_none())
}

/// What was decided, and what has changed since, line by line.
fn changes(case: &Reviewed<'_>) -> Vec<String> {
    let Some((_, before)) = case.decision.filter(|_| !case.is_decided()) else { return Vec::new() };
    let mut lines = vec![format!("it was: {}, by {}", visible(&before.decided.text()), visible(&before.by))];
    lines.extend(case.changes().iter().map(|(_, how)| visible(how)));
    lines
}

/// Runs the command.
pub async fn run(args: AcceptArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let pages = pages(&args.paths, globals)?;
    if args.check {
        return check(&pages, &args.paths, globals);
    }
    if !args.proposed && !args.prune && !is_somebody_there() {
        return Err(Error::usage("there is nobody to ask: `accept` needs a terminal")
            .hint("take the proposals with `--proposed`, or look at what is open with `--check`"));
    }
    let by = match args.by {
        Some(by) if !by.trim().is_empty() => by,
        _ if args.prune && !args.proposed => String::new(),
        _ => identity(&globals.project).await?,
    };
    let mut open = 0;
    for page in &pages {
        let (decided, quit) = match (args.proposed, args.prune) {
            (true, _) => (propose(page, &by)?, false),
            (false, true) => (Decided::new(), false),
            (false, false) => ask(page, &by, args.again, globals).await,
        };
        save(page, &decided, args.prune)?;
        let stale = if args.prune { page.runbook.review().stale.len() } else { 0 };
        if stale > 0 {
            say(&format!("{}: {} removed\n", page.path().display(), many(stale, "decision")));
        }
        if quit {
            return Ok(Exit::Passed);
        }
        let left = |case: &&Reviewed<'_>| !case.is_decided() && !decided.contains_key(&case.place());
        open += page.cases(false).iter().filter(left).count();
    }
    let left = if open == 0 { "nothing is open".to_string() } else { format!("{} open", many(open, "decision")) };
    globals.tell(&format!("{}: {left}\n", many(pages.len(), "runbook")));
    Ok(Exit::Passed)
}

/// Asks about one runbook, where a drill is to follow these phases of it.
pub(super) async fn offer(runbook: &Path, phases: &[RunbookPhase], globals: &super::Globals) -> Result<(), Error> {
    let by = identity(&globals.project).await?;
    for mut page in pages(&[runbook.to_path_buf()], globals)? {
        page.phases.extend(phases);
        let (decided, _) = ask(&page, &by, false, globals).await;
        save(&page, &decided, false)?;
    }
    Ok(())
}

/// The reading of a runbook that is written just now. No person has decided anything in it, and none is named.
pub(super) fn all(path: &Path, text: &str) -> Result<(PathBuf, String), Error> {
    let source = Source::new(path, text);
    let runbook = runbook::parse(&source, &mut Diagnostics::default());
    let cases = runbook.iter().flat_map(|runbook| runbook.review().cases);
    let by = "firedrill init";
    let decisions: Vec<Decision> = cases.map(|case| Decision::about(case.command, Do::Run, by, &today())).collect();
    let written = written_reading(path, &decisions, None)
        .map_err(|error| Error::harness(format!("writing the reading: {error}")))?;
    Ok((places(path).into_iter().next().unwrap_or_else(|| path_of(path)), written))
}

fn today() -> String {
    crate::record::utc_now().date().to_string()
}

/// Reads the runbooks, with the languages that scenarios give a client.
fn pages(paths: &[PathBuf], globals: &super::Globals) -> Result<Vec<Page>, Error> {
    let usual = tidy(&globals.project.join("runbooks"));
    if paths.is_empty() && !usual.exists() {
        return Err(Error::usage(format!("there is no folder {}", usual.display()))
            .hint("name the runbooks, or the folder in which they are: `firedrill accept docs/runbooks`"));
    }
    let paths = if paths.is_empty() { vec![usual] } else { paths.to_vec() };
    let files = lint::collect(&paths, &globals.project, &Config::default())
        .map_err(|error| Error::usage(error.to_string()).hint("name files or folders of runbooks"))?;
    let followed = followed(globals);
    let mut diags = Diagnostics::default();
    let mut pages = Vec::new();
    for file in files {
        let source = Source::read(&file).map_err(|error| error.report("the runbook", None, &mut diags));
        let Ok(source) = source else { continue };
        let of = file.canonicalize().ok().and_then(|whole| followed.get(&whole).cloned()).unwrap_or_default();
        let mut runbook = runbook::parse_with(&source, &of.clients, &mut diags);
        if let Some(runbook) = &mut runbook {
            runbook.decide(&BTreeMap::new(), &mut diags);
        }
        pages.extend(runbook.map(|runbook| {
            let written = RefCell::new(runbook.accepted.as_ref().map(|accepted| accepted.source.text.clone()));
            Page { runbook, phases: of.phases, written }
        }));
    }
    if diags.has_errors() {
        let text = render(&diags, globals.color());
        return Err(Error::usage(format!("a runbook or its reading has mistakes, and nothing was written\n{text}")));
    }
    Ok(pages)
}

/// What the project's scenarios say about each runbook.
fn followed(globals: &super::Globals) -> BTreeMap<PathBuf, FollowedRunbook> {
    let mut found: BTreeMap<PathBuf, FollowedRunbook> = BTreeMap::new();
    for of in spec::project_scenarios(&globals.project).iter().filter_map(|scenario| spec::followed_by(scenario)) {
        if let Ok(whole) = of.runbook.canonicalize() {
            let known = found.entry(whole).or_default();
            known.clients.extend(of.clients);
            known.phases.extend(of.phases);
        }
    }
    found
}

/// Who decides, as Git knows them.
async fn identity(project: &Path) -> Result<String, Error> {
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
    let (mut found, mut decided) = (0, 0);
    for page in pages {
        let path = page.path().display();
        let (done, open): (Vec<_>, Vec<_>) = page.cases(false).into_iter().partition(Reviewed::is_decided);
        let stale = page.runbook.review().stale;
        decided += done.len();
        found += open.len() + stale.len();
        for case in &open {
            let word = if case.decision.is_some() { "drifted" } else { "open" };
            let Command { line, column, .. } = case.command;
            let effect = case.command.effect();
            let unread = case.command.unread.filter(|_| effect.because.is_empty());
            let what = unread.map_or(effect.because.as_str(), |unread| unread.words());
            let (command, why, what) = (first_line(case.command), why(case), visible(what));
            let _ = writeln!(out, "{path}:{line}:{column}: {word}: `{command}`: {why} ({what})");
            changes(case).iter().for_each(|line| out.push_str(&format!("    {line}\n")));
        }
        for (decision, accepted) in stale.into_iter().zip(page.runbook.accepted.iter().cycle()) {
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
    let (decided, pages) = (many(decided, "decision"), many(pages.len(), "runbook"));
    globals.tell(&format!("{decided} in {pages}, {found} to look at\n"));
    Ok(if found > 0 { Exit::Failed } else { Exit::Passed })
}

/// Readings whose runbook is not there, in the folders that were named and in `readings/`.
fn orphans(paths: &[PathBuf], globals: &super::Globals) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = match paths.is_empty() {
        true => vec![globals.project.join("runbooks"), globals.project.join(FOLDER)],
        false => paths.iter().filter(|path| path.is_dir()).cloned().collect(),
    };
    let is_orphan = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(SUFFIX) else { return false };
        // What lies below `readings/` is about the same path without it.
        let above: PathBuf = path.components().filter(|part| part.as_os_str() != FOLDER).collect();
        let mut named = [".md", ".markdown", ""].into_iter().map(|end| format!("{stem}{end}"));
        !named.any(|name| path.with_file_name(&name).exists() || above.with_file_name(&name).exists())
    };
    let below = named.iter().flat_map(|folder| folders(folder, DEEPEST));
    let readings = named.iter().cloned().chain(below).flat_map(|folder| entries(&folder)).filter(is_orphan);
    let mut found: Vec<PathBuf> = readings.map(|path| tidy(&path)).collect();
    found.sort();
    found
}

/// What is decided about commands, by their places.
type Decided = BTreeMap<(usize, usize), Decision>;

/// Takes every proposal.
fn propose(page: &Page, by: &str) -> Result<Decided, Error> {
    let mut decided = Decided::new();
    let mut out = String::new();
    for case in page.cases(false).iter().filter(|case| !case.is_decided()) {
        let (path, line, command) = (page.path().display(), case.command.line, first_line(case.command));
        let proposed = proposed(case);
        let _ = match &proposed {
            Some(proposed) => writeln!(out, "{path}:{line}: {}: {command}", proposed.text()),
            None => writeln!(out, "{path}:{line}: open: {command} ({})", why(case)),
        };
        // Nobody has looked at it yet.
        let by = format!("{by} (as proposed)");
        decided.extend(proposed.map(|what| (case.place(), Decision::about(case.command, what, &by, &today()))));
    }
    print(&out)?;
    Ok(decided)
}

/// Asks about what is open, or `again` about everything. Also returns whether the person went away.
async fn ask(page: &Page, by: &str, again: bool, globals: &super::Globals) -> (Decided, bool) {
    let all = page.cases(again);
    let open: Vec<&Reviewed<'_>> = all.iter().filter(|case| again || !case.is_decided()).collect();
    let mut decided = Decided::new();
    if open.is_empty() {
        say(&format!("{}: nothing is open ({} decided)\n", page.path().display(), many(all.len(), "command")));
    }
    let mut at = 0;
    let mut last: Option<((usize, usize), Do)> = None;
    while let Some(case) = open.get(at) {
        let proposed = proposed(case);
        let (which, paint) = (format!("{} of {}", at + 1, open.len()), Paint { color: globals.color() });
        say(&question(page, case, &which, proposed.as_ref(), paint));
        let Some(said) = answer("  > ".to_string(), false).await else { return (decided, true) };
        let before = last.clone().filter(|(block, what)| *block == case.block && !matches!(what, Do::Way { .. }));
        let most = if matches!(said.trim(), "a" | "all") { usize::MAX } else { 1 };
        let what = match said.trim() {
            "" => proposed,
            "r" | "run" => Some(Do::Run),
            "s" | "skip" => Some(Do::Skip),
            "p" | "person" => Some(Do::Person),
            "w" | "way" => choice(page, &decided).await,
            "a" | "all" => before.map(|(_, what)| what),
            "q" | "quit" => return (decided, true),
            "o" | "open" => {
                at += 1;
                continue;
            }
            "b" | "back" => {
                (at, last) = (at.saturating_sub(1), None);
                open.get(at).map(|case| decided.remove(&case.place()));
                keep(page, &decided);
                continue;
            }
            _ => None,
        };
        let Some(what) = what else {
            say(UNCLEAR);
            continue;
        };
        let block = case.block;
        for case in open.iter().skip(at).take_while(|case| case.block == block).take(most) {
            decided.insert(case.place(), Decision::about(case.command, what.clone(), by, &today()));
            at += 1;
        }
        last = Some((block, what));
        keep(page, &decided);
    }
    (decided, false)
}

/// Writes what was decided so far, whatever ends the questions.
fn keep(page: &Page, decided: &Decided) {
    if let Err(error) = save(page, decided, false) {
        say(&format!("{error}\n"));
    }
}

/// The choice and the way that a command is, as a person names them.
async fn choice(page: &Page, decided: &Decided) -> Option<Do> {
    let ways = page.decisions().iter().chain(decided.values()).filter(|one| matches!(one.decided, Do::Way { .. }));
    let known: BTreeSet<String> = ways.map(|one| visible(&one.decided.text())).collect();
    if !known.is_empty() {
        say(&format!("  there is {}\n", known.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let question = "  which choice is it, and which of its ways is this? (backend: postgres) ";
    let said = answer(question.to_string(), false).await.unwrap_or_default();
    let (choice, way) = said.split_once(':').map(|(choice, way)| (choice.trim(), way.trim()))?;
    let named = !choice.is_empty() && !way.is_empty();
    named.then(|| Do::Way { choice: choice.to_string(), way: way.to_string() })
}

/// What is asked: what governs the command, the lines of the runbook with it marked, what has changed, what it does and how that is
/// known, and the proposal.
fn question(page: &Page, case: &Reviewed<'_>, which: &str, proposed: Option<&Do>, paint: Paint) -> String {
    let Command { line, governs, text, unread, .. } = case.command;
    let room = Live::size().1.saturating_sub(ROOM);
    let mut out = format!("\n{}\n", paint.bold(&format!("{which}  {}:{line}", page.path().display())));
    // What goes on is indented: no part of a page passes for a line of the question.
    let mut add = |lead: &str, rows: Vec<String>, is_bold: bool| {
        for (at, row) in rows.iter().enumerate() {
            let row = format!("{}{row}", if at == 0 { lead } else { "        " });
            out.push_str(&if is_bold { paint.bold(&row) } else { row });
            out.push('\n');
        }
    };
    let says = |text: String| wrap(&text, room);
    if !governs.headings.is_empty() {
        add("  ", says(format!("under {}", visible(&governs.path()))), false);
    }
    let lines: Vec<&str> = page.runbook.source.text.lines().collect();
    let (height, from) = (text.lines().count().max(1), line.saturating_sub(ABOVE + 1));
    let near = lines.get(from..*line).unwrap_or_default().iter().flat_map(|line| line.split_whitespace());
    let near = near.collect::<Vec<_>>().join(" ");
    for above in governs.before.iter().chain(&governs.under).filter(|above| !near.contains(beginning(above, 40))) {
        add("  ", says(format!("before it: {}", visible(above))), false);
    }
    for (at, written) in lines.iter().enumerate().take(line + height - 1 + BELOW).skip(from) {
        let is_command = (*line..line + height).contains(&(at + 1));
        let lead = format!("{:>5} {} ", at + 1, if is_command { '>' } else { ' ' });
        add(&lead, fold(&visible(&written.replace('\t', "    ")), room), is_command);
    }
    if lines.get(line - 1).is_none_or(|line| Some(line.trim()) != text.lines().next()) {
        add("  ", fold(&format!("the command: {}", visible(text)), room), true);
    }
    match case.decision {
        Some((_, Decision { decided, by, on, .. })) if case.is_decided() => {
            add("  ", says(format!("decided: {}, by {} on {on}", visible(&decided.text()), visible(by))), false);
        }
        Some(_) => {
            add("  ", says(format!("{}:", why(case))), false);
            changes(case).into_iter().for_each(|line| add("    ", fold(&line, room), false));
        }
        None => {}
    }
    let effect = case.command.effect();
    let because = if effect.because.is_empty() { String::new() } else { format!(": {}", visible(&effect.because)) };
    add("  ", says(format!("it {}{because}", effect.kind.words())), false);
    if let Some(unread) = unread {
        add("  ", says(format!("is it a command of this runbook? {}; [s] leaves it out", unread.words())), false);
    }
    match proposed {
        Some(proposed) => add("  ", says(format!("proposal: {} (Enter)", proposed.text())), true),
        None if case.decision.is_some() => {}
        None => add("  ", says(format!("no proposal: {}", why(case))), false),
    }
    out.push_str("  [r]un  [s]kip  [p]erson  [w]ay of a choice  [a]s before, rest of the block\n");
    out.push_str("  leave it [o]pen  [b]ack  [q]uit and keep\n");
    out
}

/// Writes what was decided to the reading, beside what was decided before; where the folder is not to be written to, below
/// `readings/`.
fn save(page: &Page, decided: &Decided, prune: bool) -> Result<(), Error> {
    let review = page.runbook.review();
    let read = page.runbook.accepted.as_ref().map(|accepted| &accepted.source.text);
    let is_untouched = page.written.borrow().as_ref() == read;
    if is_untouched && decided.is_empty() && (!prune || review.stale.is_empty()) {
        return Ok(());
    }
    let all = review.with(decided, page.decisions(), prune);
    let text = written_reading(page.path(), &all, page.runbook.accepted.as_deref())
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
