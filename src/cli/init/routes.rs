//! Which paths a service answers and which of them need its data store, as far as its source tells: a load on a path that
//! needs nothing proves nothing about a database.

use regex::Regex;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

/// Files that are read, by their extension.
const SOURCES: [&str; 11] = ["py", "js", "mjs", "cjs", "ts", "rb", "go", "php", "java", "kt", "rs"];
/// Folders that hold other people's code, or none.
const FOREIGN: [&str; 7] = ["node_modules", "vendor", "target", "dist", "build", "venv", "site-packages"];
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

/// `@app.route("/x")`, `router.get('/x', …)`, `HandleFunc("GET /x", …)`, `@GetMapping("/x")`, `get "/x" do`,
/// `"/x": {"GET": …}`, `if path == "/x"`.
static ROUTE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = r"(?:\.(?:route|get|GET|Get|HandleFunc|Handle|add_route)\(|@GetMapping\(|@RequestMapping\(|^\s*get\s+|path\s*={2,3}\s*)";
    let quoted = r#"["'`](?:GET )?(/[A-Za-z0-9._~/-]*)["'`]"#;
    Regex::new(&format!(r#"{words}\s*{quoted}|["'](/[A-Za-z0-9._~/-]*)["']\s*:\s*\{{\s*["']GET["']"#)).ok()
});
/// Where any route begins, of whatever method: the one before ends there.
static BOUNDARY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = r"(?:\.\w+\(|Mapping\(|^\s*(?:get|post|put|patch|delete)\s+|path\s*={2,3}\s*)";
    Regex::new(&format!(r#"{words}\s*["'`](?:[A-Z]+ )?/|["']/[^"']*["']\s*:\s*\{{"#)).ok()
});
/// What code that speaks to a data store looks like.
static STORE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\bexecute\w*\(|\bselect\s.+\sfrom\b|\bcursor\b|\.quer(?:y|ies)\b|\bfetch(?:one|all|val|row)\b|\.(?:incr|hget\w*|hincrby|lrange|lpush|rpush|zadd|smembers)\(|\bredis\b|\bcache\.(?:get|set)\(|\bcollection\b|\.find(?:One|Many|_one|All)?\(|\bsession\.(?:query|scalars|exec)|basic_publish|\bchannel\.",
    )
    .ok()
});
static FUNCTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\s*(?:async\s+|export\s+)*(?:def|function|func|fn|fun)\s+(?:\([^)]*\)\s*)?(\w+)").ok()
});

/// The routes in the source below a folder, in the order of files and lines; those that the next one cannot do without first.
pub fn routes(folder: &Path) -> Vec<FoundRoute> {
    let mut files = Vec::new();
    collect(folder, folder, DEEPEST, &mut files);
    let functions: Vec<(String, String)> = files.iter().flat_map(|(_, text)| functions(text)).collect();
    let mut touching: BTreeSet<&str> = BTreeSet::new();
    // What calls a function that speaks to a store speaks to it as well.
    loop {
        let before = touching.len();
        for (name, body) in &functions {
            // A short name is anything's.
            if name.len() >= 4 && speaks(body, &touching) {
                touching.insert(name);
            }
        }
        if touching.len() == before {
            break;
        }
    }
    files.iter().flat_map(|(name, text)| of_file(name, text, &touching, &functions)).collect()
}

fn of_file(name: &str, text: &str, touching: &BTreeSet<&str>, functions: &[(String, String)]) -> Vec<FoundRoute> {
    let lines: Vec<&str> = text.lines().collect();
    let paths: Vec<Option<String>> = lines.iter().map(|line| path_of(line)).collect();
    let mut found = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let Some(path) = path else { continue };
        let rest = lines.get(at + 1..).unwrap_or_default();
        let next = |line: &str| BOUNDARY.as_ref().is_some_and(|boundary| boundary.is_match(line));
        let length = rest.iter().position(|line| next(line)).unwrap_or(rest.len()).min(HANDLER);
        let handler = lines.get(at..at + 1 + length).unwrap_or_default().join("\n");
        // `"/x": {"GET": handler}` and `get("/x", handler)` name it.
        let line = lines.get(at).copied().unwrap_or_default().replace(path, "");
        let named = functions.iter().any(|(name, _)| touching.contains(name.as_str()) && names(&line, name));
        let reads = named || speaks(&handler, touching);
        found.push(FoundRoute { path: path.clone(), place: format!("{name}:{}", at + 1), reads });
    }
    found
}

/// The path of a line that declares a route for GET.
fn path_of(line: &str) -> Option<String> {
    let found = ROUTE.as_ref()?.captures(line)?;
    let path = found.get(1).or_else(|| found.get(2))?.as_str().to_string();
    let only_others = line.contains("methods") && !line.contains("GET");
    (!only_others && !line.trim_start().starts_with(['#', '*']) && !line.trim_start().starts_with("//")).then_some(path)
}

fn speaks(text: &str, touching: &BTreeSet<&str>) -> bool {
    STORE.as_ref().is_some_and(|store| store.is_match(text))
        || touching.iter().any(|name| names(text, name) && text.contains(&format!("{name}(")))
}

fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// The functions of a file, each with its text.
fn functions(text: &str) -> Vec<(String, String)> {
    let Some(function) = FUNCTION.as_ref() else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (function.captures(line), found.last_mut()) {
            (Some(begins), _) => found.push((begins[1].to_string(), String::new())),
            (None, Some((_, body))) => body.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

fn collect(folder: &Path, root: &Path, depth: usize, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A link may lead anywhere.
        let Ok(about) = path.symlink_metadata() else { continue };
        if name.starts_with('.') || files.len() >= MOST_FILES {
            continue;
        }
        if about.is_dir() && depth > 0 && !FOREIGN.contains(&name.as_str()) {
            collect(&path, root, depth - 1, files);
        } else if about.is_file()
            && about.len() <= LARGEST
            && path.extension().and_then(|end| end.to_str()).is_some_and(|end| SOURCES.contains(&end))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push((name, text));
        }
    }
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
pub fn is_health(path: &str) -> bool {
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
        let wsgi = "ROUTES = {\n    \"/checkout\": {\"POST\": checkout},\n    \"/healthz\": {\"GET\": healthz},\n}\n\
                    def healthz(env):\n    orders.select_one()\n";
        let orders = "def select_one():\n    with pool() as c:\n        c.execute('SELECT 1')\n";
        assert_eq!(of(&[("app.py", wsgi), ("orders.py", orders)]), ["app.py:3 /healthz reads", "best /healthz"]);
        assert_eq!(of(&[("a.py", "if self.path == '/x':\n    self.send('x')\n")]), ["a.py:1 /x"]);
        assert!(of(&[]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_source_makes_it_panic(text in "\\PC*|(@app\\.route\\(|'/x'|def abcd\\(|\n|execute\\(|get ){0,12}") {
            let _ = of_file("x.py", &text, &BTreeSet::new(), &functions(&text));
        }
    }
}
