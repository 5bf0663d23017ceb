//! The runbook beside what happened: on the left what people read, on the right what came of it, step by step. HTML in the
//! runbook is shown as text, pictures become their description, and only links to the web and to mail addresses are links.

use super::super::escape;
use super::super::page::cut;
use super::Room;
use crate::output::{one_line, terminal_lines};
use crate::record::{Announcement, CommandRecord, Record, StepInfo, StepStatus, Verdict};
use crate::view::format::bytes;
use crate::view::{StatusSymbol, StepView, words};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

/// Around a table of the runbook, which scrolls by itself where it is too wide.
const SCROLL: &str = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table of the runbook\">";

/// The runbook of a drill.
pub struct RunbookSection<'a> {
    pub plan: &'a Announcement,
    /// The id where it was shown as a whole before.
    pub before: Option<String>,
    pub parts: Vec<RunbookPart<'a>>,
}

/// A part of a runbook; `says` is HTML.
pub enum RunbookPart<'a> {
    /// A step and what came of it.
    Step(StepPart<'a>),
    /// Headings between steps.
    Between { says: String },
    /// What no step follows.
    Rest { summary: String, says: String },
}

pub struct StepPart<'a> {
    pub view: StepView<'a>,
    pub says: String,
    pub ran: Vec<CommandPart<'a>>,
    /// It went well and did no good: the sign alone would say that nothing is wrong with it.
    pub in_vain: bool,
}

/// A command as it was run.
pub struct CommandPart<'a> {
    pub command: &'a CommandRecord,
    pub text: String,
    /// The first of its lines, where the rest is folded: it stands word for word in the runbook.
    pub first: Option<String>,
    pub bad: bool,
    pub output: Option<OutputPart>,
}

/// What a command wrote.
pub struct OutputPart {
    pub open: bool,
    pub lines: String,
    pub text: String,
    /// How much was left out while the drill ran.
    pub gone: Option<String>,
}

impl<'a> RunbookSection<'a> {
    /// The runbook of a record; `id` is unique in the page.
    pub fn of(record: &'a Record, room: &mut Room<'a>, id: &str) -> Option<RunbookSection<'a>> {
        let plan = record.plan.as_deref()?;
        let text = plan.runbook_text.as_deref();
        if text.is_none() && plan.steps.is_empty() {
            return None;
        }
        // What is not followed is told once for every runbook, however many drills follow it.
        let before = text.and_then(|text| room.shown.get(text).cloned());
        if let (Some(text), None) = (text, &before) {
            room.shown.insert(text, format!("{id}-runbook"));
        }
        let lines: Vec<&str> = text.map(|text| text.lines().collect()).unwrap_or_default();
        let parts = cut_at_steps(plan, &lines).into_iter().filter_map(|(info, text)| match info {
            Some(info) => Some(RunbookPart::Step(step(record, info, &text, room))),
            None if before.is_none() => Some(gap(&text)),
            None => None,
        });
        let parts = parts.collect();
        Some(RunbookSection { plan, before, parts })
    }
}

/// The runbook in the order of its lines, cut where steps begin and end: steps with their text, and what lies between them.
fn cut_at_steps<'a>(plan: &'a Announcement, lines: &[&str]) -> Vec<(Option<&'a StepInfo>, String)> {
    let here = |info: &StepInfo| plan.runbook_file.as_ref().is_none_or(|file| file.path == info.at.path);
    let is_told = |info: &&StepInfo| here(info) && info.at.line <= lines.len();
    let (mut steps, elsewhere): (Vec<&StepInfo>, Vec<&StepInfo>) = plan.steps.iter().partition(is_told);
    steps.sort_by_key(|info| info.at.line);
    let mut parts = Vec::new();
    let mut next = 1;
    for (at, info) in steps.iter().copied().enumerate() {
        let following = steps.get(at + 1).map_or(lines.len() + 1, |following| following.at.line);
        let begin = info.at.line.max(next);
        parts.extend(piece(lines, next, begin).map(|text| (None, text)));
        let end = if info.end_line >= begin { info.end_line + 1 } else { following };
        let end = end.min(following.max(begin + 1)).min(lines.len() + 1);
        parts.push((Some(info), piece(lines, begin, end).unwrap_or_default()));
        next = end.max(begin);
    }
    parts.extend(piece(lines, next, lines.len() + 1).map(|text| (None, text)));
    parts.extend(elsewhere.into_iter().map(|info| (Some(info), String::new())));
    parts
}

/// The lines from `from` to before `to`, counted from 1, moved left as far as the first of them is indented.
fn piece(lines: &[&str], from: usize, to: usize) -> Option<String> {
    let lines = lines.get(from.saturating_sub(1)..to.saturating_sub(1).max(from.saturating_sub(1)))?;
    let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let indent = spaces(lines.iter().find(|line| !line.trim().is_empty())?);
    let moved = lines.iter().map(|line| line.get(spaces(line).min(indent)..).unwrap_or_default());
    Some(moved.collect::<Vec<_>>().join("\n"))
}

