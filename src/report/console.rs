//! The observer for people: scrolling lines, and below them a live view where standard error is a terminal. It pauses while a person is
//! asked: the live view is taken away, and lines wait until it is back.

use super::lines::{EventLines, Verbosity};
use super::live::LiveView;
use super::page::Paint;
use crate::locked;
use crate::output::{Live, say};
use crate::record::{Event, Observer, Stamped};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the live view is drawn when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// How a console shows a drill or a game day.
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
    /// Pauses it while a person is asked.
    pub pause: ConsolePause,
}

/// Shows a drill while it runs. The live view is gone when the last event was seen or the console is dropped.
pub struct Console {
    lines: EventLines,
    out: Out,
    pause: ConsolePause,
}

enum Out {
    /// What prints a line.
    Plain(Box<dyn FnMut(&str) + Send>),
    /// With what the drawing thread looks at: what is seen, and since when.
    Live(Live, Arc<Mutex<(LiveView, Instant)>>),
}

impl Console {
    /// A console on standard error.
    pub fn new(options: ConsoleOptions) -> Self {
        if options.live && options.verbosity > Verbosity::Quiet {
            let seen = Arc::new(Mutex::new((LiveView::default(), Instant::now())));
            let (shown, paint) = (seen.clone(), Paint { color: options.color });
            let live = Live::start(TICK, move |lines, columns| {
                let (view, at) = &*locked(&shown);
                view.render(view.record.last_us.plus(at.elapsed()), columns, lines, paint)
            });
            options.pause.lock().live = Some(live.clone());
            return Console::with(options, Out::Live(live, seen));
        }
        // A terminal that went away is no reason to stop a drill half-way.
        Console::with(options, Out::Plain(Box::new(|line: &str| say(&format!("{line}\n")))))
    }

    fn with(options: ConsoleOptions, out: Out) -> Self {
        let ConsoleOptions { verbosity, color, label, pause, .. } = options;
        Console { lines: EventLines::new(verbosity, color, label), out, pause }
    }
}

impl Observer for Console {
    fn on_event(&mut self, event: &Stamped) {
        if self.lines.verbosity == Verbosity::Quiet {
            return;
        }
        if let Out::Live(_, seen) = &self.out {
            let mut seen = locked(seen);
            seen.0.apply(event);
            seen.1 = Instant::now();
        }
        let width = matches!(self.out, Out::Live(..)).then(|| Live::size().1);
        let lines = self.lines.of(event, width);
        // Until they are printed: whoever pauses waits for it.
        let mut held = self.pause.lock();
        if held.paused {
            held.lines.extend(lines);
            return;
        }
        let lines = held.lines.drain(..).chain(lines);
        match &mut self.out {
            Out::Plain(print) => lines.for_each(|line| print(&line)),
            Out::Live(live, _) => {
                lines.for_each(|line| live.say(&line));
                if matches!(event.event, Event::Ended { .. }) {
                    live.end();
                }
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Out::Live(live, _) = &self.out {
            live.end();
        }
    }
}

/// Pauses a console. Clones pause the same one.
#[derive(Debug, Clone, Default)]
pub struct ConsolePause(Arc<Mutex<HeldLines>>);

/// What waits.
#[derive(Debug, Default)]
struct HeldLines {
    /// Whether somebody is asked.
    paused: bool,
    /// Lines that came meanwhile.
    lines: Vec<String>,
    /// The live view.
    live: Option<Live>,
}

impl ConsolePause {
    /// Takes the live view away until what is returned is dropped.
    #[must_use]
    pub fn pause(&self) -> Paused {
        let live = {
            // Whoever prints holds the lock: after this nobody does.
            let mut held = self.lock();
            held.paused = true;
            held.live.clone()
        };
        let view = live.map(|live| {
            let ((resume, resumed), (gone, is_gone)) = (channel::<()>(), channel());
            let away = std::thread::spawn(move || {
                live.suspend(|| {
                    let _ = gone.send(());
                    // Until the other end is dropped.
                    let _ = resumed.recv();
                });
            });
            let _ = is_gone.recv();
            (resume, away)
        });
        Paused { pause: self.clone(), view }
    }

    fn lock(&self) -> MutexGuard<'_, HeldLines> {
        locked(&self.0)
    }
}

/// A console that is paused until this is dropped.
#[derive(Debug)]
pub struct Paused {
    pause: ConsolePause,
    view: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some((resume, away)) = self.view.take() {
            drop(resume);
            let _ = away.join();
        }
        self.pause.lock().paused = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of};

