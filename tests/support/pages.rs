//! Pages that were made to hurt whoever reads them: each is a pattern that is repeated until the page has its size.

/// A page: its name, what stands before and behind the pattern, and the pattern; `#` in a pattern is the number of the repetition.
pub struct Shape {
    pub name: &'static str,
    before: &'static str,
    pattern: &'static str,
    behind: &'static str,
}

impl Shape {
    /// The page, as large as whole patterns make it, and never larger than `size`: beyond its limit the reader refuses it.
    pub fn page(&self, size: usize) -> Vec<u8> {
        let mut page = String::with_capacity(size);
        page.push_str(self.before);
        for number in 0.. {
            let pattern = self.pattern.replace('\u{1}', &number.to_string());
            if page.len() + pattern.len() + self.behind.len() > size {
                break;
            }
            page.push_str(&pattern);
        }
        page.push_str(self.behind);
        page.into_bytes()
    }
}

const fn text(name: &'static str, pattern: &'static str) -> Shape {
    Shape { name, before: "# T\n\n## Mitigation\n\n", pattern, behind: "\n" }
}

const fn block(name: &'static str, pattern: &'static str) -> Shape {
    Shape { name, before: "# T\n\n## Mitigation\n\n```bash\n", pattern, behind: "\n```\n" }
}

const fn whole(name: &'static str, pattern: &'static str) -> Shape {
    Shape { name, before: "", pattern, behind: "" }
}

const fn between(name: &'static str, before: &'static str, pattern: &'static str, behind: &'static str) -> Shape {
    Shape { name, before, pattern, behind }
}