/// What lies between the steps.
fn gap<'a>(text: &str) -> RunbookPart<'a> {
    let told: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let headings: Vec<&str> = told.iter().copied().filter(|line| line.starts_with('#')).collect();
    let says = markdown(text);
    if headings.len() == told.len() {
        return RunbookPart::Between { says };
    }
    let names: Vec<String> = headings.iter().map(|line| one_line(line.trim_start_matches(['#', ' ']))).collect();
    let names = if names.is_empty() { String::new() } else { format!(": {}", cut(&names.join(", "), 120)) };
    RunbookPart::Rest { summary: format!("not part of this drill{names} ({})", words::many(told.len(), "line")), says }
}

fn step<'a>(record: &'a Record, info: &'a StepInfo, text: &str, room: &Room<'_>) -> StepPart<'a> {
    let view = StepView::of(record, info);
    let (ran, symbol) = (view.ran, view.symbol);
    let status = ran.and_then(|step| step.status);
    StepPart {
        view,
        says: markdown(text),
        ran: ran.iter().flat_map(|step| &step.commands).map(|c| CommandPart::of(c, status, text, room)).collect(),
        in_vain: record.verdict == Verdict::NotRecovered && info.phase == "mitigate" && symbol == StatusSymbol::Good,
    }
}

impl<'a> CommandPart<'a> {
    /// A command of a step that ended so. A long command that went well and stands word for word in `beside` is folded.
    pub fn of(
        command: &'a CommandRecord,
        status: Option<StepStatus>,
        beside: &str,
        room: &Room<'_>,
    ) -> CommandPart<'a> {
        let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let bad = command.exit != Some(0) || command.timed_out;
        let long = !bad && command.text.lines().count() > 2 && squeezed(beside).contains(&squeezed(&command.text));
        let output = terminal_lines(&command.output.text()).join("\n");
        let gone = command.output.omitted.saturating_add(command.omitted);
        CommandPart {
            command,
            text: bounded(&command.text, 2_000),
            first: command.text.lines().next().filter(|_| long).map(|first| cut(&one_line(first), 60)),
            bad,
            output: (!output.trim().is_empty()).then(|| OutputPart {
                open: bad && matches!(status, Some(StepStatus::Failed | StepStatus::Warned) | None),
                lines: words::many(output.lines().count(), "line"),
                text: bounded(&output, room.output),
                gone: (gone > 0).then(|| bytes(gone)),
            }),
        }
    }
}

/// The beginning and the end of a long text; what lies between is in the record.
fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_string();
    }
    let boundary = |from: usize| (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let (head, tail) = (boundary(most / 3), boundary(text.len() - most * 2 / 3));
    let (begin, end) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
    format!("{begin}\n… {} bytes more in record.json …\n{end}", tail - head)
}

/// A piece of Markdown as HTML. What pulldown-cmark would write as it is (HTML, links, pictures) is written here, escaped; headings
/// are all of one level, so that those of the page stay in order.
pub(super) fn markdown(text: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_GFM | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut comment = false;
    let mut events = Vec::new();
    for event in Parser::new_ext(text, options) {
        let ours = |html: &str| Event::InlineHtml(CowStr::from(html.to_string()));
        let event = match event {
            Event::Text(text) | Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                ours(&escape::html(&text))
            }
            Event::Code(text) => ours(&format!("<code>{}</code>", escape::html(&text))),
            Event::Html(html) | Event::InlineHtml(html) => ours(&html_as_text(&html, &mut comment)),
            Event::TaskListMarker(done) => ours(if done { "☑ " } else { "☐ " }),
            Event::Start(Tag::Heading { level, .. }) => ours(&format!("<h5 class=\"md{}\">", 3.min(level as u8))),
            Event::End(TagEnd::Heading(_)) => ours("</h5>"),
            Event::Start(Tag::BlockQuote(_)) => ours("<blockquote>"),
            Event::Start(Tag::CodeBlock(_)) => ours("<pre><code>"),
            Event::End(TagEnd::CodeBlock) => ours("</code></pre>"),
            Event::Start(Tag::Link { dest_url, .. }) => {
                let url = escape::html(&dest_url);
                match leads_out(&dest_url) {
                    true => ours(&format!("<a href=\"{url}\" rel=\"noopener noreferrer\">")),
                    false => ours(&format!("<a class=\"inert\" title=\"{url}\">")),
                }
            }
            Event::End(TagEnd::Link) => ours("</a>"),
            Event::Start(Tag::Image { .. }) => ours("<span class=\"picture\">[picture: "),
            Event::End(TagEnd::Image) => ours("]</span>"),
            Event::Start(Tag::Table(columns)) => {
                events.push(ours(SCROLL));
                Event::Start(Tag::Table(columns))
            }
            Event::End(TagEnd::Table) => {
                events.push(event);
                ours("</div>")
            }
            event => event,
        };
        events.push(event);
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    // Text is escaped: these are pulldown-cmark's own heads of columns.
    html.replace("<th ", "<th scope=\"col\" ").replace("<th>", "<th scope=\"col\">")
}

