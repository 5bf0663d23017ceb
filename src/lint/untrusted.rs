//! RB303: what comes over the network unread, and is trusted.

use super::{FindingReport, LintPage};
use crate::bash::OutputTaker;
use crate::runbook::look::PageCall;
use crate::source::Span;

pub(super) fn check(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    for command in page.commands() {
        let calls = command.calls();
        let shells: Vec<&PageCall<'_>> = calls.iter().filter(|call| is_shell(call)).collect();
        for call in calls.iter().filter(|call| matches!(call.program(), "curl" | "wget")) {
            if let Some(span) = runs_into_shell(call, calls, &shells) {
                let found = report.at(command.place(span), "a shell runs what is fetched here, unread");
                found.help("fetch a fixed version into a file, compare its checksum, then run it");
            }
        }
    }
}

fn is_shell(call: &PageCall<'_>) -> bool {
    // An interpreter with a script of its own reads the pipe as data: `| python3 -c '…'`, `| python -m json.tool`.
    let own_script = call.words.iter().skip(1).any(|word| {
        let plain = matches!(*word, "-s" | "-" | "-e" | "-x" | "-ex" | "-eux") || word.starts_with("--");
        !plain && word.starts_with('-') && word.contains(['c', 'm', 'e', 'n', 'p'])
    });
    match call.program() {
        "sh" | "bash" | "zsh" | "dash" | "ksh" => !own_script,
        "python" | "python3" | "perl" | "ruby" | "node" => matches!(call.words.as_slice(), [_] | [_, "-", ..]),
        _ => false,
    }
}

/// Where a fetch and the shell that runs it stand: a later part of the same pipe, or the call around it. `calls` are those of the command,
/// in order, and `shells` are some of these.
fn runs_into_shell(call: &PageCall<'_>, calls: &[PageCall<'_>], shells: &[&PageCall<'_>]) -> Option<Span> {
    match call.around.taker {
        OutputTaker::Nobody => None,
        OutputTaker::Pipeline(pipeline) => {
            let shell = shells.get(shells.partition_point(|shell| shell.span.start < call.span.end))?;
            (shell.span.end <= pipeline.end).then_some(Span::new(call.span.start, shell.span.end))
        }
        OutputTaker::Call(around) => {
            let first = calls.partition_point(|other| other.span.start < around.start);
            let mut here = calls.iter().skip(first).take_while(|other| other.span.start == around.start);
            let around = here.find(|other| other.span == around)?;
            let runs = matches!(around.program(), "sh" | "bash" | "zsh" | "eval" | "source" | ".");
            // `bash script "$(curl …)"` gives it to a script.
            let first = around.words.iter().skip(1).find(|word| !word.starts_with('-'))?;
            (runs && ["$(", "<(", "`"].iter().any(|opens| first.starts_with(opens))).then_some(around.span)
        }
    }
}

#[cfg(test)]
mod tests {
    fn page(block: &str) -> String {
        format!("# T\n\n```bash\n{block}\n```\n")
    }

    cases! {
        rb303,
        bad: [
            &page("cd /x && curl -sSL https://get.shop.io | sudo bash -s -- -y") => [(4, 10)],
            &page("wget -qO- https://x.io/y.py | python3 -") => [(4, 1)],
            &page("bash <(curl -s https://x.io/y.sh)") => [(4, 1)],
            &page("sh -c \"$(curl -fsSL https://x.io/y.sh)\"") => [(4, 1)],
        ],
        good: [
            &page("curl -s https://x.io/y | jq . | tee bash.txt"),
            &page("curl -s https://x.io/y | python3 -m json.tool\ncurl -s x | python3 -c 'import sys'"),
            &page("curl http://localhost:8080/ http://checkout:8080 http://10.1.2.3/ http://shop.default.svc.cluster.local/"),
            &page("curl http://redis.shop:80/ http://api.example.com/ http://$HOST/ http://<host>/ http://169.254.169.254/"),
            &page("X=$(curl -s https://x.io/y)\nbash run.sh \"$(curl -s https://x.io/y)\"\necho \"$(curl -s https://x.io)\""),
            &page("curl -s https://x.io/y -o y.sh\nbash y.sh"),
            &page("kubectl exec x -- sh -c 'ls' | sh -c cat"),
        ],
    }
}