/// All of them. `\u{1}` stands for the number of the repetition.
pub const SHAPES: &[Shape] = &[
    // Markdown.
    whole("quotes in quotes", ">"),
    whole("quotes in quotes, a line each", "> > > > > > > > x\n"),
    whole("lists in lists", "- "),
    whole("numbered lists in lists", "1. "),
    text("lists", "1. a\n\ntext\n\n3. If b:\n\n- c\n\n"),
    text("list and fallen fences", "1. a\n```sh\nls\n```\n"),
    between("blanks before fences", "# T\n\n## Mitigation\n\n1. a\n", "\n```\n```\n", "\n"),
    text("links", "[a](b\u{1}.md) "),
    text("links to anchors that are not there", "[a](#b\u{1}) "),
    text("headings and links to anchors that are not there", "## Head \u{1}\n\n[a](#haed-\u{1})\n\n"),
    text("links to a folder that is there", "[a](./b\u{1}.txt)\n"),
    text("reference definitions", "[r\u{1}]: https://example.com/\u{1}\n[r\u{1}]\n\n"),
    text("open brackets", "["),
    text("open images", "![a]("),
    text("open emphasis", "*a **b _c __d "),
    text("open strikethrough", "~~a ~b "),
    text("backticks of every length", "` `` ``` ```` "),
    text("open tags", "<a "),
    text("open tags with attributes", "<a b=c d='e "),
    text("open comments", "<!-- "),
    text("comments on one line", "<!-- firedrill-lint: allow RB107 reason=\"x\" --> TODO "),
    text("comments", "<!-- firedrill-lint: allow RB107 reason=\"x\" -->\nTODO\n\n"),
    text("headings in HTML", "<h1<h2"),
    between("signs in a tag", "# T\n\n<div ", "=", "\n"),
    between("attributes in a tag", "# T\n\n<div ", "a=", "\n"),
    between("attributes in a tag that have no end", "# T\n\n<div ", "a=", ""),
    between("attributes in a tag, open quotes", "# T\n\n<div ", "a='b a=\"", ""),
    text("details with headings", "<details>\n\n#### A \u{1}\n\nb\n\n</details>\n\nc\n\n"),
    text("open details with headings", "<details>\n\n#### A \u{1}\n\nb\n\n"),
    between(
        "details in details",
        "# T\n\n## Fix\n\n",
        "<details>\n\n#### A \u{1}\n\n</details>\n<details>\n<details>\n\n",
        "</details>\n",
    ),
    text("text that is struck out by HTML", "<del>\n\na</del> `ls b` <s>c\n\n"),
    text("entities", "&amp;&#x41;&nbsp;&unknown; "),
    text("footnotes", "a[^\u{1}]\n\n[^\u{1}]: b\n\n"),
    between("a table of many columns", "# T\n\n|", "a|", "\n"),
    text("tables", "| a | b |\n| - | - |\n| TODO | `x` |\n\n"),
    text("headings of one name", "## Mitigation\n\n```sh\nls\n```\n\n"),
    text("headings", "### Restart \u{1}\n\n```sh\nls $A\u{1}\n```\n\n"),
    between("a long heading", "# T\n\n## Mitigation ", "a", "\n\n1. b\n\n   ```sh\n   ls\n   ```\n"),
    text("bold labels", "**Resolution:** restart it\n\ntext\n\n"),
    between("paragraphs and labels", "# T\n\n## Fix\n\n", "a\n\n**Verification:** b\n\n", ""),
    text("one long word", "a"),
    text("one long line of words", "TODO list insert site specific "),
    text("carriage returns", "a\r\n\r\n```sh\r\nls\r\n```\r\n"),
    text("NUL", "a\0 "),
    text("frontmatter", "---\na: b\n---\n"),
    // Secrets and annotations.
    text("names of secrets", "password secret token "),
    text("names of secrets that run on", "secret="),
    text("secrets", "DB_PASSWORD=x9\u{1}Kq27fLz0aPw\n"),
    text("begins of keys", "-----BEGIN PRIVATE KEY-----\n"),
    text("addresses", "https://a:b@c://"),
    between("keys of an annotation", "# T\n\n## Fix\n\n<!-- firedrill: ", "a\u{1}=b ", "-->\n```sh\nls\n```\n"),
    text("annotations", "<!-- firedrill: id=a\u{1} expect=/\\w{20}\u{1}/ timeout=5s -->\n```sh\nls\n```\n"),
    text("conditional blocks that set variables", "If a:\n\n```sh\nA\u{1}=1\nls $B\n```\n\n```sh\nC\u{1}=1\n```\n\n"),
    // Blocks.
    text("tiny blocks", "```sh\na\n```\n"),
    text("blocks without a tag", "```\nls -l\n```\n"),
    text("blocks of SQL", "```sql\nDROP TABLE t\u{1};\n```\n"),
    between("one block of SQL", "# T\n\n```sql\n", "DELETE FROM t\u{1};\n", "```\n"),
    text("open here-documents", "```console\n$ cat <<A\nx\n```\n"),
    text("prompts in open quotes", "```console\n$ echo 'a\n$ echo \"b\nc\n```\n"),
    text("unfinished compounds", "```sh\nif a; then\nfor b in c; do (\n```\n"),
    text("errors", "```sh\n( a ) b ( c\n```\n"),
    block("tables in a block", "NAME  READY  AGE\n"),
    block("dots in a block", "...\n"),
    // Shell.
    block("commands", "echo one two three\n"),
    block("commands on one line", "a; "),
    block("commands on one line before a comment", "echo \"#\"; "),
    block("unset variables", "ls $A <b>\n"),
    block("unset variables of many names", "ls $A\u{1} <b\u{1}>\n"),
    block("inputs on one line", "<pod\u{1}> {{name}} YOUR_KEY {zone} "),
    block("placeholders", "kubectl get pod <pod-name> {{pod}} YOUR_POD\n"),
    block("variables", "A=$B && "),
    block("angles", "<"),
    block("braces", "{"),
    block("parentheses", ")"),
    block("open parentheses", "("),
    block("substitutions", "$("),
    block("processes", "<("),
    block("parameters", "${a:-"),
    block("subscripts", "${a["),
    block("backticks", "`a "),
    block("pipes", "a | "),
    block("pipes of followers", "tail -f x | ssh y | "),
    block("lists", "a && b || "),
    block("background", "ssh a & "),
    block("quotes", "'a \" "),
    block("here-strings", "cat <<<\"a\" "),
    block("here-documents", "cat <<E\na\nE\n"),
    block("here-documents on one line", "cat <<E\u{1} "),
    block("endless here-documents", "cat <<E\n"),
    block("here-documents in here-documents", "bash <<E\u{1}\n"),
    block("case", "case a in b) "),
    block("if", "if a; then "),
    block("loops", "while true; do sleep 1; "),
    block("functions", "f\u{1}() { f\u{1}; f\u{1}; "),
    block(
        "functions that call functions",
        "a() { b;b;b;b;b;b; }; b() { c;c;c;c;c;c; }; c() { d;d;d;d;d; }; d() { e;e;e;e; }; a;a;a;a\n",
    ),
    block("errors in a block", "echo )\n"),
    block("functions of many calls", "f\u{1}() { a;b;c;d;e;f;g;h;i;j;k;l;f\u{1}; }; f1;f2;f3;f4;f5;f6;f7;f8;f9\n"),
    block("functions that call all of them", "f\u{1}() { f1;f2;f3;f4;f5;f6;f7;f8;f9;rm $A\u{1}; }\nf\u{1}\n"),
    block("exports", "export A\u{1}=1\nrm x\n"),
    block("exports of many names", "export A\u{1}=1 B\u{1}=1 C\u{1}=1 D\u{1}=1 E\u{1}=1 F\u{1}=1 G\u{1}=1\n\nrm x\n"),
    between(
        "commands behind an export of many names",
        "# T\n\n## Fix\n\n```bash\nexport A=1 B=1 C=1 D=1 E=1 F=1 G=1 H=1 I=1 J=1 K=1 L=1 M=1 N=1 O=1 P=1 Q=1 R=1\n",
        "rm x\n",
        "```\n",
    ),
    block("ends of a block", "[ -f a\u{1} ] || exit 0\n"),
    text("exports under conditions", "If a:\n\n```sh\nexport A\u{1}=1\nrm x\n```\n\n"),
    block("sudo", "sudo "),
    block("xargs", "xargs "),
    block("curl", "curl http://a.com | "),
    block("eval", "eval sh psql <<<a "),
    block("destruction", "rm -rf /etc/a\u{1}\n"),
    block("destruction on one line", "rm -rf /etc/a # b; "),
    block("destruction of variables", "D=/etc/a\u{1}; rm -rf $D\n"),
    block("destruction behind looks", "ls /etc/a\u{1}\nrm -rf /etc/b\u{1}\n"),
    block("scripts in words", "ssh a 'rm ( b' "),
    block("labels of clouds", "# aws\na\n"),
    block("comments", "# If a: 2. b\nls\n"),
    block("file contents", "key\u{1} = value\n"),
    block("questions", "[ -z \"$A\u{1}\" ] && echo \"$A\u{1}\"; "),
    block("negatives", "test -n $A\u{1} "),
    block("sessions", "ssh host\nls\nexit\n"),
    block("byte order marks", "\u{feff}ls\n"),
    between("a byte order mark", "\u{feff}# T\n\n", "\u{feff}", "\n"),
];

