//! Runbooks as HTML: what pulldown-cmark reads, written with nothing but escaped text. HTML in the runbook is shown as
//! text, pictures become their description, and only links to the web and to mail addresses are links: opening the report
//! asks nobody for anything.

use super::markup::Markup;
use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A piece of Markdown as HTML. Headings are all of one level, so that those of the page stay in order.
pub fn markdown(m: &mut Markup, text: &str) {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_GFM | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer { links: Vec::new(), head: false, comment: false };
    for event in Parser::new_ext(text, options) {
        writer.event(m, event);
    }
}

struct Writer {
    /// Whether each link that is open was written as one.
    links: Vec<bool>,
    /// Whether this is the head of a table.
    head: bool,
    /// Whether a comment of HTML is open: it is not shown where the runbook is read either.
    comment: bool,
}

impl Writer {
    fn event(&mut self, m: &mut Markup, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(m, tag),
            Event::End(tag) => self.end(m, tag),
            Event::Text(text) => {
                m.text(&text);
            }
            Event::Code(text) => {
                m.leaf("code", &[], &text);
            }
            Event::Html(html) | Event::InlineHtml(html) => self.html(m, &html),
            Event::SoftBreak => {
                m.fixed("\n");
            }
            Event::HardBreak => {
                m.fixed("<br>");
            }
            Event::Rule => {
                m.fixed("<hr>");
            }
            Event::TaskListMarker(done) => {
                m.fixed(if done { "☑ " } else { "☐ " });
            }
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                m.text(&text);
            }
        }
    }

    fn html(&mut self, m: &mut Markup, html: &str) {
        let mut rest = html;
        while !rest.is_empty() {
            let (mark, other) = if self.comment { ("-->", "") } else { ("<!--", rest) };
            match rest.split_once(mark) {
                Some((before, after)) => {
                    if !self.comment {
                        shown(m, before);
                    }
                    self.comment = !self.comment;
                    rest = after;
                }
                None => {
                    shown(m, other);
                    return;
                }
            }
        }
    }

    fn start(&mut self, m: &mut Markup, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => m.fixed("<p>"),
            Tag::Heading { level, .. } => m.open("h5", &[("class", heading(level))]),
            Tag::BlockQuote(_) => m.fixed("<blockquote>"),
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) if !info.is_empty() => {
                let language = info.split([' ', ',', '{']).next().unwrap_or_default();
                m.open("pre", &[("data-lang", language)]).fixed("<code>")
            }
            Tag::CodeBlock(_) => m.fixed("<pre><code>"),
            Tag::List(Some(first)) => m.open("ol", &[("start", &first.to_string())]),
            Tag::List(None) => m.fixed("<ul>"),
            Tag::Item => m.fixed("<li>"),
            Tag::Table(columns) => {
                let right = columns.iter().all(|column| *column == Alignment::Right);
                m.fixed("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table of the runbook\">");
                m.open("table", &[("class", if right { "md num" } else { "md" })])
            }
            Tag::TableHead => {
                self.head = true;
                m.fixed("<thead><tr>")
            }
            Tag::TableRow => m.fixed("<tr>"),
            Tag::TableCell => m.fixed(if self.head { "<th scope=\"col\">" } else { "<td>" }),
            Tag::Emphasis => m.fixed("<em>"),
            Tag::Strong => m.fixed("<strong>"),
            Tag::Strikethrough => m.fixed("<s>"),
            Tag::Link { dest_url, .. } => {
                let is_link = leads_out(&dest_url);
                self.links.push(is_link);
                match is_link {
                    true => m.open("a", &[("href", &dest_url), ("rel", "noopener noreferrer")]),
                    false => m.open("span", &[("class", "inert"), ("title", &dest_url)]),
                }
            }
            Tag::Image { .. } => m.fixed("<span class=\"picture\">[picture: "),
            _ => m,
        };
    }

    fn end(&mut self, m: &mut Markup, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => m.fixed("</p>"),
            TagEnd::Heading(_) => m.fixed("</h5>"),
            TagEnd::BlockQuote(_) => m.fixed("</blockquote>"),
            TagEnd::CodeBlock => m.fixed("</code></pre>"),
            TagEnd::List(true) => m.fixed("</ol>"),
            TagEnd::List(false) => m.fixed("</ul>"),
            TagEnd::Item => m.fixed("</li>"),
            TagEnd::Table => m.fixed("</tbody></table></div>"),
            TagEnd::TableHead => {
                self.head = false;
                m.fixed("</tr></thead><tbody>")
            }
            TagEnd::TableRow => m.fixed("</tr>"),
            TagEnd::TableCell => m.fixed(if self.head { "</th>" } else { "</td>" }),
            TagEnd::Emphasis => m.fixed("</em>"),
            TagEnd::Strong => m.fixed("</strong>"),
            TagEnd::Strikethrough => m.fixed("</s>"),
            TagEnd::Link => m.fixed(if self.links.pop() == Some(true) { "</a>" } else { "</span>" }),
            TagEnd::Image => m.fixed("]</span>"),
            _ => m,
        };
    }
}

fn shown(m: &mut Markup, html: &str) {
    match html.trim() {
        "" => {}
        "<br>" | "<br/>" | "<br />" => {
            m.fixed("<br>");
        }
        _ => {
            m.leaf("code", &[("class", "rawhtml")], html.trim_end());
        }
    }
}

fn heading(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "md1",
        HeadingLevel::H2 => "md2",
        _ => "md3",
    }
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
    use proptest::prelude::*;

    fn html(text: &str) -> String {
        let mut m = Markup::default();
        markdown(&mut m, text);
        m.as_str().to_string()
    }

    #[test]
    fn a_runbook_reads_as_it_does_elsewhere() {
        let text = "# A\n\nUse *the* **pool**, `x`.\n\n2. two\n\n   ```bash\n   ls <a>\n   ```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";
        insta::assert_snapshot!(html(text));
    }

    #[test]
    fn nothing_is_asked_for_and_nothing_runs() {
        let text = "![map <x>](https://example.com/a.png) [bad](javascript:alert(1)) [here](../a.md) \
                    [web](https://example.com/?a=\"b\") <script>alert(1)</script>\n\n<!-- firedrill: id=x -->\n\n<img src=x>\n";
        insta::assert_snapshot!(html(text));
    }

    proptest! {
        #[test]
        fn no_markdown_makes_a_tag_of_its_own(text in r#"([<>"'&!\[\]()`#*|a-z:/\n -]|<script|javascript:|<!--|-->|onload=){0,60}"#) {
            let html = html(&text);
            let known = ["p", "h5", "pre", "code", "ol", "ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "em",
                "strong", "s", "a", "span", "br", "hr", "blockquote"];
            for tag in html.split('<').skip(1) {
                let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
                prop_assert!(known.contains(&name.as_str()), "{name} in {html}");
                let inside = tag.split('>').next().unwrap_or_default();
                prop_assert!(!inside.to_lowercase().contains("href=\"javascript"), "{html}");
            }
        }
    }
}
