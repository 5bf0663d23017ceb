//! Mistakes as they are told, without the lines of the file that are shown: a line for each, its place and its label behind it, and
//! what helps below it. How the lines are shown is a test of `source/render.rs`.

/// The mistakes in brief.
pub fn brief(told: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in told.lines() {
        let text = line.trim_start();
        let gutter = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let place = text.strip_prefix("--> ").or_else(|| text.strip_prefix("::: "));
        let mark = gutter.trim_start_matches(['|', '_', ' ']);
        match out.last_mut() {
            Some(last) if place.is_some() => last.push_str(&format!(" ({})", place.unwrap_or_default())),
            Some(last) if gutter.starts_with('|') => {
                let label = mark.trim_start_matches(['^', '-']).trim();
                if gutter == text && mark.starts_with(['^', '-']) && !label.is_empty() {
                    last.push_str(&format!(" [{label}]"));
                }
            }
            _ if text.starts_with("= ") => out.push(format!("  {}", &text[2..])),
            _ if text.is_empty() || text == "..." => {}
            _ => out.push(line.trim_end().to_string()),
        }
    }
    out.join("\n")
}