/// What reads a page, by its arguments before the path; each may say that the page has mistakes.
pub const READERS: &[&[&str]] =
    &[&["lint", "--format", "json"], &["lint"], &["show"], &["show", "--format", "json"], &["check"]];

/// The processor time that a reader takes for a page, as the shell counts it. It is ended after `most` seconds, and when it
/// takes more than 4 GiB of addresses.
///
/// # Errors
/// That it did not end by itself with an exit code of its own, or that it refused the page for its size and read nothing.
pub fn processor_time(program: &str, reader: &[&str], page: &std::path::Path, most: u32) -> Result<f64, String> {
    // What it says of a page may be many times its size: only the beginning of it is kept.
    let script = "ulimit -t $1 -v 4194304; shift; TIMEFORMAT='%U %S'
        time \"$@\" > >(head -c 65536; cat >/dev/null) 2>&1; echo $? >&2";
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", script, "bash", &most.to_string(), program]).args(reader).arg(page);
    let output = bash.current_dir(page.parent().unwrap_or(page)).output().map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stdout);
    if told.contains("is larger than") || told.contains("is too large") {
        return Err(format!("{reader:?} of {} refused it for its size", page.display()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [.., user, system, code] if *code < 4.0 => Ok(user + system),
        _ => Err(format!("{reader:?} of {} did not end by itself: {said}", page.display())),
    }
}
