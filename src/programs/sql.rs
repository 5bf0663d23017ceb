//! Whether SQL only looks. The server's dialect is not known here, so what two of them read differently (a backslash before
//! a quote, `#`, `$$`) is not understood, and neither is anything else that is not in the lists below.

use super::among;
use super::effect::Effect;
use crate::bash::{EXPANDED, FILLED};

/// A part of a statement.
#[derive(Debug, PartialEq)]
enum SqlToken<'t> {
    /// A name, a keyword or a number.
    Word(&'t str),
    /// A text or a name in quotes.
    Quoted,
    /// Any other character.
    Sign(char),
    /// A command to the client, up to the end of its line.
    Client(&'t str),
}

/// The effect of the SQL statements that a client (its name, or the tag of a block) is given, with the commands to the client
/// between them. `dynamic`: parts of the text are not known (expansions of a shell, which may bring whole statements).
pub fn of_sql(client: &str, text: &str, dynamic: bool) -> Effect {
    let tokens = match tokens(client, text) {
        Ok(tokens) => tokens,
        Err(why) => return Effect::unknown(format!("SQL: {why}")),
    };
    let statements = tokens.split(|token| *token == SqlToken::Sign(';') || matches!(token, SqlToken::Client(_)));
    let lines = tokens.iter().filter_map(|token| if let SqlToken::Client(line) = token { Some(*line) } else { None });
    let of_line = |line: &str| {
        Effect::looks_if(is_harmless(line), format!("SQL: `{line}` is a command of the client that is not known"))
    };
    let statements = statements.filter(|statement| !statement.is_empty()).map(of_statement);
    let unknown = |why: &str| Effect::unknown(format!("SQL: {why}"));
    match Effect::worst(statements.chain(lines.map(of_line))) {
        None => unknown("there is no statement"),
        Some(effect) if dynamic => effect.or_worse(unknown("a part of the text is filled in by the shell")),
        Some(effect) => effect,
    }
}

/// A meta command of psql or a command of sqlite3. Its arguments hold nothing that either could take for more than a name.
fn is_harmless(line: &str) -> bool {
    let name = line.split_ascii_whitespace().next().unwrap_or_default();
    let plain = line.chars().skip(1).all(|c| c.is_ascii_alphanumeric() || " \t_.*?+=:/@%,-".contains(c));
    let describes =
        name.strip_prefix("\\d").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphabetic() || c == '+'));
    plain && (describes || among(name, words!("meta commands")) || among(name, words!("dot commands")))
}

/// Takes a text apart. Each client has its own sign for the commands to itself.
fn tokens<'t>(client: &str, text: &'t str) -> Result<Vec<SqlToken<'t>>, &'static str> {
    let (mut out, mut at, mut brackets) = (Vec::new(), 0, 0_usize);
    if text.lines().any(is_of_client) {
        return Err("a line that some client takes for a command to itself");
    }
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let line = rest.split('\n').next().unwrap_or_default();
        let begins = matches!(out.last(), None | Some(SqlToken::Sign(';') | SqlToken::Client(_)));
        let mut chars = rest.chars();
        let first = chars.next().unwrap_or_default();
        at += match (first, chars.next()) {
            // What some take for brackets are quotes to others.
            ('\'' | '"' | '`', _) | ('-', Some('-')) | ('/', Some('*')) if brackets > 0 => {
                return Err("quotes in brackets");
            }
            ('-', Some('-')) => match rest.as_bytes().get(2) {
                None | Some(b' ' | b'\t' | b'\n') => line.len(),
                Some(_) => return Err("`--` without a blank is no comment for every client"),
            },
            ('/', Some('*')) => comment(rest)?,
            ('\'' | '"' | '`', _) => {
                out.push(SqlToken::Quoted);
                quoted(rest, first)?
            }
            // MySQL ends a statement with `\G`.
            ('\\', Some('G')) => {
                out.push(SqlToken::Client("\\G"));
                2
            }
            ('\\', _) if client != "psql" => return Err("a backslash"),
            ('\\', _) | ('.', _) if first == '\\' || begins && client.starts_with("sqlite") => {
                out.push(SqlToken::Client(line.trim_end()));
                line.len()
            }
            ('!', next) if !matches!(next, Some('=' | '~')) => return Err("an exclamation mark"),
            ('#', _) => return Err("`#` is a comment for some clients"),
            ('$', Some(c)) if !c.is_ascii_digit() => return Err("quotes of the form `$$`"),
            ('@', Some('@')) | (':', Some(':' | '=')) => {
                out.push(SqlToken::Sign(first));
                2
            }
            (':', Some(c)) if c.is_ascii_alphabetic() || "'\"_{".contains(c) => return Err("a variable of the client"),
            (c, _) if c.is_whitespace() => c.len_utf8(),
            (c, _) if is_of_word(c) => {
                let width = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
                out.push(SqlToken::Word(rest.get(..width).unwrap_or_default()));
                width
            }
            (c, _) => {
                brackets = match c {
                    '[' => brackets + 1,
                    ']' => brackets.saturating_sub(1),
                    _ => brackets,
                };
                out.push(SqlToken::Sign(c));
                c.len_utf8()
            }
        };
    }
    Ok(out)
}