/// HTML of a runbook, shown as text; comments are not shown where the runbook is read either. One may be open over several events.
fn html_as_text(html: &str, comment: &mut bool) -> String {
    let mut out = String::new();
    let mut rest = html;
    while !rest.is_empty() {
        let (here, after) = rest.split_once(if *comment { "-->" } else { "<!--" }).unwrap_or((rest, ""));
        match here.trim() {
            _ if *comment => {}
            "" => {}
            "<br>" | "<br/>" | "<br />" => out.push_str("<br>"),
            _ => out.push_str(&format!("<code>{}</code>", escape::html(here.trim_end()))),
        }
        *comment ^= here.len() < rest.len();
        rest = after;
    }
    out
}

/// Whether a link leads out of the report to where a browser may go: the web, a mail address. Anything else (a place in
/// the repository, a script) is not followed.
fn leads_out(url: &str) -> bool {
    let lower = url.trim_start().to_ascii_lowercase();
    ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, plan, record_of};
    use proptest::prelude::*;

    #[test]
    fn a_runbook_reads_as_it_does_elsewhere() {
        let text = "# A\n\nUse *the* **pool**, `x`.\n\n2. two\n\n   ```bash\n   ls <a>\n   ```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";
        insta::assert_snapshot!(markdown(text));
    }

    #[test]
    fn nothing_is_asked_for_and_nothing_runs() {
        let text = "![map <x>](https://example.com/a.png) [bad](javascript:alert(1)) [here](../a.md) \
                    [web](https://example.com/?a=\"b\") <script>alert(1)</script>\n\n<!-- firedrill: id=x -->\n\n<img src=x>\n\n\
                    <!-- a\nb --> <b>\n\n<me@example.com> &#27;[31m &#x202e;\n";
        insta::assert_snapshot!(markdown(text));
    }

    proptest! {
        #[test]
        fn no_markdown_makes_a_tag_of_its_own(text in r#"([<>"'&!\[\]()`#*|a-z:/\n -]|<script|javascript:|<!--|-->|onload=|<a@b.c>){0,60}"#) {
            let html = markdown(&text);
            let known = ["p", "h5", "pre", "code", "ol", "ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "em",
                "strong", "del", "a", "span", "br", "hr", "blockquote"];
            for tag in html.split('<').skip(1) {
                let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
                prop_assert!(known.contains(&name.as_str()), "{name} in {html}");
                let inside = tag.split('>').next().unwrap_or_default();
                prop_assert!(!inside.to_lowercase().contains("href=\"javascript"), "{html}");
            }
        }
    }

    #[test]
    fn every_line_of_the_runbook_is_there_once() {
        let plan = plan(Story::Passed);
        let text = plan.runbook_text.clone().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let all: Vec<String> = cut_at_steps(&plan, &lines).into_iter().map(|(_, text)| text).collect();
        let told = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_string).collect::<Vec<_>>();
        assert_eq!(told(&all.join("\n")), told(&text));
    }

    #[test]
    fn a_second_drill_of_the_same_runbook_shows_its_steps_only() {
        let record = record_of(Story::Passed);
        let mut room = Room::default();
        let first = RunbookSection::of(&record, &mut room, "d1").unwrap();
        let second = RunbookSection::of(&record, &mut room, "d2").unwrap();
        assert!(
            second.parts.iter().all(|part| matches!(part, RunbookPart::Step(_)))
                && second.parts.len() < first.parts.len()
        );
        assert_eq!((first.before, second.before.as_deref()), (None, Some("d1-runbook")));
    }

    #[test]
    fn long_texts_keep_their_beginning_and_their_end() {
        let text = format!("begin{}end", "é".repeat(5_000));
        let short = bounded(&text, 1_000);
        assert!(short.starts_with("begin") && short.ends_with("end") && short.contains("bytes more in record.json"));
        assert!(short.len() < 1_100);
    }

    #[test]
    fn steps_whose_lines_are_not_there_are_told_all_the_same() {
        let mut record = record_of(Story::Passed);
        record.plan.as_mut().unwrap().runbook_text = Some("# short\n".into());
        let runbook = RunbookSection::of(&record, &mut Room::default(), "d1").unwrap();
        let steps = runbook.parts.iter().filter(|part| matches!(part, RunbookPart::Step(_))).count();
        assert_eq!(steps, record.plan.as_ref().unwrap().steps.len());
    }
}