    /// What was printed.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<String>>);

    impl Page {
        fn console(&self, options: ConsoleOptions) -> Console {
            let page = self.clone();
            let print = move |line: &str| *page.0.lock().unwrap() += &format!("{line}\n");
            Console::with(options, Out::Plain(Box::new(print)))
        }

        fn written(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    fn shown(story: Story, options: ConsoleOptions) -> String {
        let page = Page::default();
        let mut console = page.console(options);
        events_of(story).iter().for_each(|event| console.on_event(event));
        page.written()
    }

    fn with(verbosity: Verbosity) -> ConsoleOptions {
        ConsoleOptions { verbosity, ..ConsoleOptions::default() }
    }

    /// One story as a whole; of every one the lines about its verdict and what went wrong that none before it has.
    #[test]
    fn every_story_as_plain_lines() {
        let mut told = String::new();
        for story in Story::ALL {
            let shown = shown(story, with(Verbosity::Normal));
            if story == Story::NotRecovered {
                insta::assert_snapshot!("not_recovered", shown);
            }
            let bad = |line: &&str| [" ✗ ", " ! ", " - ", " verdict "].iter().any(|sign| line.contains(sign));
            let bad: Vec<&str> = shown.lines().filter(bad).collect();
            let is_new = |line: &&&str| !told.lines().any(|seen| seen == **line);
            let new: Vec<&str> = bad.iter().filter(is_new).copied().collect();
            told.push_str(&format!("{story:?}: {}\n{}\n", bad.len(), new.join("\n")));
        }
        insta::assert_snapshot!("what_did_not_go_well", told);
    }

    #[test]
    fn more_and_less() {
        assert_eq!(shown(Story::Passed, with(Verbosity::Quiet)), "");
        insta::assert_snapshot!("verbose", shown(Story::Passed, with(Verbosity::Verbose)));
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
        let Out::Live(_, seen) = &console.out else { panic!("not live") };
        let (view, _) = &*locked(seen);
        assert!(view.record.ended);
        assert!(view.render(view.record.last_us, 80, 40, Paint::default()).contains("db-pool"));
    }

    #[test]
    fn while_a_person_is_asked_lines_wait_and_none_is_lost() {
        let (page, pause) = (Page::default(), ConsolePause::default());
        let options = ConsoleOptions { pause: pause.clone(), ..ConsoleOptions::default() };
        let mut console = page.console(options);
        let events = events_of(Story::Passed);
        let (before, after) = events.split_at(events.len() / 2);
        let paused = pause.pause();
        before.iter().for_each(|event| console.on_event(event));
        assert_eq!(page.written(), "");
        drop(paused);
        after.iter().for_each(|event| console.on_event(event));
        assert_eq!(page.written(), shown(Story::Passed, ConsoleOptions::default()));
    }

    #[test]
    fn a_live_view_is_away_while_a_person_is_asked_and_nothing_locks_up() {
        let pause = ConsolePause::default();
        let options = ConsoleOptions { live: true, pause: pause.clone(), ..ConsoleOptions::default() };
        let mut console = Console::new(options);
        let events = events_of(Story::Passed);
        let (before, after) = events.split_at(events.len() / 2);
        let paused = pause.pause();
        before.iter().for_each(|event| console.on_event(event));
        let held = pause.lock().lines.len();
        assert!(held > 0);
        drop(paused);
        after.iter().for_each(|event| console.on_event(event));
        assert!(pause.lock().lines.is_empty());
        let Out::Live(_, seen) = &console.out else { panic!("not live") };
        assert!(locked(seen).0.record.ended);
    }

    #[test]
    fn flags_say_how_much() {
        assert_eq!(Verbosity::from_flags(true, 0), Verbosity::Quiet);
        assert_eq!(Verbosity::from_flags(false, 0), Verbosity::Normal);
        assert_eq!(Verbosity::from_flags(false, 1), Verbosity::Verbose);
        assert_eq!(Verbosity::from_flags(false, 9), Verbosity::Verbose);
        assert!(Verbosity::Quiet < Verbosity::Normal && Verbosity::Normal < Verbosity::Verbose);
    }
}
