//! The observer for people: scrolling lines, and below them a live view where standard error is a terminal.

use super::curtain::Curtain;
use super::lines::Lines;
use super::live::View;
use super::paint::Paint;
use crate::record::{DrillTime, Observer, Stamped};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the live view is drawn when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// How much is said while a drill runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing: only the summary at the end.
    Quiet,
    /// What matters.
    #[default]
    Normal,
    /// The output of every command, waits, clocks.
    Verbose,
    /// Every event.
    Debug,
}

impl Verbosity {
    /// From `-q` and the number of `-v`.
    pub fn from_flags(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, 1) => Verbosity::Verbose,
            (false, _) => Verbosity::Debug,
        }
    }
}

/// How the console shows a drill.
#[derive(Debug, Clone, Default)]
pub struct ConsoleOptions {
    /// How much is said.
    pub verbosity: Verbosity,
    /// Whether to use colours.
    pub color: bool,
    /// Whether standard error is a terminal on which a live view can be drawn.
    pub live: bool,
    /// Stands before every line, to tell drills apart that run side by side.
    pub label: Option<String>,
    /// Down while a person is asked.
    pub curtain: Curtain,
}

/// Shows a drill while it runs. The live view is gone when the last event was seen or the console is dropped.
pub struct Console {
    verbosity: Verbosity,
    lines: Lines,
    out: Out,
    curtain: Curtain,
}

enum Out {
    Plain(Box<dyn Write + Send>),
    Live { bar: ProgressBar, live: Live },
}

/// What the drawing thread looks at.
#[derive(Clone)]
struct Live {
    seen: Arc<Mutex<(View, Instant)>>,
    term: Term,
    paint: Paint,
}

impl Console {
    /// A console on standard error.
    pub fn new(options: ConsoleOptions) -> Self {
        if options.live && options.verbosity > Verbosity::Quiet {
            let (bar, live) = Live::start(options.color);
            options.curtain.cover(&bar);
            return Console::with(options, Out::Live { bar, live });
        }
        Console::with_writer(options, Box::new(std::io::stderr()))
    }

    /// A console that writes plain lines somewhere else.
    pub fn with_writer(options: ConsoleOptions, out: Box<dyn Write + Send>) -> Self {
        Console::with(options, Out::Plain(out))
    }

    fn with(options: ConsoleOptions, out: Out) -> Self {
        let lines = Lines::new(options.verbosity, options.color, options.label);
        Console { verbosity: options.verbosity, lines, out, curtain: options.curtain }
    }
}

impl Live {
    fn start(color: bool) -> (ProgressBar, Live) {
        let seen = Arc::new(Mutex::new((View::default(), Instant::now())));
        let live = Live { seen, term: Term::stderr(), paint: Paint { color } };
        let view = live.clone();
        // The template is fixed and valid; the default style would only look different.
        let style = ProgressStyle::with_template("{view}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key("view", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            // Writing to the line that is being built cannot fail.
            let _ = out.write_str(&view.render());
        });
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        bar.enable_steady_tick(TICK);
        (bar, live)
    }

    fn render(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (view, at) = &*seen;
        let now = DrillTime(view.last.0).plus(at.elapsed());
        let (height, _) = self.term.size();
        view.render(now, self.columns(), usize::from(height).saturating_sub(1), self.paint)
    }

    /// One column less than there is: some terminals wrap a full line.
    fn columns(&self) -> usize {
        usize::from(self.term.size().1).saturating_sub(1)
    }

    /// Takes note of an event; returns whether it was the last.
    fn apply(&self, event: &Stamped) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.apply(event);
        seen.1 = Instant::now();
        seen.0.ended
    }
}

