//! `firedrill report dr` as people and CI run it, and its HTML and PDF in a real browser on A4. `FIREDRILL_SHOTS=DIR` keeps
//! pictures of what the browser saw.

#[path = "support/brief.rs"]
mod brief;
#[allow(dead_code, reason = "another program uses the rest")]
#[path = "support/browser.rs"]
mod browser;

use base64::Engine as _;
use browser::Browser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A quarter on disk: passed, failed, retested; one damaged as expected, one that was cut off; one of the quarter before.
struct Project(tempfile::TempDir);

const FAILED: &str = "20261104T020000Z-pg-restore-0002";
const RETEST: &str = "20261118T020000Z-pg-restore-0003";

impl Project {
    fn new() -> Project {
        let project = Project(tempfile::tempdir().unwrap());
        project.drill("dr-passed", "20260812T020000Z-pg-restore-0000");
        project.drill("dr-passed", "20261014T020000Z-pg-restore-0001");
        project.drill("dr-failed", FAILED);
        project.drill("dr-passed", RETEST);
        project.drill("dr-damaged", "20261120T020000Z-corrupt-backup-0004");
        project.drill("dr-killed", "20261224T020000Z-pg-restore-0005");
        for run in
            std::fs::read_dir(project.path(".firedrill/runs")).unwrap().flatten().filter(|run| run.path().is_dir())
        {
            firedrill::archive::evidence::seal(&run.path(), false).unwrap();
        }
        project
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A run directory of a story with another id and time.
    fn drill(&self, story: &str, run: &str) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/{story}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let mut first: Value = serde_json::from_str(first).unwrap();
        let digits = |from: usize, to: usize| run[from..to].to_string();
        first["event"]["run"] = json!(run);
        let day = format!("{}-{}-{}", digits(0, 4), digits(4, 6), digits(6, 8));
        first["event"]["started_utc"] =
            json!(format!("{day}T{}:{}:{}.000Z", digits(9, 11), digits(11, 13), digits(13, 15)));
        self.write(&format!(".firedrill/runs/{run}/events.jsonl"), format!("{first}\n{rest}"));
    }

    fn notes(&self) {
        let page =
            std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/dr-report.md")).unwrap();
        let (_, example) = page.split_once("<!-- notes -->\n```yaml\n").unwrap();
        self.write("drill-notes/2026Q4.yaml", example.split_once("```").unwrap().0);
        let page =
            std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/incidents.md")).unwrap();
        let (_, example) = page.split_once("<!-- actions -->\n```yml\n").unwrap();
        self.write("actions.yaml", example.split_once("```").unwrap().0);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.with(arguments, &[])
    }

    fn with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(arguments).current_dir(self.0.path()).envs(variables.iter().copied());
        command.output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The rows of the table of the quarter's drills.
fn summary_rows(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| line.starts_with("| 3.") || line.starts_with("| 3&#46;"))
}

