//! Blocks split into commands: what bash reads as one stays one, and no executable text is lost.

use super::*;
use proptest::prelude::*;

fn split(text: &str) -> Vec<&str> {
    super::split(text).into_iter().map(|span| &text[span.start..span.end]).collect()
}

#[test]
fn separate_commands_are_separate() {
    assert_eq!(split("a; b"), ["a", "b"]);
    assert_eq!(split("a\n\n# why\nb # because\n"), ["a", "b"]);
    assert_eq!(split("a && b || c\nd | e"), ["a && b || c", "d | e"]);
    assert_eq!(split("sleep 9 &\nb"), ["sleep 9 &", "b"]);
    assert_eq!(split("sleep 9 & b & wait"), ["sleep 9 &", "b &", "wait"]);
    assert_eq!(split("X=1\nexport Y=2; cd /tmp"), ["X=1", "export Y=2", "cd /tmp"]);
    assert_eq!(split(""), Vec::<&str>::new());
    assert_eq!(split("# only\n  # comments"), Vec::<&str>::new());
}

#[test]
fn what_bash_reads_as_one_command_stays_one() {
    for text in [
        "curl -s \\\n  -H 'a: b' \\\n  http://x",
        "for i in 1 2; do\n  echo $i\ndone",
        "while read -r l; do echo \"$l\"; done < file",
        "if a; then\n  b\nelse\n  c\nfi",
        "case $x in\n  a) b ;;\n  *) c ;;\nesac",
        "f() {\n  a\n  b\n}",
        "{ a; b; }",
        "( a; b )",
        "a |\n  b",
        "a &&\n  b",
        "! grep x y",
        "psql -c \"\nSELECT 1;\nSELECT 2;\n\"",
        "cat <<EOF\na; b\nEOF",
        "cat <<-'EOF' | psql\n\ta 'b\n\tEOF",
        "cat <<A <<B && echo done\nx\nA\ny\nB",
        "while read l; do echo $l; done <<EOF\na\nEOF",
        "cat <<EOF; echo b\nx\nEOF",
        "x=$(cat <<EOF\ny\nEOF\n)",
        "psql \\\n  -h db <<SQL\nselect 1;\nSQL",
        "kubectl apply -f - <<EOF\na: 'b\nEOF",
        "[[ $a =~ ^b.*$ ]] && echo y",
        "diff <(a) <(b)",
        "time a | b",
        "for ((i=0; i<3; i++)); do a; done",
        "awk '{ print $1; }' f",
        "select x in a b; do echo $x; done",
        "coproc a",
        "until a; do b; done",
        "((x = 1 << 2))",
        "echo \"$(a \"$(b)\")\"",
        "tar -C x -cf - . 2>/dev/null | (cd y && tar xf -)",
    ] {
        assert_eq!(split(text), [text]);
        assert_eq!(split(&format!("{text}\nnext one")), [text, "next one"], "{text}");
    }
}

#[test]
fn an_error_does_not_spoil_what_is_around_it() {
    assert_eq!(split("a\nb\nif x; then\n  y\nz"), ["a", "b", "if x; then\n  y\nz"]);
    assert_eq!(split("a\n)\nb"), ["a", ")\nb"]);
    assert_eq!(split("a\necho 'open\nb"), ["a", "echo 'open\nb"]);
    assert_eq!(split("cat <<EOF\nnever ended\nb"), ["cat <<EOF\nnever ended\nb"]);
}

#[test]
fn complete_means_that_bash_would_run_it() {
    for text in ["a", "a | b", "cat <<EOF\nx\nEOF", "for i in a; do b; done", "f() { a; }"] {
        assert!(!has_syntax_error(text), "{text}");
        assert!(!has_syntax_error(text));
    }
    for text in ["a \\", "a |", "a &&", "cat <<EOF", "for i in a; do", "f() {", "echo \"x", "if a; then", "a )", "fi"] {
        assert!(has_syntax_error(text), "{text}");
    }
}

#[test]
fn hostile_text_is_read() {
    for text in [
        "(".repeat(50_000),
        "$(".repeat(20_000),
        "a;".repeat(50_000),
        "if a; then ".repeat(5_000),
        "<<A ".repeat(9_000),
        "`".repeat(9_999),
        "{ a\n".repeat(3_000),
    ] {
        let pieces = super::split(&text);
        assert!(pieces.last().is_some_and(|last| last.end <= text.len()));
    }
}

/// Nothing that bash would run may get lost: what is left between the pieces is blank, `;` or a comment. The comment
/// is checked without the lexer: `#` after a blank, to the end of the line.
fn covered(text: &str) -> Result<(), TestCaseError> {
    let mut at = 0;
    for piece in super::split(text).into_iter().chain([Span::new(text.len(), text.len())]) {
        prop_assert!(at <= piece.start && piece.start <= piece.end, "{text:?} {piece:?}");
        let mut gap = &text[at..piece.start];
        while let Some(c) = gap.chars().next() {
            if c == '#' {
                gap = gap.find('\n').map_or("", |end| &gap[end..]);
            } else {
                let escaped_end = gap.starts_with("\\\n");
                prop_assert!(escaped_end || matches!(c, ' ' | '\t' | '\n' | '\r' | ';'), "{text:?} lost {gap:?}");
                gap = &gap[c.len_utf8()..];
            }
        }
        at = piece.end;
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_executable_text_is_lost(text in "[a-d'\"`$(){}<>#&|\\\\\\n ;é=]{0,60}") {
        covered(&text)?;
    }

    #[test]
    fn no_executable_text_of_likely_scripts_is_lost(
        lines in prop::collection::vec(prop::sample::select(vec![
            "a b", "cat <<EOF", "EOF", "if x; then", "fi", "for i in 1 2; do", "done", "# it's", "echo 'x", "}", "f() {",
            "a | b &", "x=$(c", ")", "echo \"y\" \\", "  d && e", "case $x in", "a) b ;;", "esac", "<x> y", "",
        ]), 0..12),
    ) {
        covered(&lines.join("\n"))?;
    }
}

#[test]
fn what_bash_takes_is_read_to_its_end_and_is_odd() {
    for text in [
        "if [[ \"$s\" =~ ^(ok|up)$ ]]; then echo up; fi",
        "[[ $x =~ (a|b)\\.c ]]",
        "[[ $x =~ ^(a b|c)$ ]]",
        "[[ $x = @(a|$b) ]]",
        "[[ $x =~ $re|b ]]",
        "echo `echo \\`ls\\``",
        "for ((i=0;i<3;i++)) { ls; }",
        "time (ls)",
        "time { ls; }",
        "(( a['x'] ))",
    ] {
        let script = read(&format!("{text}\nnext one"));
        assert!(script.stopped.is_none() && script.odd.is_some() && script.pieces.len() == 2, "{text}: {script:?}");
        assert!(!has_syntax_error(text), "{text}");
    }
}

#[test]
fn what_stands_behind_an_error_is_seen() {
    let script = read("a )\nb; c\nfi\nd");
    let first = |statement: &&Statement| statement.simple().map(|command| command.first().to_string());
    let calls: Vec<String> = script.all().iter().filter_map(first).collect();
    assert!(
        script.stopped.is_some() && ["b", "c", "d"].iter().all(|name| calls.contains(&name.to_string())),
        "{calls:?}"
    );
}
