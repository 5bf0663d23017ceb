//! The HTML report in a real browser: at three widths, light and dark, by keyboard, on paper. `FIREDRILL_SHOTS=DIR` keeps
//! pictures of what the browser saw.

#[path = "support/browser.rs"]
mod browser;

use base64::Engine as _;
use browser::Browser;
use firedrill::record::{
    DrillTime, MachineSample, Numbers, ProbeRecord, ReadBackRecord, Record, RestoreLevel, RestorePlan, Sampled,
    Verdict, WriteRecord,
};
use firedrill::report::{Drills, html, read_json};
use serde_json::{Value, json};
use std::path::PathBuf;

const WIDTHS: [u32; 3] = [360, 768, 1440];

fn record(name: &str) -> Record {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/records").join(format!("{name}.json"));
    read_json(&std::fs::read(path).unwrap()).unwrap()
}

fn with_machine(mut record: Record) -> Record {
    for second in 1..30_u64 {
        let busy = 0.3 + (second % 5) as f64 * 0.1;
        let sample = MachineSample {
            cpus: 2,
            busy,
            pressure: Some(busy / 6.0),
            memory_bytes: 8_000_000_000,
            available_bytes: 4_000_000_000,
        };
        record.machine.push(Sampled { at_us: DrillTime(second * 1_000_000), sample });
    }
    record
}

/// A DR drill on top of a record: its writes are the requests, the last of those before the fault are lost, and the content is
/// another one.
fn with_restore(mut record: Record) -> Record {
    let fault = record.injected_us().unwrap();
    let plan = record.plan.as_mut().unwrap();
    plan.scenario = "pg-restore".into();
    plan.restore = Some(RestorePlan {
        rto_us: 30_000_000,
        rpo_us: 100_000,
        load: "checkout".into(),
        acknowledged: "status == 201".into(),
        survivors: "in db: psql -tAc 'select number from bookings'".into(),
        probes: Vec::new(),
        expect: RestoreLevel::L5,
        backup_max_age_us: None,
        production_bytes: None,
    });
    let start = record.loads[0].start_us.0;
    let until = record.recovered_us().unwrap().0 + 1_000_000;
    record.writes =
        (0..(until - start) / 20_000).map(|n| WriteRecord(n, DrillTime(start + n * 20_000 + 8_000), true)).collect();
    let lost = |at: DrillTime| at <= fault && at.0 + 250_000 > fault.0;
    let survivors = record.writes.iter().filter(|write| !lost(write.ended())).map(|write| write.number());
    let survivors = Some(survivors.collect::<Numbers>());
    let evidence = "they were read".to_string();
    record.read_back =
        Some(ReadBackRecord { asked_us: DrillTime(until), survivors, duplicates: 1, evidence, before: None });
    let facts = [("id", "base-20261120T060000Z"), ("taken", "2026-11-20T06:00:00Z"), ("bytes", "48211968")];
    record.backup = Some(facts.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect());
    let levels = [
        (RestoreLevel::L1, "readable", true, "exit 0: 1,024 files"),
        (RestoreLevel::L2, "restored", true, "exit 0"),
        (RestoreLevel::L3, "replayed", true, "exit 0: t"),
        (
            RestoreLevel::L4,
            "customers",
            false,
            "1187|9bf2a1b07c7e66bb, and before the fault 1200|5d41402abc4b2a76b9719d911017c592",
        ),
    ];
    record.probes = levels
        .into_iter()
        .map(|(level, name, held, evidence)| {
            let (name, evidence) = (name.to_string(), evidence.to_string());
            ProbeRecord { at_us: DrillTime(until), level, name, held, evidence }
        })
        .collect();
    record.verdict = Verdict::NotRecovered;
    record.reason = "the restore reached L3 (the server has replayed and accepts connections) and failed at L4".into();
    record
}

/// A report of a hundred drills, five of which failed.
fn hundred() -> Drills {
    let (good, bad) = (record("passed"), record("not-recovered"));
    let drill = |number: usize| {
        let mut record = if number % 20 == 7 { bad.clone() } else { good.clone() };
        let plan = record.plan.as_mut().unwrap();
        plan.run = format!("{}-{number:04}", plan.run);
        plan.scenario = format!("{}-{number}", plan.scenario);
        record
    };
    Drills { records: (0..100).map(drill).collect(), ..Drills::default() }
}

struct Opened {
    browser: Browser,
    url: String,
    _dir: tempfile::TempDir,
}

fn open(name: &str, drills: &Drills) -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.html"));
    std::fs::write(&path, html(drills)).unwrap();
    let url = format!("file://{}", path.display());
    let mut browser = Browser::start();
    browser.view(1440, 900, false);
    browser.open(&url);
    Opened { browser, url, _dir: dir }
}

fn shot(browser: &mut Browser, name: &str) {
    let Some(dir) = std::env::var_os("FIREDRILL_SHOTS") else { return };
    let params = json!({ "format": "png", "captureBeyondViewport": true });
    let taken = browser.call("Page.captureScreenshot", params);
    let bytes = base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(PathBuf::from(dir).join(format!("{name}.png")), bytes).unwrap();
}

