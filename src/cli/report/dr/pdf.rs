//! A PDF of a page through a headless Chromium: with a profile of its own that is thrown away, without network, with a deadline.

use crate::error::Error;
use crate::output::quoted;
use crate::process;
use crate::record::PrivateDir;
use crate::source::list;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names under which a Chromium is found.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// A page that is not printed after this long never will be.
const DEADLINE: Duration = Duration::from_secs(120);
/// Bytes of its last words that are told.
const WORDS: usize = 600;

/// The program: `CHROMIUM`, or the first of the usual names in `PATH`.
pub fn browser() -> Result<PathBuf, Error> {
    let named = std::env::var("CHROMIUM").ok().filter(|named| !named.is_empty());
    let wanted = named.map_or_else(|| NAMES.map(String::from).to_vec(), |named| vec![named]);
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &String| match name.contains('/') {
        true => Some(PathBuf::from(name)).filter(|path| path.is_file()),
        false => std::env::split_paths(&search).map(|dir| dir.join(name)).find(|path| path.is_file()),
    };
    let missing = || Error::harness(format!("a PDF needs Chromium, and there is no {}", list(&wanted)));
    let hint = "install Chromium, or name one with the environment variable CHROMIUM";
    wanted.iter().find_map(found).ok_or_else(|| missing().hint(hint))
}

/// Prints an HTML page as PDF through a headless Chromium.
pub async fn print(browser: &Path, html: &[u8]) -> Result<Vec<u8>, String> {
    let scratch = PrivateDir::new("pdf").map_err(|error| format!("a directory for Chromium: {error}"))?;
    let (page, pdf) = (scratch.path().join("report.html"), scratch.path().join("report.pdf"));
    std::fs::write(&page, html).map_err(|error| format!("{}: {error}", page.display()))?;
    let mut command = process::command(browser);
    command
        .args(["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-extensions"])
        // No name leads anywhere, and nothing goes through a proxy.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--no-proxy-server", "--disable-sync"])
        .arg("--no-pdf-header-footer")
        .arg(format!("--user-data-dir={}", scratch.path().join("profile").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()));
    if rustix::process::geteuid().is_root() {
        // Chromium refuses to start as root with its sandbox. The page is ours, and runs no script.
        command.arg("--no-sandbox");
    }
    command.arg(format!("file://{}", page.display())).env("HOME", scratch.path());
    let output = process::output(command, DEADLINE).await;
    let output = output.map_err(|error| format!("{}: {error}", browser.display()))?;
    let bytes = std::fs::read(&pdf).unwrap_or_default();
    if output.status.success() && bytes.starts_with(b"%PDF-") {
        return Ok(bytes);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = quoted(words.trim());
    let from = words.char_indices().rev().nth(WORDS).map_or(0, |(at, _)| at);
    Err(format!("{} made no PDF ({}): {}", browser.display(), output.status, words.get(from..).unwrap_or_default()))
}