/// Whether a line is a command to some client, or ends a statement for it: `source FILE` of mysql and cqlsh, `go` of sqlcmd
/// and sqlite3.
fn is_of_client(line: &str) -> bool {
    let word = line.trim_start().split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    among(&word.to_ascii_lowercase(), words!("client lines")) || line.trim() == "/"
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == FILLED || c == EXPANDED
}

/// The width of a comment.
fn comment(rest: &str) -> Result<usize, &'static str> {
    let body = rest.get(2..).unwrap_or_default();
    let end = body.find("*/").ok_or("a comment without an end")?;
    match body.get(..end) {
        Some(body) if body.contains("/*") || body.starts_with(['!', 'M']) => {
            Err("a comment that is code for some servers")
        }
        _ => Ok(end + 4),
    }
}

/// The width of what stands in quotes. A quote ends where every dialect ends it.
fn quoted(rest: &str, quote: char) -> Result<usize, &'static str> {
    let mut backslashes = 0;
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => backslashes += 1,
            // A backtick is a quote for MySQL alone.
            _ if quote == '`' && c != '`' && !is_of_word(c) && c != '.' => return Err("a backtick"),
            c if c == quote => {
                if backslashes % 2 == 1 {
                    return Err("a backslash before a quote");
                }
                if chars.next_if(|(_, next)| *next == quote).is_none() {
                    return Ok(at + 1);
                }
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
    }
    Err("a quote without an end")
}

