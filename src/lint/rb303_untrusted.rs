//! RB303: what comes over the network unread, or unprotected, and is trusted.

use super::around::{Surroundings, Taker};
use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::{Call, Shell};
use crate::source::{Level, Span, shorten};

pub(super) const RULE: Rule = Rule {
    id: "RB303",
    level: Some(Level::Warning),
    title: "`curl` into a shell, or plain http to a host outside of the stack",
    explain: Explain {
        finds: "A shell (or another interpreter) that runs what `curl` or `wget` fetches at that moment, in a pipe or as \
                `bash <(curl …)`, and `curl` or `wget` of a plain `http://` address on a host outside of the stack. Names \
                without a dot, private addresses, `localhost`, `.local`, `.internal`, `.svc` and the like, and \
                `example.com` are left alone.",
        why: "What the address holds tonight is not what was reviewed: it can have changed, be half loaded, or come from \
              somebody else.",
        bad: "\
# Tool is missing

## Mitigation

```bash
curl -s https://get.shop.io/tool.sh | sudo bash
```
",
        good: "\
# Tool is missing

## Mitigation

```bash
curl -fsSo tool.sh https://get.shop.io/1.4.2/tool.sh
sha256sum --check tool.sh.sha256
bash tool.sh
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for command in page.commands() {
        let mut taken = None;
        for call in command.calls().iter().filter(|call| fetches(call)) {
            let taken = taken.get_or_insert_with(|| Taken::of(command));
            if let Some(span) = taken.runs_into_shell(call) {
                report
                    .at(command.place(span), "a shell runs what is fetched here, unread")
                    .help("fetch a fixed version into a file, compare its checksum, then run it");
            } else if let Some((host, place)) = plain(call) {
                report
                    .at(command.place(place), format!("plain http to `{}`: nobody knows who answers", shorten(host)))
                    .help("use `https://`");
            }
        }
    }
}

fn program<'t>(call: &Call<'t>) -> &'t str {
    call.words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default()
}

fn fetches(call: &Call<'_>) -> bool {
    matches!(program(call), "curl" | "wget")
}

fn is_shell(call: &Call<'_>) -> bool {
    // An interpreter with a script of its own reads the pipe as data: `| python3 -c '…'`, `| python -m json.tool`.
    let own_script = call.words.iter().skip(1).any(|word| match *word {
        "-s" | "-" | "-e" | "-x" | "-ex" | "-eux" | "--" => false,
        word => word.starts_with('-') && word.contains(['c', 'm', 'e', 'n', 'p']) && !word.starts_with("--"),
    });
    let shell = matches!(program(call), "sh" | "bash" | "zsh" | "dash" | "ksh");
    let other = matches!(program(call), "python" | "python3" | "perl" | "ruby" | "node");
    let only_program = call.words.len() == 1 || call.words.get(1) == Some(&"-");
    shell && !own_script || other && only_program
}

/// What takes the output of the calls of a command.
struct Taken<'s> {
    calls: &'s [Call<'s>],
    surroundings: Surroundings,
    /// For each call the first one from it on that is a shell.
    shells: Vec<Option<usize>>,
}

impl<'s> Taken<'s> {
    fn of(command: &'s Shell<'_>) -> Taken<'s> {
        let calls = command.calls();
        let mut shells = vec![None; calls.len()];
        let mut next = None;
        for (index, (call, slot)) in calls.iter().zip(&mut shells).enumerate().rev() {
            next = if is_shell(call) { Some(index) } else { next };
            *slot = next;
        }
        Taken { calls, surroundings: Surroundings::of(command), shells }
    }

    /// Where a fetch and the shell that runs it stand: a later part of the same pipe, or the call around it.
    fn runs_into_shell(&self, call: &Call<'_>) -> Option<Span> {
        match self.surroundings.of_call(call).taker {
            Taker::Nobody => None,
            Taker::Pipeline(pipeline) => {
                let later = self.calls.partition_point(|other| other.span.start < call.span.end);
                let shell = self.shells.get(later).copied().flatten().and_then(|index| self.calls.get(index))?;
                (shell.span.end <= pipeline.end).then_some(Span::new(call.span.start, shell.span.end))
            }
            Taker::Call(around) => {
                let first = self.calls.partition_point(|other| other.span.start < around.start);
                let here = self.calls.get(first..).unwrap_or_default();
                let around = here.iter().take_while(|other| other.span.start == around.start).find(|other| other.span == around)?;
                let runs = matches!(program(around), "sh" | "bash" | "zsh" | "eval" | "source" | ".");
                // `bash script "$(curl …)"` gives it to a script.
                let first = around.words.iter().skip(1).find(|word| !word.starts_with('-'));
                let opens = |word: &&&str| word.starts_with("$(") || word.starts_with("<(") || word.starts_with('`');
                (runs && first.is_some_and(|word| opens(&word))).then_some(around.span)
            }
        }
    }
}

/// The host outside of the stack that is asked by plain http.
fn plain<'t>(call: &Call<'t>) -> Option<(&'t str, Span)> {
    let words = call.words.iter().zip(&call.places);
    words.skip(1).find_map(|(word, place)| {
        let rest = word.strip_prefix("http://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        is_outside(host).then_some((host, *place))
    })
}

fn is_outside(host: &str) -> bool {
    const INSIDE: &[&str] = &[
        "local", "localhost", "internal", "svc", "cluster", "lan", "home", "corp", "intranet", "private", "test", "consul",
        "docker", "invalid", "example",
        "company",
        "mycompany",
        "yourcompany",
        "yourdomain",
        "domain",
        "acme", "arpa",
    ];
    let labels: Vec<&str> = host.split('.').collect();
    let name = |label: &&str| label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !label.is_empty();
    if labels.len() < 2 || !labels.iter().all(name) {
        // Variables and placeholders as well: nobody knows what they stand for.
        return false;
    }
    let numbers: Vec<u8> = labels.iter().filter_map(|label| label.parse().ok()).collect();
    if let [a, b, _, _] = numbers.as_slice() {
        let private = matches!((a, b), (0 | 10 | 127, _) | (192, 168) | (169, 254) | (172, 16..=31) | (100, 64..=127));
        return !private;
    }
    // `shop.default.svc`, `redis.shop`: the last label of a name in the world has a registry behind it.
    let last = labels.last().copied().unwrap_or_default();
    let public = ["com", "org", "net", "io", "dev", "co", "app", "cloud", "de", "eu", "uk", "us", "fr", "sh", "me", "info", "ai"];
    public.contains(&last) && !labels.iter().any(|label| INSIDE.contains(label))
}

#[cfg(test)]
mod tests {
    use super::RULE;

    fn page(block: &str) -> String {
        format!("# T\n\n```bash\n{block}\n```\n")
    }

    cases! {
        bad: [
            &page("cd /x && curl -sSL https://get.shop.io | sudo bash -s -- -y") => [(4, 10)],
            &page("wget -qO- https://x.io/y.py | python3 -") => [(4, 1)],
            &page("bash <(curl -s https://x.io/y.sh)") => [(4, 1)],
            &page("sh -c \"$(curl -fsSL https://x.io/y.sh)\"") => [(4, 1)],
            &page("curl -s http://get.shop.io/tool -o tool") => [(4, 9)],
            &page("wget http://203.0.113.7/x") => [(4, 6)],
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
