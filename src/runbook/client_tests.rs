//! SQL as clients get it: what is an input in it, and which values may stand there.

use super::*;
use crate::runbook::{Runbook, parse_with};
use crate::source::{Diagnostics, Source, render};
use proptest::prelude::*;

fn names(text: &str) -> Vec<String> {
    find(text, Dialect::Any).into_iter().map(|p| text[p.span.start..p.span.end].to_string()).collect()
}

fn read(text: &str, clients: &[&str]) -> Runbook {
    let clients = clients.iter().map(|tag| tag.to_string()).collect();
    let mut diags = Diagnostics::default();
    let runbook = parse_with(&Source::new("x.md", text), &clients, &mut diags).unwrap();
    assert!(diags.all.is_empty(), "{}", render(&diags, false));
    runbook
}

fn sql(text: &str) -> Command {
    let runbook = read(&format!("## Fix\n\n```sql\n{text}\n```\n"), &["sql"]);
    runbook.steps[0].commands()[0].clone()
}

#[test]
fn comparisons_are_no_inputs() {
    for text in [
        "select 1 where a < b and c > d",
        "select 1 where a <b and c> d",
        "select 1 where a<b and c>d",
        "where a <= b or a >= c or a <> d or x<5 and y>6",
        "select a <-> b, c <@ d, e @> f, g << h",
        "select 1; -- then <pid>",
        "/* <pid> */ select 1",
        "select '{a,b}', '<b>x</b>'",
    ] {
        assert_eq!(names(text), [""; 0], "{text}");
    }
    for (text, expected) in [
        ("select kill(<pid>)", vec!["<pid>"]),
        ("where name = '<value from the alert>' and n<5", vec!["<value from the alert>"]),
        ("where n < <limit>", vec!["<limit>"]),
        ("where n <<limit>", vec![]),
        ("drop table orders_<date>, {{ table }}, YOUR_TABLE", vec!["<date>", "{{ table }}", "YOUR_TABLE"]),
        ("select '<user's name>' || '--' || <x>", vec!["<user's name>", "<x>"]),
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn a_block_is_one_command_with_its_text_as_it_was_written() {
    let text = "## Fix\n\n1. End it.\n\n   ```SQL\n\n     SELECT 1 <2\n     ;\n   SELECT <pid>;\n\n   ```\n";
    let runbook = read(text, &["sql"]);
    let [command] = runbook.steps[0].commands() else { panic!("{runbook:?}") };
    assert_eq!(command.text, "  SELECT 1 <2\n  ;\nSELECT <pid>;");
    assert_eq!((command.line, command.column, command.language.as_str()), (7, 4, "sql"));
    assert_eq!((command.inputs[0].line, command.inputs[0].column), (9, 11));
    assert!(!command.is_shell());
}

#[test]
fn a_session_yields_its_statements() {
    let text = "## Fix\n\n```\nshop=# SELECT pid\nshop-# FROM x;\n pid\n-----\n  1\n\nshop=# SELECT kill(<pid>);\n```\n\n```console\nmysql> SHOW\n    -> TABLES;\nEmpty set\n```\n\n```\n10.0.0.1:6379> PING\nPONG\n```\n";
    let runbook = read(text, &["psql", "mysql"]);
    let commands: Vec<_> = runbook.steps[0].commands().iter().collect();
    let told: Vec<_> = commands.iter().map(|c| (c.text.as_str(), c.language.as_str(), c.line, c.column)).collect();
    assert_eq!(
        told,
        [
            ("SELECT pid\nFROM x;", "psql", 4, 8),
            ("SELECT kill(<pid>);", "psql", 10, 8),
            ("SHOW\nTABLES;", "mysql", 14, 8)
        ]
    );
    assert_eq!(commands[0].expected.as_deref(), Some(" pid\n-----\n  1"));
    assert_eq!((commands[0].block, commands[2].block), (0, 1));
    assert_eq!(read(text, &["redis"]).steps.last().unwrap().commands()[0].text, "PING");
}

#[test]
fn statements_that_need_one_client_are_one_command() {
    let read = |tag: &str, lines: &str| {
        let runbook = read(&format!("## Fix\n\n```\n{lines}\n```\n"), &[tag]);
        let texts = runbook.steps[0].commands().iter().map(|command| command.text.clone());
        (texts.collect::<Vec<_>>(), runbook.steps[0].manual.clone().unwrap_or_default())
    };
    for (tag, lines, commands) in [
        (
            "psql",
            "s=# BEGIN;\nBEGIN\ns=*# UPDATE a\ns-*# SET b = 1;\nUPDATE 1\ns=*# COMMIT;",
            vec!["BEGIN;\nUPDATE a\nSET b = 1;\nCOMMIT;"],
        ),
        ("psql", "s=# SET lock_timeout = 1;\ns=# SELECT 1;", vec!["SET lock_timeout = 1;\nSELECT 1;"]),
        ("psql", "s=# \\c shop\ns=# SELECT 1;", vec!["\\c shop\nSELECT 1;"]),
        (
            "psql",
            "s=# CREATE TEMP TABLE a AS SELECT 1;\ns=# SELECT * FROM a;",
            vec!["CREATE TEMP TABLE a AS SELECT 1;\nSELECT * FROM a;"],
        ),
        (
            "psql",
            "s=# UPDATE a SET b = 'begin';\ns=# SELECT 1; -- use it",
            vec!["UPDATE a SET b = 'begin';", "SELECT 1; -- use it"],
        ),
        ("mysql", "mysql> use shop\nmysql> DELETE FROM a;", vec!["use shop\nDELETE FROM a;"]),
        ("redis", "10.0.0.1:6379> SELECT 2\nOK\n10.0.0.1:6379[2]> DEL a", vec!["SELECT 2\nDEL a"]),
        (
            "redis",
            "10.0.0.1:6379> MULTI\n10.0.0.1:6379(TX)> SET a 1\n10.0.0.1:6379(TX)> EXEC",
            vec!["MULTI\nSET a 1\nEXEC"],
        ),
        ("redis", "10.0.0.1:6379[2]> SET a 1\n10.0.0.1:6379[2]> GET a", vec!["SET a 1", "GET a"]),
        ("mysql", "mysql> START SLAVE;\nmysql> SELECT 1;", vec!["START SLAVE;", "SELECT 1;"]),
        (
            "mysql",
            "mysql> FLUSH TABLES WITH READ LOCK;\nmysql> SELECT 1;",
            vec!["FLUSH TABLES WITH READ LOCK;\nSELECT 1;"],
        ),
        (
            "mysql",
            "mysql> SELECT id INTO @x FROM a;\nmysql> DELETE FROM a WHERE id = @x;",
            vec!["SELECT id INTO @x FROM a;\nDELETE FROM a WHERE id = @x;"],
        ),
        (
            "mysql",
            "mysql> SHOW GRANTS FOR root@localhost;\nmysql> SELECT @@version, '@x';",
            vec!["SHOW GRANTS FOR root@localhost;", "SELECT @@version, '@x';"],
        ),
        ("python", ">>> for i in a:\n...     print(i)\n...\n1\n>>> b()", vec!["for i in a:\n    print(i)\n\nb()"]),
        ("python", ">>> x = 1\n>>> print(x)\n1", vec!["x = 1\nprint(x)"]),
    ] {
        assert_eq!(read(tag, lines).0, commands, "{lines}");
    }
    for lines in ["s=# BEGIN;\ns=*# UPDATE a SET b = 1;", "s=# COMMIT;"] {
        let (_, why) = read("psql", lines);
        assert!(why.contains("transaction"), "{lines}: {why}");
    }
    let block = |text: &str| {
        let runbook = super::tests::read(&format!("## Fix\n\n```sql\n{text}\n```\n"), &["sql"]);
        runbook.steps[0].commands().len()
    };
    for (text, runs) in [
        ("BEGIN;\nUPDATE a SET b = 1;", 0),
        ("START TRANSACTION;\nUPDATE a SET b = 1;\nROLLBACK TO x;", 0),
        ("ROLLBACK;", 0),
        ("BEGIN;\nUPDATE a SET b = 1;\nCOMMIT;", 1),
        ("DO $$ BEGIN PERFORM 1; END $$;", 1),
        ("ROLLBACK PREPARED 'x';", 1),
        ("SET autocommit=0;\nDELETE FROM a;\nCOMMIT;", 1),
        ("SELECT 1; -- ; begin", 1),
    ] {
        assert_eq!(block(text), runs, "{text}");
    }
    let redis = super::tests::read("## Fix\n\n```redis-cli\nMULTI\nSET a 1\n```\n", &["redis-cli"]);
    assert_eq!(redis.steps[0].commands().len(), 0, "its transaction is never carried out");
    let runbook =
        super::tests::read("## Fix\n\n```\ns=# BEGIN;\nBEGIN\ns=*# SELECT <pid>;\n1\ns=*# END;\n```\n", &["psql"]);
    let [command] = runbook.steps[0].commands() else { panic!("{runbook:?}") };
    assert_eq!(command.expected.as_deref(), Some("BEGIN\n1"));
    assert_eq!((command.line, command.column, command.inputs[0].line, command.inputs[0].column), (4, 5, 6, 13));
}

#[test]
fn without_a_client_it_says_which_key_to_write() {
    let runbook = read("## Fix\n\n```sql\nselect 1;\n```\n", &[]);
    let Some(why) = &runbook.steps[0].manual else { panic!("{runbook:?}") };
    assert_eq!(why, "`sql` needs a client, and none is named for it (`clients: { sql: … }` in the scenario)");
}

#[test]
fn values_stay_values() {
    let filled = |text: &str, value: &str| sql(text).fill(|_| Some(value.to_string())).ok();
    let some = |text: &str| Some(text.to_string());
    assert_eq!(filled("select '<x>'", "o'brien; --"), some("select 'o''brien; --'"));
    assert_eq!(filled("select \"<x>\"", "a\"b'c"), some("select \"a\"\"b'c\""));
    assert_eq!(
        filled("select * from <x> where n in (<x>)", "1, -2.5,sales.orders"),
        some("select * from 1, -2.5,sales.orders where n in (1, -2.5,sales.orders)")
    );
    for hostile in ["1; drop table x", "", "a b", "1 --", "x/**/y", "a\nb", "'a'", "1)", "a--b"] {
        assert_eq!(filled("select <x>", hostile), None, "{hostile}");
        assert_eq!(filled("do $$ select '<x>' $$", hostile), None, "{hostile}");
        assert_eq!(filled("select `<x>`", hostile), None, "{hostile}");
        assert_eq!(sql("select <x>").refused(|_| Some(hostile.to_string())).len(), 1);
    }
    // A backslash escapes the closing quote in some dialects.
    assert_eq!(filled("select '<x>'", "a\\"), None);
    assert_eq!(filled("select E'\\'', '<x>'", "o'b"), None);
    assert_eq!(filled("select E'\\'', '<x>'", "ob"), some("select E'\\'', 'ob'"));
    assert_eq!(sql("select <x>").fill(|_| None).unwrap_err().len(), 1);
}

#[test]
fn comments_of_a_dialect_do_not_flip_the_quotes() {
    let filled = |tag: &str, text: &str| {
        let runbook = read(&format!("## Fix\n\n```{tag}\n{text}\n```\n"), &[tag]);
        let command = &runbook.steps[0].commands()[0];
        assert_eq!(command.inputs.len(), 1, "{tag}: {text}");
        command.fill(|_| Some("1 or 1=1; drop table t".to_string())).is_ok()
    };
    let hash = "# don't\nselect <x>; # it's";
    let nested = "/* a /* b */ don't */ select <x>; -- it's";
    let flat = "/* a /* b */ select <x>; /* */";
    for (tag, text) in [
        ("mysql", hash),
        ("mariadb", hash),
        ("sql", hash),
        ("postgres", nested),
        ("psql", nested),
        ("sql", nested),
        ("mysql", flat),
        ("mysql", "select 5--'1', <x>, '"),
        ("mysql", "/*! select ' */ , <x>, '"),
        ("mysql", "select $$, '$$, <x>'"),
    ] {
        let quoted_after_all = text.starts_with("select $$");
        assert_eq!(filled(tag, text), quoted_after_all, "{tag}: {text}");
    }
    // Where it is known what is a comment, quotes keep any value.
    assert!(filled("mysql", "# don't\nselect '<x>'") && filled("psql", "/* /* ' */ */ select '<x>'"));
    assert!(filled("psql", "select a #> '<x>'") && !filled("sql", "select a #> '<x>'"));
}

proptest! {
    #[test]
    fn any_text_and_any_value(text in "[a-c<> '\"`${}Y\\-/*;\\n_é\\\\]{0,60}", value in "\\PC{0,12}") {
        let found = find(&text, Dialect::Any);
        let mut at = 0;
        for p in &found {
            prop_assert!(at <= p.span.start && text.get(p.span.start..p.span.end).is_some());
            at = p.span.end;
        }
        let inputs = found.into_iter().map(|p| RunbookInput { name: "x".into(), span: p.span, ..RunbookInput::default() });
        let mut command = sql("select 1");
        command.inputs = inputs.collect();
        command.text.clone_from(&text);
        let refused = command.refused(|_| Some(value.clone()));
        prop_assert_eq!(command.fill(|_| Some(value.clone())).is_err(), !refused.is_empty());
    }

    /// Between the quotes there is one text, and it is the value.
    #[test]
    fn a_quoted_value_reads_back(value in "[a-c'\"; \\n-]{0,12}") {
        let filled = sql("select '<x>' || 'y'").fill(|_| Some(value.clone())).unwrap();
        let inner = filled.strip_prefix("select '").unwrap().strip_suffix("' || 'y'").unwrap();
        prop_assert!(!inner.replace("''", "").contains('\''));
        prop_assert_eq!(inner.replace("''", "'"), value);
    }
}