/// The effect of one statement.
fn of_statement(statement: &[SqlToken<'_>]) -> Effect {
    let lowered =
        |token: &SqlToken<'_>| if let SqlToken::Word(word) = token { Some(word.to_lowercase()) } else { None };
    let lower: Vec<Option<String>> = statement.iter().map(lowered).collect();
    let word = |at: usize| lower.get(at).and_then(Option::as_deref).unwrap_or_default();
    let first = word(0);
    if among(first, words!("sql changes")) && !among(first, words!("sql looks")) {
        return Effect::changes(format!("SQL: `{}`", first.to_uppercase()));
    }
    if !among(first, words!("sql looks")) {
        let begin = shown(statement.first());
        return Effect::unknown(format!("SQL: a statement that begins with `{begin}` is not known"));
    }
    let strange = match first {
        "set" => {
            let at = if matches!(word(1), "session" | "local") { 2 } else { 1 };
            // Another assignment may stand behind a comma, for the whole server: `SET max_execution_time = 1, GLOBAL read_only = OFF`.
            let several = statement.iter().any(|token| matches!(token, SqlToken::Sign(',' | '@')));
            several && word(at) != "datestyle"
                || !among(word(at), words!("sql settings"))
                || word(at) == "time" && word(at + 1) != "zone"
        }
        "pragma" => !among(word(1), words!("sql pragmas")) || statement.contains(&SqlToken::Sign('=')),
        // They end with their line for mysql: what follows is a statement of its own.
        "use" | "help" => statement.len() > 2,
        _ => false,
    };
    if strange {
        return Effect::unknown(format!("SQL: `{} {}` is not known", first.to_uppercase(), shown(statement.get(1))));
    }
    let shows = first == "show" && word(1) == "create";
    for at in 0..statement.len() {
        let (before, now) = (at.checked_sub(1).map(word).unwrap_or_default(), word(at));
        let function = now == "truncate" && statement.get(at + 1) == Some(&SqlToken::Sign('('));
        let locks =
            before == "for" && (matches!(now, "update" | "share" | "no" | "key") || now.contains([FILLED, EXPANDED]));
        if at > 0 && !shows && (locks || among(now, words!("sql acts")) && !function) {
            return Effect::changes(format!("SQL: `{}`", now.to_uppercase()));
        }
        // A sequence of MariaDB: `NEXT VALUE FOR s`, and `s.nextval` as Oracle has it.
        let of_sequence = before == "next" && now == "value" && word(at + 1) == "for";
        if of_sequence || now == "nextval" && statement.get(at - usize::from(at > 0)) == Some(&SqlToken::Sign('.')) {
            return Effect::changes("SQL: the next value of a sequence is taken".to_string());
        }
        // A value stands where a value stands, and is no word of the statement.
        let sign = at.checked_sub(1).and_then(|at| statement.get(at));
        let compared = matches!(sign, Some(SqlToken::Sign('=' | '<' | '>' | '(' | ',')));
        let fits = compared || among(before, "from join limit offset like ilike table describe desc use");
        if now.contains([FILLED, EXPANDED]) && !(fits && statement.get(at + 1) != Some(&SqlToken::Sign('('))) {
            return Effect::unknown("SQL: a word that is filled in could be one of the statement".to_string());
        }
        if let (Some(SqlToken::Sign('(')), false) = (statement.get(at), first == "pragma")
            && let Some(why) = calls(statement, at, word(at.saturating_sub(1)))
        {
            return why;
        }
    }
    Effect::looks()
}

/// What is wrong with the parenthesis at `at`, behind `name`: what is called there may do anything.
fn calls(statement: &[SqlToken<'_>], at: usize, name: &str) -> Option<Effect> {
    let before = |back: usize| at.checked_sub(back).and_then(|at| statement.get(at));
    match before(1) {
        Some(SqlToken::Word(_)) => {}
        Some(SqlToken::Quoted) | Some(SqlToken::Sign(')' | ']')) => {
            return Some(Effect::unknown("SQL: it is not known what a parenthesis calls".to_string()));
        }
        _ => return None,
    }
    let qualified = before(2) == Some(&SqlToken::Sign('.'));
    let of_system = matches!(before(3), Some(SqlToken::Word(schema)) if schema.eq_ignore_ascii_case("pg_catalog"));
    let qualifier = match before(3) {
        Some(SqlToken::Word(schema)) if qualified => format!("{schema}."),
        _ => String::new(),
    };
    let own = !qualified || of_system && !matches!(before(4), Some(SqlToken::Sign('.')));
    match () {
        () if own && (among(name, words!("sql harmless")) || name.starts_with("pg_stat_get_")) => None,
        () if among(name, words!("sql functions")) => {
            Some(Effect::changes(format!("SQL: the function `{qualifier}{name}()` changes")))
        }
        () => Some(Effect::unknown(format!("SQL: the function `{qualifier}{name}()` is not known"))),
    }
}

fn shown(token: Option<&SqlToken<'_>>) -> String {
    match token {
        Some(SqlToken::Word(word)) => word.replace([FILLED, EXPANDED], "…"),
        Some(SqlToken::Sign(c)) => c.to_string(),
        Some(SqlToken::Client(line)) => (*line).to_string(),
        Some(SqlToken::Quoted) => "a quote".to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::EffectKind;

    #[test]
    fn statements_that_only_look() {
        for text in [
            "SELECT 1",
            "select 1;",
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'",
            "SELECT pid, now() - query_start AS age FROM pg_stat_activity ORDER BY age DESC LIMIT 5",
            "SELECT pid FROM pg_stat_activity WHERE query ILIKE '%delete from%'",
            "SELECT pg_size_pretty(pg_total_relation_size('orders'))",
            "SELECT pg_catalog.pg_is_in_recovery()",
            "SELECT pg_stat_get_backend_pid(1)",
            "SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) FROM t WHERE d IN (1, 2) AND NOT (e)",
            "SELECT * FROM a JOIN b USING (id) WHERE EXISTS (SELECT 1 FROM c)",
            "SELECT \"delete\", `update` FROM t",
            "SELECT 'it''s', \"a\"\"b\" FROM t -- the last one",
            "SELECT /* all */ a FROM t",
            "SELECT extract(epoch from now())::int, a.b::text FROM t",
            "SELECT replace(a, 'x', 'y'), left(b, 3) FROM t",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "VALUES (1), (2)",
            "TABLE orders",
            "SHOW max_connections",
            "SHOW CREATE TABLE orders",
            "SHOW FULL PROCESSLIST",
            "SHOW ENGINE INNODB STATUS\\G",
            "EXPLAIN SELECT * FROM t",
            "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM t",
            "explain analyze select * from t where a = 1",
            "DESCRIBE orders",
            "DESC orders",
            "USE shop; SELECT 1",
            "HELP topics",
            "SET statement_timeout = '5s'; SELECT 1",
            "SET SESSION lock_timeout = 1; SELECT 1",
            "SET TIME ZONE 'UTC'",
            "PRAGMA table_info(orders)",
            "PRAGMA integrity_check",
            "SELECT round(avg(a)::numeric(10, 2), 1) FROM t",
            "SELECT a FROM t WHERE b = @@max_connections",
        ] {
            assert_eq!(of_sql("psql", text, false), Effect::looks(), "{text}");
        }
        for text in
            ["\\l+", "\\d orders", "\\dt+ public.*", "\\x\nSELECT 1;", "\\timing on\nSELECT 1;\n\\q", "\\conninfo"]
        {
            assert_eq!(of_sql("psql", text, false), Effect::looks(), "{text}");
        }
        for text in [".tables", ".schema orders", ".headers on\nSELECT 1;", ".mode column\nSELECT 1;"] {
            assert_eq!(of_sql("sqlite3", text, false), Effect::looks(), "{text}");
        }
    }

    #[test]
    fn statements_that_change_something() {
        for text in [
            "UPDATE a SET b = 1",
            "DELETE FROM a",
            "insert into a values (1)",
            "DROP TABLE a",
            "TRUNCATE a",
            "ALTER SYSTEM SET x = 1",
            "CREATE INDEX CONCURRENTLY a ON b (c)",
            "VACUUM FULL",
            "COPY a TO '/x'",
            "CALL fix()",
            "KILL 5",
            "BEGIN; SELECT 1; COMMIT",
            "SELECT 1; DELETE FROM a",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
            "SELECT pg_catalog.pg_terminate_backend(1)",
            "select nextval('s')",
            "select next value for s",
            "SELECT s.nextval",
            "SELECT set_config('a', 'b', false)",
            "WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a",
            "SELECT * INTO b FROM a",
            "SELECT * FROM a INTO OUTFILE '/x'",
            "SELECT * FROM a FOR UPDATE",
            "SELECT * FROM a FOR NO KEY UPDATE",
            "SELECT * FROM a FOR SHARE",
            "SELECT * FROM a LOCK IN SHARE MODE",
            "SELECT * FROM a PROCEDURE ANALYSE()",
            "EXPLAIN ANALYZE DELETE FROM a",
        ] {
            assert_eq!(of_sql("psql", text, false).kind, EffectKind::Changes, "{text}");
        }
    }

    #[test]
    fn statements_that_are_not_understood() {
        for text in [
            "",
            ";",
            "-- SELECT 1",
            "SELECT ops.fix()",
            "SELECT ops.count(1)",
            "SELECT shop.pg_catalog.count(1)",
            "SELECT * FROM fix()",
            "SELECT \"pg_terminate_backend\"(1)",
            "SELECT `fix`(1)",
            "SELECT query_to_xml('delete from a', true, true, '')",
            "SELECT pg_advisory_unlock(1)",
            "SELECT dblink('x', 'y')",
            "SET GLOBAL max_connections = 1",
            "SET max_execution_time = 1000, GLOBAL read_only = OFF",
            "SET SESSION max_execution_time = 1, PERSIST max_connections = 1",
            "SET max_statement_time = @@GLOBAL.x",
            "SET search_path = ops",
            "SET ROLE admin",
            "SET SESSION AUTHORIZATION admin",
            "SET PASSWORD = 'x'",
            "PRAGMA journal_mode = WAL",
            "PRAGMA journal_mode(WAL)",
            "PRAGMA wal_checkpoint",
            "SELECT 1 -- a\nFROM fix()",
            "SELECT 1--1; DROP TABLE x",
            "SELECT 'a\\'; DROP TABLE x; -- '",
            "SELECT 'a",
            "SELECT 1 # '\n; DROP TABLE x; -- '",
            "SELECT $$ ' $$, ' ; DROP TABLE x; -- '",
            "SELECT $a$; DROP TABLE x; SELECT $a$",
            "SELECT `'` , '; DROP TABLE x; --'",
            "SELECT [a'] ; DROP TABLE x; SELECT [b']",
            "SELECT [a--] ; DROP TABLE x;",
            "SELECT [a/*] ; DROP TABLE x; SELECT [*/]",
            "SELECT /*! 1; DROP TABLE x */",
            "SELECT /*M!100 1; DROP TABLE x */",
            "SELECT /* /* */ 1; DROP TABLE x */",
            "SELECT :x",
            "SELECT :'x'",
            "SELECT 1\n!!rm x\nGO",
            "\\! rm x",
            "\\o /x",
            "\\i x",
            "\\copy a to b",
            "SELECT 1 \\g /x",
            "SELECT 'delete from a' \\gexec",
            "SELECT 1 \\watch",
            "\\echo `rm x`",
            "\\d x \\! rm x",
            "\\set x `rm x`",
            ".shell rm x",
            "SELECT a FROM b\n.tables FOR UPDATE",
            "\u{e000} TABLE x",
            "SELECT a \u{e000} b FROM c",
            "SELECT \u{e000}(1)",
            "SELECT 1 FOR \u{e000}",
            "USE x\nsystem rm x",
            "USE x\nRESET MASTER",
            "HELP x\nSET GLOBAL a = 1",
            "SELECT 1\ngo\n.shell rm x",
            "SELECT 1\n/\n.shell rm x",
            "DESCRIBE x\nSOURCE '/x'",
            "SELECT 1\nGO\nRECONFIGURE",
        ] {
            assert_ne!(of_sql("psql", text, false).kind, EffectKind::Looks, "{text}");
            assert_ne!(of_sql("mysql", text, false).kind, EffectKind::Looks, "{text}");
        }
        for text in ["\\pset global max_connections=1", "\\d x", "\\dt", "system rm x", "\\! rm x", "delimiter //"] {
            assert_ne!(of_sql("mysql", text, false).kind, EffectKind::Looks, "{text}");
        }
        for text in
            [".shell rm x", ".output x", ".read x", ".tables 'x\nDROP TABLE a;\nSELECT '", "SELECT 1;\n.system rm x"]
        {
            assert_ne!(of_sql("sqlite3", text, false).kind, EffectKind::Looks, "{text}");
        }
        assert_eq!(of_sql("psql", "SELECT 1", true).kind, EffectKind::Unknown);
        assert_eq!(
            of_sql("psql", "SELECT * FROM a WHERE b = \u{e000} AND c = '\u{e000}'", false).kind,
            EffectKind::Looks
        );
    }
}
