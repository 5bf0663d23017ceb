//! CSV for spreadsheets: a line for each assertion and each SLI of every attempt. Described in `docs/reports.md`.

use crate::output::one_line;
use crate::view::cases::cases;
use crate::view::{Drills, words};

/// The names of the columns; a ratio is a number in 0 to 1, and empty where there is no data.
const HEAD: &str = "scenario,run,status,kind,name,result,objective,before,during,after\n";

/// The assertions and SLIs of these drills.
pub fn csv(drills: &Drills) -> Vec<u8> {
    let mut text = HEAD.to_string();
    for entry in drills.entries() {
        for record in entry.attempts.iter().filter_map(|(_, record)| *record) {
            let run = record.plan.as_ref().map_or("", |plan| plan.run.as_str());
            let mut line = |kind, name: &str, result: &str, figures: [Option<f64>; 4]| {
                let cells = [&entry.name(), run, entry.status.name(), kind, name, result].map(cell);
                let figures = figures.map(|figure| figure.map(|figure| figure.to_string()).unwrap_or_default());
                text.push_str(&format!("{},{}\n", cells.join(","), figures.join(",")));
            };
            for case in cases(record) {
                line("check", &case.name, case.came().1, [None; 4]);
            }
            for sli in record.figures().slis {
                let result = words::met(&sli.during, &sli.objective).words();
                let windows = [Some(sli.objective), sli.before.ratio(), sli.during.ratio(), sli.after.ratio()];
                line("sli", &sli.sli, result, windows);
            }
        }
    }
    text.into_bytes()
}

/// A text as a cell. What a spreadsheet would take for a formula stays a text.
fn cell(text: &str) -> String {
    let text = one_line(text);
    let sign = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{sign}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::Story;
    use crate::view::testing::{days, stories};

    fn text(drills: &Drills) -> String {
        String::from_utf8(csv(drills)).unwrap()
    }

    #[test]
    fn every_assertion_and_every_sli_has_its_line() {
        let all = text(&stories(&[Story::StepFailed]));
        for line in [
            "\"stepfailed\",\"20261120T064100Z-stepfailed-3f9a\",\"failed\",\"check\",\"steady state\",\"passed\",,,,\n",
            "\"step mitigate/terminate-the-session-that-holds-the-lock\",\"failed\",,,,\n",
            "\"step verify/place-an-order\",\"not decided\",,,,\n",
        ] {
            assert!(all.contains(line), "{line}: {all}");
        }
        let sli = all.lines().find(|line| line.contains("\"sli\",\"availability\"")).unwrap();
        assert!(sli.contains("\"missed\",0.995,1,0."), "{sli}");
        // Every attempt of a game day, and no more columns than names.
        let day = text(&days());
        assert_eq!(day.matches("\"upstream-503\",\"20261120T064141Z").count(), day.matches("T064142Z").count());
        assert!(day.lines().all(|line| line.matches(',').count() >= HEAD.matches(',').count()));
    }

    #[test]
    fn no_text_is_a_formula_or_ends_its_cell() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("a \"b\",\nc"), "\"a \"\"b\"\", c\"");
    }
}
