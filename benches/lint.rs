//! What `firedrill lint` and `firedrill show` take as people run them: a folder of 240 ordinary pages, and one page. The
//! programs are started anew each time, so that reading the table of programs counts. `cargo bench --bench lint [-- FOLDER]`
//! lints another folder.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SECTIONS: [(&str, &str); 4] = [
    ("Diagnosis", "kubectl get pods -n shop | grep -v Running\nkubectl logs deployment/shop --since=10m"),
    ("Mitigation", "kubectl scale deployment/shop --replicas=6\nkubectl rollout status deployment/shop"),
    ("Database", "psql \"$DATABASE_URL\" -c 'SELECT count(*) FROM pg_stat_activity'"),
    ("Verification", "until curl -fsS https://shop.example.com/health; do sleep 5; done"),
];

fn main() -> std::io::Result<()> {
    let folder = std::env::temp_dir().join(format!("firedrill-lint-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for number in 0..240 {
        let mut page = format!("# Shop {number} is slow\n\nOwner: Team Shop. Alert: `ShopSlow{number}`.\n\n");
        for (title, commands) in SECTIONS.iter().cycle().take(12) {
            // Writing to a string cannot fail.
            let _ = write!(
                page,
                "## {title}\n\nIf orders wait, look at it first, then go on:\n\n```bash\n{commands}\n```\n\n"
            );
        }
        std::fs::write(folder.join(format!("{number}.md")), page)?;
    }
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).map(std::path::PathBuf::from);
    let of = wanted.as_deref().unwrap_or(&folder);
    println!("lint {:40} {:>8.1?}", of.display(), time(&["lint", "-q"], of)?);
    println!("show {:40} {:>8.1?}", "one page", time(&["show"], &folder.join("0.md"))?);
    std::fs::remove_dir_all(&folder)
}

/// The best of ten.
fn time(arguments: &[&str], path: &Path) -> std::io::Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        let begun = Instant::now();
        command.args(arguments).arg(path).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}
