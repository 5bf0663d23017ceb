//! The lexer against what bash does: quoting, expansions, open ends, and any text at all.

use super::*;
use proptest::prelude::*;

fn quoting_of(text: &str, needle: &str) -> Quoting {
    lex(text).quoting(text.find(needle).unwrap())
}

#[test]
fn quoting_follows_bash() {
    for (text, expected) in [
        ("echo @", Quoting::Bare),
        ("echo '@'", Quoting::Single),
        ("echo \"@\"", Quoting::Double),
        ("echo \"it's @\"", Quoting::Double),
        ("echo 'say \"' @", Quoting::Bare),
        ("echo \"\\\" @\"", Quoting::Double),
        ("echo \"$(cat @)\"", Quoting::Bare),
        ("echo \"$(cat \"@\")\" x", Quoting::Double),
        ("echo \"`cat @`\"", Quoting::Bare),
        ("echo \"${x:-it's @}\"", Quoting::Braced),
        ("echo \"${x:-\"@\"}\"", Quoting::Double),
        ("echo $((1 + @))", Quoting::Double),
        ("echo ${x:-'@'}", Quoting::Single),
        ("echo $'it\\'s @'", Quoting::AnsiC),
        ("echo a # it's @", Quoting::Comment),
        ("echo a#b'@'", Quoting::Single),
        ("# it's\necho @", Quoting::Bare),
        ("echo $(( 1 << 2 )) @", Quoting::Bare),
        ("x=$(case $y in a) echo ')' ;; b) echo '@' ;; esac)", Quoting::Single),
        ("cat <<EOF\n@'\nEOF", Quoting::Heredoc),
        ("cat <<'EOF'\n@\nEOF", Quoting::RawHeredoc),
        ("cat <<\\EOF\n@\nEOF", Quoting::RawHeredoc),
        ("cat <<EOF | tr '@' b\nx\nEOF", Quoting::Single),
        ("cat <<-EOF\n\tit's\n\tEOF\necho @", Quoting::Bare),
        ("cat <<A <<B\nit's\nA\n@\nB", Quoting::Heredoc),
        ("cat <<< \"@\"", Quoting::Double),
        ("cat <<EOF\nx\nEOF\necho '@'", Quoting::Single),
        ("echo \"a $(cat <<EOF\nit's\nEOF\n) @\"", Quoting::Double),
    ] {
        assert_eq!(quoting_of(text, "@"), expected, "{text}");
    }
}

#[test]
fn backticks_are_known() {
    let text = "echo `cat '@'` $(x) !";
    let lexed = lex(text);
    assert!(lexed.in_backticks(text.find('@').unwrap()));
    assert!(!lexed.in_backticks(text.find('!').unwrap()));
}

#[test]
fn reads_are_what_bash_expands() {
    let names = |text: &str| -> Vec<String> {
        lex(text)
            .reads
            .into_iter()
            .map(|r| {
                format!(
                    "{}{}",
                    r.name,
                    if r.assigns {
                        "="
                    } else if r.has_default {
                        "?"
                    } else {
                        ""
                    }
                )
            })
            .collect()
    };
    assert_eq!(names("echo $A ${B} \"$C ${D%x}\" '$E' \\$F \"\\$G\" $1 $? $$ # $H"), ["A", "B", "C", "D"]);
    assert_eq!(
        names("echo ${A:-d} ${B-$C} ${D:=d} ${E+x} ${F:?m} ${#G} ${!H} ${I[@]:-x} ${!J*}"),
        ["A?", "B?", "C", "D=", "E?", "F", "G?", "H", "I?"]
    );
    assert_eq!(names("cat <<EOF\n$A \\$B ${C:-x}\nEOF\ncat <<'EOF'\n$D\nEOF\necho $E"), ["A", "C?", "E"]);
    assert_eq!(names("echo $(( $A + B )) \"$(echo $C)\" `echo $D` $'$E'"), ["A", "C", "D"]);
    assert_eq!(names("awk \"{print \\$1}\" $A_1 $_x"), ["A_1", "_x"]);
}

#[test]
fn what_stands_in_a_default_may_not_be_expanded() {
    for text in [
        "echo $A ${B:-$X \"${X}\"} $A",
        "echo \"${B+$X $(get $X)} $A\"",
        "echo ${1:-$X} ${@-$X} ${!B:=$X} ${A#${B:?$X}}",
        "cat <<E\n${B:-$X} $A ${A}\nE\necho $A",
    ] {
        let reads = lex(text).reads;
        assert!(reads.iter().all(|read| read.optional == (read.name == "X")), "{text}: {reads:?}");
        assert!(reads.iter().any(|read| read.optional) && reads.iter().any(|read| !read.optional), "{text}");
    }
}

#[test]
fn open_ends_are_seen() {
    for open in
        ["echo 'a", "echo \"a", "echo $(a", "cat <<EOF\nx", "cat <<EOF", "echo `a", "echo ${a", "((1", "echo $'a"]
    {
        assert!(lex(open).open, "{open}");
    }
    for closed in ["", "echo a", "cat <<EOF\nx\nEOF", "cat <<EOF\nx\nEOF\n", "echo \"$(a \"b\")\" `c` ${d}", "((1))"] {
        assert!(!lex(closed).open, "{closed}");
    }
}

#[test]
fn a_here_document_may_have_no_body_at_all() {
    let lexed = lex("cat <<E\n");
    assert!(lexed.open);
    assert_eq!(lexed.heredocs, [Heredoc { delimiter: "E".into(), body: Span::new(8, 8) }]);
    assert!(lexed.stretches.iter().all(|&(start, ..)| start < 8));
}

proptest! {
    #[test]
    fn any_text_is_read_to_its_end(text in "[a-z'\"`$(){}<#\\\\\\n EOF|;é]{0,80}") {
        let lexed = lex(&text);
        let mut last = None;
        for &(start, ..) in &lexed.stretches {
            prop_assert!(start < text.len() && last.is_none_or(|l| l < start));
            last = Some(start);
        }
        for read in &lexed.reads {
            prop_assert!(text.get(read.span.start..read.span.end).is_some_and(|t| t.contains(&read.name)));
        }
        for heredoc in &lexed.heredocs {
            prop_assert!(text.get(heredoc.body.start..heredoc.body.end).is_some());
        }
    }
}