/// Text whose contrast with what is behind it is below 4.5 (WCAG 2.2, 1.4.3), with the ratio.
const FAINT: &str = r#"(() => {
  const rgb = text => { const n = text.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = el => { for (; el; el = el.parentElement) {
    const c = rgb(getComputedStyle(el).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const faint = new Set();
  for (const el of document.querySelectorAll('body *')) {
    const own = [...el.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !el.getClientRects().length) continue;
    const style = getComputedStyle(el), svg = el.closest('svg');
    if (svg && el.tagName !== 'text') continue;
    const a = light(rgb(svg ? style.fill : style.color).slice(0, 3));
    const b = light(behind(svg ? svg.parentElement : el).slice(0, 3));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.add(`${el.tagName}.${el.getAttribute('class')}: ${ratio.toFixed(2)}`);
  }
  return [...faint];
})()"#;

/// Headings that are more than one level deeper than the one before.
const JUMPS: &str = r#"(() => { let last = 0; const jumps = [];
  for (const h of document.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
    const level = +h.tagName[1]; if (level > last + 1) jumps.push(h.tagName + ' ' + h.textContent); last = level; }
  if (document.querySelectorAll('h1').length !== 1) jumps.push('one h1');
  return jumps; })()"#;

/// What is wider than the page.
const WIDE: &str = r#"(() => { const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.querySelectorAll('body *')].filter(el => el.getBoundingClientRect().right > room + 1)
    .slice(0, 5).map(el => el.tagName + '.' + el.getAttribute('class') + ' ' + el.textContent.slice(0, 40)); })()"#;

/// Looks at a report at every width, light and dark, as it opens and with everything unfolded.
fn look_at(name: &str, drills: &Drills) {
    let Opened { mut browser, url, _dir } = open(name, drills);
    let many = drills.records.len() > 10;
    for dark in [false, true] {
        for width in WIDTHS {
            // The style is the same as that of one drill.
            if many && dark && width != 768 {
                continue;
            }
            browser.view(width, 900, dark);
            browser.open(&url);
            let seen = format!("{name}-{width}-{}", if dark { "dark" } else { "light" });
            shot(&mut browser, &seen);
            assert_eq!(browser.eval(WIDE), json!([]), "{seen}: nothing is wider than the page");
            if !many {
                browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
                assert_eq!(browser.eval(WIDE), json!([]), "{seen}, unfolded: nothing is wider than the page");
                shot(&mut browser, &format!("{seen}-unfolded"));
            }
            if !many {
                assert_eq!(browser.eval(FAINT), json!([]), "{seen}: all text can be read");
            }
            assert_eq!(browser.complaints(), Vec::<String>::new(), "{seen}");
            assert_eq!(browser.requests(), std::slice::from_ref(&url), "{seen}: nothing is asked for but the page");
        }
    }
    assert_eq!(browser.eval(JUMPS), json!([]));
    let unnamed = "[...document.querySelectorAll('svg[role=img]')].filter(s => !s.querySelector('title,desc')).length";
    assert_eq!(browser.eval(unnamed), json!(0));
    let twice = "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length - new Set(ids).size; })()";
    assert_eq!(browser.eval(twice), json!(0), "every id is there once");
    let lost = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1))).length";
    assert_eq!(browser.eval(lost), json!(0), "every link within the page leads somewhere");
    // The width of A4 within its margins, at 96 pixels an inch.
    browser.view(703, 1000, false);
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    browser.open(&url);
    assert_eq!(browser.eval(WIDE), json!([]), "{name} on paper: nothing is wider than the page");
    let printed = browser.call("Page.printToPDF", json!({ "printBackground": true, "preferCSSPageSize": true }));
    let pdf = base64::engine::general_purpose::STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
    assert!(pdf.starts_with(b"%PDF-") && pages(&pdf) > 0, "{name} prints");
    if let Some(dir) = std::env::var_os("FIREDRILL_SHOTS") {
        std::fs::write(PathBuf::from(dir).join(format!("{name}.pdf")), pdf).unwrap();
    }
}

fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page\n").count() + text.matches("/Type/Page\n").count() + text.matches("/Type /Page ").count()
}

#[test]
fn a_drill_that_passed() {
    look_at("passed", &Drills::one(with_machine(record("passed"))));
}