impl Observer for Console {
    fn on_event(&mut self, event: &Stamped) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let width = match &self.out {
            Out::Plain(_) => None,
            Out::Live { live, .. } => Some(live.columns()),
        };
        let lines = self.lines.of(event, width);
        // Until they are printed: whoever lowers the curtain waits for it.
        let mut held = self.curtain.lock();
        if held.down {
            held.lines.extend(lines);
            if let Out::Live { live, .. } = &self.out {
                live.apply(event);
            }
            return;
        }
        let lines = held.lines.drain(..).chain(lines);
        match &mut self.out {
            Out::Plain(out) => {
                for line in lines {
                    // A terminal that went away is no reason to stop a drill half-way.
                    let _ = writeln!(out, "{line}");
                }
                let _ = out.flush();
            }
            Out::Live { bar, live } => {
                let ended = live.apply(event);
                for line in lines {
                    bar.println(line);
                }
                if ended {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Out::Live { bar, .. } = &self.out
            && !bar.is_finished()
        {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of};

    /// A writer that the test keeps a hand on.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn shown(story: Story, options: ConsoleOptions) -> String {
        let page = Page::default();
        let mut console = Console::with_writer(options, Box::new(page.clone()));
        events_of(story).iter().for_each(|event| console.on_event(event));
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    fn with(verbosity: Verbosity) -> ConsoleOptions {
        ConsoleOptions { verbosity, ..ConsoleOptions::default() }
    }

    #[test]
    fn every_story_as_plain_lines() {
        for story in Story::ALL {
            insta::assert_snapshot!(format!("{story:?}"), shown(story, with(Verbosity::Normal)));
        }
    }

    #[test]
    fn more_and_less() {
        assert_eq!(shown(Story::Passed, with(Verbosity::Quiet)), "");
        insta::assert_snapshot!("verbose", shown(Story::Passed, with(Verbosity::Verbose)));
        let every = shown(Story::Passed, with(Verbosity::Debug));
        assert!(every.lines().count() >= events_of(Story::Passed).len(), "every event has a line");
        assert!(every.contains("\"type\":\"slice\""));
    }

    #[test]
    fn a_label_tells_drills_apart_and_colour_adds_nothing_but_colour() {
        let label = ConsoleOptions { label: Some("db-pool".into()), ..ConsoleOptions::default() };
        assert!(shown(Story::Passed, label).lines().all(|line| line.starts_with("db-pool  ")));
        let color = ConsoleOptions { color: true, ..ConsoleOptions::default() };
        let colored = shown(Story::StepFailed, color);
        assert!(colored.contains('\u{1b}'));
        assert_eq!(console::strip_ansi_codes(&colored), shown(Story::StepFailed, ConsoleOptions::default()));
    }

    #[test]
    fn a_live_console_takes_every_event_and_ends() {
        // Standard error of a test is no terminal, so that nothing is drawn; what is tested is that nothing locks up.
        let mut console = Console::new(ConsoleOptions { live: true, ..ConsoleOptions::default() });
        events_of(Story::Passed).iter().for_each(|event| console.on_event(event));
        let Out::Live { bar, live } = &console.out else { panic!("not live") };
        assert!(bar.is_finished());
        assert!(live.render().contains("db-pool"));
    }

    #[test]
    fn while_a_person_is_asked_lines_wait_and_none_is_lost() {
        let (page, curtain) = (Page::default(), Curtain::default());
        let options = ConsoleOptions { curtain: curtain.clone(), ..ConsoleOptions::default() };
        let mut console = Console::with_writer(options, Box::new(page.clone()));
        let events = events_of(Story::Passed);
        let (before, after) = events.split_at(events.len() / 2);
        let written = || String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lowered = curtain.lower();
        before.iter().for_each(|event| console.on_event(event));
        assert_eq!(written(), "");
        drop(lowered);
        after.iter().for_each(|event| console.on_event(event));
        assert_eq!(written(), shown(Story::Passed, ConsoleOptions::default()));
    }

    #[test]
    fn a_live_view_is_away_while_a_person_is_asked_and_nothing_locks_up() {
        let curtain = Curtain::default();
        let options = ConsoleOptions { live: true, curtain: curtain.clone(), ..ConsoleOptions::default() };
        let mut console = Console::new(options);
        let events = events_of(Story::Passed);
        let (before, after) = events.split_at(events.len() / 2);
        let lowered = curtain.lower();
        before.iter().for_each(|event| console.on_event(event));
        let held = curtain.lock().lines.len();
        assert!(held > 0);
        drop(lowered);
        after.iter().for_each(|event| console.on_event(event));
        assert!(curtain.lock().lines.is_empty());
        let Out::Live { bar, .. } = &console.out else { panic!("not live") };
        assert!(bar.is_finished());
    }

    #[test]
    fn flags_say_how_much() {
        assert_eq!(Verbosity::from_flags(true, 0), Verbosity::Quiet);
        assert_eq!(Verbosity::from_flags(false, 0), Verbosity::Normal);
        assert_eq!(Verbosity::from_flags(false, 1), Verbosity::Verbose);
        assert_eq!(Verbosity::from_flags(false, 9), Verbosity::Debug);
        assert!(Verbosity::Quiet < Verbosity::Normal && Verbosity::Verbose < Verbosity::Debug);
    }
}