#[test]
fn a_quarter_is_reported_from_what_lies_on_disk() {
    let project = Project::new();
    project.notes();
    let manifest = project.path(&format!(".firedrill/runs/{FAILED}/manifest.json"));
    let output = project.run(&["report", "dr", "--quarter", "2026Q4"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let markdown = printed(&output);
    for words in [
        "Example Ltd",
        "4 DR drills came to an end: 3 passed, 0 passed with conditions, 1 failed.",
        "Backup damage was detected at L3 as expected",
        "1 run was cut off",
        "2026-08-12 (from the records)",
        "the retest passed",
        "**verified<br>",
        "events.jsonl&#35;&#8203;seq=0",
        &firedrill::archive::evidence::Digest::of(&std::fs::read(manifest).unwrap()).to_string(),
        "intact",
    ] {
        assert!(markdown.contains(words), "{words}: {markdown}");
    }
    let output = project.run(&["report", "dr", "--quarter", "2026Q4", "--html", "out/dr.html"]);
    assert_eq!((output.status.code(), told(&output)), (Some(0), "out/dr.html\n".to_string()));
}

#[test]
fn evidence_that_was_changed_or_deleted_is_told_and_proves_nothing() {
    let project = Project::new();
    let events = project.path(&format!(".firedrill/runs/{RETEST}/events.jsonl"));
    let text = std::fs::read_to_string(&events).unwrap();
    std::fs::write(&events, text.trim_end().to_string() + "\n\n").unwrap();
    std::fs::remove_dir_all(project.path(&format!(".firedrill/runs/{FAILED}"))).unwrap();
    let unsealed = "20261126T020000Z-pg-restore-0006";
    project.drill("dr-passed", unsealed);
    let output = project.run(&["report", "dr", "--quarter", "2026Q4", "--markdown", "dr.md"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let page = std::fs::read_to_string(project.path("dr.md")).unwrap();
    for day in ["2026-11-18", "2026-11-26"] {
        let drill = summary_rows(&page).find(|row| row.contains(day)).unwrap();
        assert!(drill.contains("no verdict"), "{drill}");
    }
    let changed = format!("{RETEST} (CHANGED): events.jsonl was changed");
    let gone = format!("{FAILED} (GONE): its directory is gone");
    let errors = told(&output);
    assert!(
        errors.contains(&format!("warning: {changed}")) && errors.contains(&format!("warning: {gone}")),
        "{errors}"
    );
    assert!(page.contains("as they were sealed: 3") && page.contains("only the hash chain knows of them: 1"), "{page}");
    let head = page.lines().find(|line| line.starts_with("| **Head of the hash chain**")).unwrap();
    assert!(head.contains("<code>5"), "{head}");
}

#[test]
fn evidence_of_another_quarter_or_below_a_chain_that_cannot_be_read_is_no_pass() {
    let project = Project::new();
    let report = || {
        let output = project.run(&["report", "dr", "--quarter", "2026Q4", "--markdown", "dr.md"]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        (std::fs::read_to_string(project.path("dr.md")).unwrap(), told(&output))
    };
    let before = |page: &str| {
        let trend = page.lines().find(|line| line.starts_with("| <code>pg-restore</code> | 2026Q1")).unwrap();
        (trend.split(" | ").nth(3).unwrap().to_string(), page.contains("2026-08-12 (from the records)"))
    };
    let (quarter, is_previous) = before(&report().0);
    assert!(quarter.contains("1 of 1 passed") && is_previous, "{quarter}");
    let events = project.path(".firedrill/runs/20260812T020000Z-pg-restore-0000/events.jsonl");
    let text = std::fs::read_to_string(&events).unwrap();
    std::fs::write(&events, text + "\n").unwrap();
    let (page, errors) = report();
    let (quarter, is_previous) = before(&page);
    assert!(quarter.contains("0 of 1 passed") && quarter.contains("RTO not measured") && !is_previous, "{quarter}");
    assert!(!page.contains("The evidence is not intact"), "the quarter itself is: {page}");
    assert!(errors.contains("20260812T020000Z-pg-restore-0000 (CHANGED)"), "{errors}");

    let chain = project.path(".firedrill/runs/chain.jsonl");
    std::fs::remove_file(&chain).unwrap();
    std::fs::create_dir(&chain).unwrap();
    let (page, _) = report();
    assert!(summary_rows(&page).count() > 0 && summary_rows(&page).all(|row| row.contains("no verdict")), "{page}");
    assert!(page.contains(": 0 passed,"), "{page}");
    let (first, rest) = page.split_once("## 1").unwrap();
    assert!(
        first.contains("places that cannot be read: 1") && !rest.contains("There is no run in this quarter"),
        "{page}"
    );
}

#[test]
fn a_quarter_without_drills_is_an_honest_report_with_a_warning() {
    let project = Project::new();
    let output = project.run(&["report", "dr", "--quarter", "2025Q1"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("warning: there is no DR drill in 2025Q1"), "{}", told(&output));
    assert!(printed(&output).contains("No DR drill was run in this quarter"), "{}", printed(&output));
    let nothing = tempfile::tempdir().unwrap();
    let project = Project(nothing);
    assert_eq!(project.run(&["report", "dr", "--quarter", "2025Q1"]).status.code(), Some(0), "no runs at all");
}

#[test]
fn mistakes_are_told_and_end_with_2() {
    let project = Project::new();
    project.write("drill-notes/a.yaml", "quarter: 2026Q5\nsistem: Shop\n");
    project.write("drill-notes/b.yaml", "drills: [{ type: x }]\n");
    let output = project.run(&["report", "dr", "--quarter", "2026Q4", "--markdown", "never.md"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    insta::assert_snapshot!("mistakes_in_notes", brief::brief(&told(&output)));
    assert!(!project.path("never.md").exists());
    let project = Project::new();
    for (arguments, words) in [
        (vec!["--quarter", "2026-Q4"], "`2026-Q4` is no quarter: write it like `2026Q4`"),
        (vec!["--quarter", "2026Q4", "nowhere"], "nowhere"),
        (vec!["--html", "-", "--markdown", "-"], "only one report can go to standard output"),
        (vec!["--pdf", "-"], "a PDF goes to a file"),
    ] {
        let output = project.run(&[vec!["report", "dr"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(words), "{words}: {}", told(&output));
    }
}

#[test]
fn reports_of_one_occasion_are_made_as_before() {
    let project = Project::new();
    let run = format!(".firedrill/runs/{RETEST}");
    let output = project.run(&["report", &run, "--markdown", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(printed(&output).contains("The database's data directory is lost"), "{}", printed(&output));
    assert_eq!(project.run(&["report"]).status.code(), Some(0));
    let both = project.run(&["report", "--markdown", "-", "dr"]);
    assert_eq!(both.status.code(), Some(2), "options of the one before the other: {}", printed(&both));
    // A directory of that name is meant when it is written as a path.
    std::fs::create_dir(project.path("dr")).unwrap();
    std::fs::rename(project.path(&run), project.path("dr").join(RETEST)).unwrap();
    assert_eq!(project.run(&["report", "./dr", "--markdown", "-"]).status.code(), Some(0));
}

#[test]
fn without_a_browser_there_is_no_pdf_and_a_hint() {
    let project = Project::new();
    let output =
        project.with(&["report", "dr", "--quarter", "2026Q4", "--pdf", "x.pdf"], &[("CHROMIUM", "/nowhere/chromium")]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    insta::assert_snapshot!("no_browser", told(&output));
    let output = project.with(&["report", "dr", "--quarter", "2026Q4", "--pdf", "x.pdf"], &[("CHROMIUM", "false")]);
    assert_eq!(output.status.code(), Some(3), "a browser that fails: {}", told(&output));
    assert!(told(&output).contains("made no PDF") && !project.path("x.pdf").exists(), "{}", told(&output));
}

fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page\n").count() + text.matches("/Type/Page\n").count() + text.matches("/Type /Page ").count()
}

#[test]
fn the_pdf_has_pages_and_leaves_nothing_behind() {
    let project = Project::new();
    project.notes();
    let scratch = project.path("tmp");
    std::fs::create_dir(&scratch).unwrap();
    let scratch_dir = scratch.display().to_string();
    let output =
        project.with(&["report", "dr", "--quarter", "2026Q4", "--pdf", "out/dr.pdf"], &[("TMPDIR", &scratch_dir)]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let pdf = std::fs::read(project.path("out/dr.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    // Four drills, each on pages of its own, and what is before and after them.
    assert!((6..=40).contains(&pages(&pdf)), "{} pages", pages(&pdf));
    let left: Vec<_> = std::fs::read_dir(&scratch).unwrap().flatten().map(|entry| entry.file_name()).collect();
    let own = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("firedrill-");
    assert!(!left.iter().any(own), "{left:?}");
    if let Some(dir) = std::env::var_os("FIREDRILL_SHOTS") {
        std::fs::copy(project.path("out/dr.pdf"), Path::new(&dir).join("dr.pdf")).unwrap();
    }
}

/// Whatever is wider than its page or its cell.
const WIDE: &str = r#"(() => { const room = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll('body *')].filter(el => el.getBoundingClientRect().right > room + 1
    || (el.matches('td,th') && el.scrollWidth > el.clientWidth + 1));
  return wide.slice(0, 5).map(el => el.tagName + ' ' + el.textContent.slice(0, 60)); })()"#;

/// Rows that are higher than half a page: whatever is not cut in two must fit.
const HIGH: &str = r#"[...document.querySelectorAll('tr')].filter(row => row.getBoundingClientRect().height > 500)
  .map(row => row.textContent.slice(0, 60))"#;

#[test]
fn the_html_fits_a4_and_asks_nobody() {
    let project = Project::new();
    project.notes();
    let output = project.run(&["report", "dr", "--quarter", "2026Q4", "--html", "dr.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let url = format!("file://{}", project.path("dr.html").display());
    let mut browser = Browser::start();
    // 180 mm, the width of A4 within its margins, at 96 dots per inch; and a screen.
    for (width, medium) in [(680, "print"), (1280, "screen")] {
        browser.view(width, 972, false);
        browser.call("Emulation.setEmulatedMedia", json!({ "media": medium }));
        browser.open(&url);
        assert_eq!(browser.eval(WIDE), json!([]), "{medium}: nothing is wider than its page or its cell");
        assert_eq!(browser.eval(HIGH), json!([]), "{medium}: every row fits a page");
        assert_eq!(browser.requests(), std::slice::from_ref(&url));
        assert_eq!(browser.complaints(), Vec::<String>::new());
        if let Some(dir) = std::env::var_os("FIREDRILL_SHOTS") {
            let taken =
                browser.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
            let bytes = base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
            std::fs::write(Path::new(&dir).join(format!("dr-{medium}.png")), bytes).unwrap();
        }
    }
    let heads = "[...document.querySelectorAll('table.rows')].every(t => getComputedStyle(t.tHead).display === 'table-header-group')";
    assert_eq!(browser.eval(heads), json!(true), "heads are repeated on every page");
    let lost = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1))).length";
    assert_eq!(browser.eval(lost), json!(0));
}
