//! Values in here-documents, arithmetic and code: what would not stay a value is refused, everything else goes on.

use crate::runbook::{Command, parse};
use crate::source::{Diagnostics, Source};

fn command(block: &str) -> Command {
    let source = Source::new("r.md", format!("# R\n\n## Mitigation\n\n```bash\n{block}\n```\n"));
    let runbook = parse(&source, &mut Diagnostics::default()).unwrap();
    runbook.steps[0].commands().last().unwrap().clone()
}

fn filled(block: &str, value: &str) -> Option<String> {
    let command = command(block);
    assert!(!command.inputs.is_empty(), "{block}");
    let filled = command.fill(|_| Some(value.to_string()));
    assert_eq!(filled.is_err(), !command.refused(|_| Some(value.to_string())).is_empty());
    filled.ok()
}

#[test]
fn no_value_ends_a_here_document() {
    for (block, value) in [
        ("cat <<'EOF'\n<x>\nEOF", "x\nEOF\ntouch pwned"),
        ("cat <<EOF\n<x>\nEOF", "x\nEOF\ntouch pwned"),
        ("cat <<EOF\n<x>\nEOF", "EOF"),
        ("cat <<-EOF\n\t<x>\n\tEOF", "x\n\tEOF\ntouch pwned"),
        ("cat <<EOF\nEO<x>\nEOF", "F\ntouch pwned"),
        ("cat <<EOF\nEO\\\n<x>\nEOF", "F\ntouch pwned"),
        ("A=$(cat <<EOF\n<x>\nEOF\n)", "EOF\ntouch pwned"),
        ("A=$(cat <<EOF\n<x>\nEOF\n)", "EOF; touch pwned; (:)"),
        ("cat <<EOF\n$(echo <x>)\nEOF", "x; touch pwned"),
        ("cat <<EOF\n`echo <x>`\nEOF", "x; touch pwned"),
    ] {
        assert_eq!(filled(block, value), None, "{block}: {value}");
    }
    assert_eq!(filled("cat <<'EOF'\n<x>\nEOF", "a\n EOF\nEOFs").unwrap(), "cat <<'EOF'\na\n EOF\nEOFs\nEOF");
    assert_eq!(filled("cat <<EOF\n<x> $(date)\nEOF", "$(a)").unwrap(), "cat <<EOF\n\\$(a) $(date)\nEOF");
}

#[test]
fn arithmetic_takes_numbers_and_names() {
    for block in [
        "[[ <x> -gt 3 ]]",
        "[[ 3 -lt \"<x>\" ]] && echo y",
        "let a=<x>",
        "(( <x> > 3 ))",
        "echo $(( <x> + 1 ))",
        "echo $(( $(echo <x>) + 1 ))",
        "echo \"$(( 1 + <x> ))\"",
        "A[<x>]=1",
        "A=(1 2); echo \"${A[<x>]}\"",
        "A=abc; echo ${A:<x>}",
        "declare -i a=<x>",
        "[[ $N -gt 3 ]]",
    ] {
        assert_eq!(filled(block, "a[$(touch pwned)]"), None, "{block}");
        assert!(filled(block, "12").is_some() && filled(block, "-1.5").is_some(), "{block}");
    }
    for block in ["[ <x> -gt 3 ]", "[[ <x> == y ]]", "A=a; echo ${A:-<x>}", "echo '[1]' '<x>'"] {
        assert!(filled(block, "a[$(touch x)]").is_some(), "{block}");
    }
}

#[test]
fn code_in_a_string_takes_plain_words() {
    for block in [
        "bash -c \"echo <x>\"",
        "sudo -u web /bin/sh -ec 'echo <x>'",
        "ssh web \"systemctl restart <x>\"",
        "sudo ssh -p 22 web uptime '<x>'",
        "docker exec web sh -c 'echo <x>'",
        "kubectl exec web -- bash -c \"echo '<x>'\"",
        "psql -U shop -c \"select 1 from t where n = '<x>'\"",
        "psql -tAc \"select '<x>'\"",
        "psql --command=\"select '<x>'\"",
        "mysql -e \"select '<x>'\"",
        "eval \"echo <x>\"",
        "su web -c 'echo <x>'",
        "A=$(ssh web \"cat '<x>'\")",
        "echo \"select '<x>'\" | psql -U shop",
        "bash <<EOF\necho '<x>'\nEOF",
        "ssh web <<'EOF'\necho '<x>'\nEOF",
    ] {
        for value in ["x; touch pwned", "x' ; touch pwned; '", "$(touch pwned)", "a\nb"] {
            assert_eq!(filled(block, value), None, "{block}: {value}");
        }
        assert!(filled(block, "web-1").is_some(), "{block}");
    }
    for block in [
        "bash -c 'echo \"$1\"' bash <x>",
        "journalctl -u ssh --since <x>",
        "sudo journalctl -u ssh --since '<x>'",
        "psql -v name=<x> -f query.sql",
        "bash deploy.sh <x>",
        "echo <x>",
    ] {
        assert!(filled(block, "10 minutes ago").is_some(), "{block}");
    }
}
