//! What a DR drill measured: the ladder of the restore levels, and the figures below it.

use super::markup::Markup;
use super::tables::table;
use super::words::{self, badge, sign};
use crate::record::Record;
use crate::report::restore::{self, ladder, meaning, rows};

/// The section of a restore; nothing where the drill is none of one.
pub fn restore(m: &mut Markup, record: &Record) {
    let Some(plan) = restore::plan(record) else { return };
    m.fixed("<h4>The restore</h4>");
    // Signs and words say what colour does; a list keeps its order without it.
    m.el("ol", &[("class", "ladder"), ("aria-label", "Restore levels, from L1 to L5")], |m| {
        for rung in ladder(record) {
            let (tone, word) = (rung.came, words::rung(rung.came));
            m.el("li", &[("class", tone.class())], |m| {
                m.el("b", &[], |m| {
                    m.text(rung.level.name());
                });
                m.fixed(" ");
                badge(m, tone, word);
                m.fixed(" ").leaf("span", &[], rung.level.meaning());
                m.fixed(" ").leaf("small", &[], &rung.seen);
                if rung.level == plan.expect && rung.level < crate::record::RestoreLevel::L5 {
                    m.fixed(" <small>(the level that the scenario expects)</small>");
                }
            });
        }
    });
    table(m, "What the restore came to", &["What", "Came to"], |m| {
        for row in rows(record) {
            m.el("tr", &[], |m| {
                m.leaf("th", &[("scope", "row")], meaning(row.name));
                m.el("td", &[("class", "long")], |m| {
                    if let Some(mark) = row.came {
                        sign(m, mark);
                    }
                    m.text(&row.text);
                });
            });
        }
    });
    m.el("p", &[("class", "note")], |m| {
        m.fixed("A write counts as acknowledged when its answer said so (<code>").text(&plan.acknowledged);
        m.fixed("</code>), as recorded outside of the stack at that instant; the survivors were read back after the recovery (<code>");
        m.text(&plan.survivors).fixed("</code>).");
    });
}