#[test]
fn a_drill_that_failed() {
    let bad = record("not-recovered");
    let reason = bad.reason.clone();
    let drills = Drills::one(bad);
    look_at("failed", &drills);
    let Opened { mut browser, .. } = open("failed", &drills);
    let first = browser.eval("document.querySelector('#failed').innerText");
    for word in ["What broke", "Which step", "What users felt"] {
        assert!(first.as_str().unwrap().contains(word), "{word}: {first}");
    }
    // All of it stands on the first screen, and the time axis right below.
    let answers = browser.eval("document.querySelector('#answers').innerText");
    for word in ["Did it pass?", "How long were users hurt?", "What cured them?", "What to do now?"] {
        assert!(answers.as_str().unwrap().contains(word), "{word}: {answers}");
    }
    let places = browser.eval("['#answers', 'svg.axis', '#failed'].map(s => document.querySelector(s).getBoundingClientRect().bottom + scrollY)");
    let places: Vec<f64> = places.as_array().unwrap().iter().map(|place| place.as_f64().unwrap()).collect();
    assert!(places[0] < 900.0 && places.is_sorted(), "{places:?}");
    let all = browser.eval("document.body.innerText");
    assert!(all.as_str().unwrap().contains(&reason), "{reason}");
}

#[test]
fn a_restore_that_was_another_one() {
    let drills = Drills::one(with_restore(record("passed")));
    look_at("restore", &drills);
    let Opened { mut browser, .. } = open("restore", &drills);
    let ladder = browser.eval("[...document.querySelectorAll('.ladder li')].map(li => li.innerText)");
    let ladder: Vec<&str> = ladder.as_array().unwrap().iter().map(|rung| rung.as_str().unwrap()).collect();
    assert_eq!(ladder.len(), 5);
    assert!(ladder[0].starts_with("L1") && ladder[0].contains("held"), "{ladder:?}");
    assert!(ladder[3].contains("failed") && ladder[3].contains("1187|9bf2a1b07c7e66bb"), "{ladder:?}");
    assert!(ladder[4].contains("not known"), "{ladder:?}");
    let all = browser.eval("document.body.textContent");
    for text in ["objective 100 ms: missed", "48.2 MB", "acknowledged writes are lost", "expected L5"] {
        assert!(all.as_str().unwrap().contains(text), "{text}");
    }
}

#[test]
fn a_chip_on_a_phone_has_no_word_in_pieces() {
    // Words within a chip stay whole at 360 px, and no chip is taller than two lines of its own.
    let Opened { mut browser, url, _dir } =
        open("chips", &Drills { records: vec![record("passed"), record("not-recovered")], ..Drills::default() });
    browser.view(360, 800, false);
    browser.open(&url);
    browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
    let broken = r#"(() => { const bad = [];
      for (const chip of document.querySelectorAll('.badge')) {
        if (!chip.getClientRects().length) continue;
        const walk = document.createTreeWalker(chip, NodeFilter.SHOW_TEXT);
        for (let node; node = walk.nextNode();) for (const word of node.data.matchAll(/\S+/g)) {
          const range = document.createRange(); range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
          const lines = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
          if (lines.size > 1) bad.push('in pieces: ' + word[0]);
        }
        const line = parseFloat(getComputedStyle(chip).lineHeight);
        if (chip.getBoundingClientRect().height > line * 2 + 14) bad.push('tall: ' + chip.textContent);
      }
      return bad; })()"#;
    assert_eq!(browser.eval(broken), json!([]));
}

#[test]
fn a_hundred_drills() {
    let drills = hundred();
    assert!(html(&drills).len() < 5_000_000, "{} bytes", html(&drills).len());
    look_at("hundred", &drills);
}

#[test]
fn the_keyboard_is_enough() {
    let Opened { mut browser, .. } =
        open("keyboard", &Drills { records: vec![record("passed"), record("not-recovered")], ..Drills::default() });
    let can = "[...document.querySelectorAll('a[href], summary')].filter(e => e.checkVisibility()).map((e, i) => e.dataset.n = i).length";
    let count = browser.eval(can).as_u64().unwrap();
    let mut reached = std::collections::BTreeSet::new();
    // Regions that scroll are stops as well.
    for _ in 0..count * 3 + 20 {
        browser.press("Tab", 9);
        if let Value::String(number) = browser.eval("document.activeElement.dataset.n ?? null") {
            reached.insert(number);
        }
        if reached.len() as u64 == count {
            break;
        }
    }
    assert_eq!(reached.len() as u64, count, "Tab reaches every link and everything that unfolds");
    browser.eval("document.querySelector('details.drill:not([open]) > summary').focus()");
    browser.press("Enter", 13);
    assert_eq!(browser.eval("document.activeElement.parentElement.open"), json!(true), "Enter unfolds");
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, json!("none"), "one sees where one is");
}

#[test]
fn a_link_unfolds_what_it_leads_to() {
    let Opened { mut browser, .. } =
        open("links", &Drills { records: vec![record("passed"), record("not-recovered")], ..Drills::default() });
    let closed = "document.querySelector('details.drill:not([open]) .body').id";
    let id = browser.eval(closed).as_str().unwrap().to_string();
    browser.eval(&format!("document.querySelector('.cards a[href=\"#{id}\"]').click()"));
    let open = format!("document.getElementById('{id}').closest('details').open");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while browser.eval(&open) != json!(true) {
        assert!(std::time::Instant::now() < until, "the link opens the drill");
        std::thread::sleep(std::time::Duration::from_millis(20)); // between two looks
    }
}
