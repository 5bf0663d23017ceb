//! Which paths a service answers and which of them need its data store, by a plain look at its source: a load on a path that
//! needs nothing proves nothing about a database.

use crate::source::TextPattern;
use std::path::Path;

/// Files that are read, by their extension.
const SOURCES: [&str; 11] = ["py", "js", "mjs", "cjs", "ts", "rb", "go", "php", "java", "kt", "rs"];
const MOST_FILES: usize = 300;
const LARGEST: u64 = 256 * 1024;
const DEEPEST: usize = 6;
/// Lines below a route that are taken for its handler, unless the next route begins earlier.
const HANDLER: usize = 40;

/// A path that a service answers with GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRoute {
    /// The path: `/orders`.
    pub path: String,
    /// File and line where it stands, relative to the build context: `app/main.py:12`.
    pub place: String,
    /// Whether its handler speaks to a data store.
    pub reads: bool,
}

/// Where a route of whatever method begins, with its path: `@app.route("/x")`, `router.get('/x', …)`, `HandleFunc("GET /x", …)`,
/// `@GetMapping("/x")`, `get "/x" do`, `if path == "/x"`.
static ROUTE: TextPattern = TextPattern::new(
    r#"(\.\w+\(|@\w+Mapping\(|^\s*(?:get|post|put|patch|delete)\s+|path\s*={2,3}\s*)\s*["'`]([A-Z]+ )?(/[^"'`]*)["'`]"#,
);
/// What stands before a path that is answered with GET, without regard to case.
const ASKS: [&str; 8] =
    [".route(", ".add_route(", ".get(", ".handlefunc(", ".handle(", "@getmapping(", "@requestmapping(", "get"];
/// What code that speaks to a data store looks like.
static STORE: TextPattern = TextPattern::new(
    r"(?i)\bexecute\w*\(|\bselect\s.+\sfrom\b|\bcursor\b|\.quer(?:y|ies)\b|\bfetch(?:one|all|val|row)\b|\.(?:incr|hget\w*|hincrby|lrange|lpush|rpush|zadd|smembers)\(|\bredis\b|\bcache\.(?:get|set)\(|\bcollection\b|\.find(?:One|Many|_one|All)?\(|\bsession\.(?:query|scalars|exec)|basic_publish|\bchannel\.",
);

/// The routes in the source below a folder, in the order of files and lines.
pub fn routes(folder: &Path) -> Vec<FoundRoute> {
    let folders = std::iter::once(folder.to_path_buf()).chain(super::folders(folder, DEEPEST));
    let files = folders.flat_map(|folder| super::entries(&folder)).filter(|path| {
        let is_source = path.extension().and_then(|end| end.to_str()).is_some_and(|end| SOURCES.contains(&end));
        // A link may lead anywhere.
        is_source && path.symlink_metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST)
    });
    let of_each = |path: std::path::PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        of_file(&name, &std::fs::read_to_string(&path).unwrap_or_default())
    };
    files.take(MOST_FILES).flat_map(of_each).collect()
}

fn of_file(name: &str, text: &str) -> Vec<FoundRoute> {
    let mut found: Vec<FoundRoute> = Vec::new();
    let mut begun = None;
    for (at, line) in text.lines().enumerate() {
        if let Some(path) = route_of(line) {
            begun = path.is_some().then_some(at);
            found.extend(path.map(|path| FoundRoute { path, place: format!("{name}:{}", at + 1), reads: false }));
        }
        if let (Some(begun), Some(last)) = (begun, found.last_mut())
            && at - begun <= HANDLER
        {
            last.reads |= STORE.is_match(line);
        }
    }
    found
}

/// The path of a line that declares a route, where a load may ask for it; `None` of any other line.
fn route_of(line: &str) -> Option<Option<String>> {
    let found = ROUTE.captures(line).filter(|_| !line.trim_start().starts_with(['#', '*', '/']))?;
    let [word, method, path] = [1, 2, 3].map(|at| found.get(at).map_or("", |part| part.as_str()));
    let word = word.trim().to_lowercase();
    let asks = ASKS.iter().any(|end| word.ends_with(end)) || word.starts_with("path");
    let only_others = !["", "GET "].contains(&method) || line.contains("methods") && !line.contains("GET");
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._~/-".contains(c));
    Some((asks && !only_others && is_plain).then(|| path.to_string()))
}

/// The route that a load should ask for: one that reads from a store, no probe of a machine's; `/` before others.
pub fn best(routes: &[FoundRoute]) -> Option<&FoundRoute> {
    let reading = routes.iter().filter(|route| route.reads && !is_of_machines(&route.path));
    reading.min_by_key(|route| (route.path != "/", is_health(&route.path)))
}

/// Paths that no user asks for.
fn is_of_machines(path: &str) -> bool {
    ["metrics", "admin", "debug", "static", "reset", "delete", "logout"].iter().any(|word| path.contains(word))
}

/// Paths of health checks.
fn is_health(path: &str) -> bool {
    let path = path.to_lowercase();
    ["health", "live", "alive", "ping", "status", "/up", "ready"].iter().any(|word| path.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let routes = routes(dir.path());
        let shown =
            |route: &FoundRoute| format!("{} {}{}", route.place, route.path, if route.reads { " reads" } else { "" });
        let best = best(&routes).map(|route| format!("best {}", route.path));
        routes.iter().map(shown).chain(best).collect()
    }

    #[test]
    fn routes_of_many_frameworks_are_found_and_those_that_read_are_told_from_the_rest() {
        let flask = "@app.route('/healthz')\ndef healthz():\n    return 'ok'\n\n@app.route('/books', methods=['POST'])\n\
                     def add():\n    db.execute('INSERT')\n\n@app.route(\"/books\")\ndef books():\n    return load_books()\n\n\
                     def load_books():\n    cur.execute('SELECT * FROM books')\n@app.route('/books/<id>')\ndef book(id): pass\n";
        assert_eq!(
            of(&[("app.py", flask)]),
            ["app.py:1 /healthz", "app.py:9 /books reads", "best /books"],
            "POST and paths with parameters are none for a load"
        );
        let express = "// app.get('/old', x)\napp.get('/', (req, res) => res.send('hi'));\napp.get('/count', async (req, res) => {\n\
                       res.json(await client.incr('n'));\n});\napp.post('/x', f);\n";
        assert_eq!(
            of(&[("src/index.js", express)]),
            ["src/index.js:2 /", "src/index.js:3 /count reads", "best /count"]
        );
        let go = "func main() {\n\tmux.HandleFunc(\"GET /ready\", ready)\n\tmux.HandleFunc(\"/items\", items)\n}\n\
                  func items(w W, r R) {\n\trows := db.Query(\"SELECT 1 FROM x\")\n}\n";
        assert_eq!(
            of(&[("main.go", go), ("node_modules/x.js", express)]),
            ["main.go:2 /ready", "main.go:3 /items reads", "best /items"]
        );
        assert_eq!(of(&[("a.py", "if self.path == '/x':\n    self.send('x')\n")]), ["a.py:1 /x"]);
        assert!(of(&[]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_source_makes_it_panic(text in "\\PC*|(@app\\.route\\(|'/x'|def abcd\\(|\n|execute\\(|get ){0,12}") {
            let _ = of_file("x.py", &text);
        }
    }
}
