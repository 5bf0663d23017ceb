//! Commands that need a person's hands: they open a session or an editor, ask, are typed into a session that one before
//! them opened, hang on an answer, or never end. Each is left to a person, with the reason why.

use super::{BlockSettings, ManualReason};
use crate::programs::{Waits, simple, waits};
use crate::source::Span;

/// What is open while the blocks of a section are read in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Hands {
    /// The session: why what follows is for a person, and the program that opened it.
    session: Option<(String, String)>,
    /// Why what follows in the block hangs on an answer.
    answer: Option<String>,
    /// The session that was left last.
    left: Option<String>,
    /// A port that a command would forward if it did not have to be left to a person: its reason.
    forward: Option<String>,
    /// Whether a list of steps is read, and whether its text has opened the session.
    in_list: bool,
    mentioned: bool,
    /// The session that the text of a paragraph opens, and where.
    lead: Option<(Span, (String, String))>,
}

impl Hands {
    /// An item of a list of steps follows, or something else: what the text of a list has opened ends with it.
    pub fn list(&mut self, in_list: bool) {
        self.in_list = in_list;
        if !in_list && std::mem::take(&mut self.mentioned) {
            self.session = None;
        }
    }

    /// The next of several numbered steps follows: a session stays open, a port is forwarded by its own step alone.
    pub fn step(&mut self) {
        self.forward = None;
    }

    /// What the text of an item opens is open for those behind it: "Open a shell with `docker compose exec shop sh`". Elsewhere it is for
    /// the block to which its paragraph leads.
    pub fn mention(&mut self, inner: Hands, at: Span) {
        match inner.session {
            Some(session) if self.in_list => (self.session, self.mentioned) = (Some(session), true),
            session => self.lead = session.map(|session| (at, session)),
        }
    }

    /// A block follows to which this paragraph leads ("…, then run:"); whether it opens a session, until `leave`.
    pub fn led_by(&mut self, paragraph: Span) -> bool {
        let within = |(at, _): &mut (Span, _)| paragraph.start <= at.start && at.end <= paragraph.end;
        let Some((_, session)) = self.lead.take_if(within) else { return false };
        self.session = Some(session);
        true
    }

    /// The block is over that was for the session of its paragraph.
    pub fn leave(&mut self) {
        self.session = None;
    }

    /// A new block begins. A session stays open beyond its block until it is left, or until a block begins with the
    /// program that opened it: that is typed where the session was opened from.
    pub fn block(&mut self, first: &str) {
        let typed =
            first.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        let word = typed.split_whitespace().find(|word| *word != "sudo").unwrap_or_default();
        self.session.take_if(|(_, program)| program == word);
        self.answer = None;
    }

    /// Why a command (placeholders replaced by words) that stands in this line is for a person, if it is.
    pub fn judge(&mut self, text: &str, line: usize) -> Option<ManualReason> {
        if matches!(text.trim().trim_end_matches(';'), "exit" | "logout" | "\\q" | "quit") {
            // Sessions may have been opened inside of sessions: as many are left.
            let open = self.session.take().map(|(why, _)| why).or_else(|| self.left.clone());
            self.left.clone_from(&open);
            let left = || "it leaves a session that a person has opened".to_string();
            return Some(ManualReason::Person(open.unwrap_or_else(left)));
        }
        if let Some(why) = self.session.as_ref().map(|(why, _)| why).or(self.answer.as_ref()) {
            return Some(ManualReason::Person(why.clone()));
        }
        if let Some(why) = no_shell(text) {
            return Some(ManualReason::Person(why));
        }
        let commands = simple::commands(text);
        if let Some((command, waits)) = commands.iter().find_map(|command| Some((command, waits(command)?))) {
            return Some(match waits {
                Waits::Editor(what) => ManualReason::Person(format!("`{what}` opens an editor")),
                Waits::Answer(what) => {
                    let why = format!("`{what}` (line {line}) waits for an answer, on which what follows hangs");
                    ManualReason::Person(self.answer.insert(why).clone())
                }
                Waits::Session(what) => {
                    let why = format!("`{what}` (line {line}) opens a session, in which a person types what follows");
                    (self.session, self.mentioned) = (Some((why.clone(), command.program().to_string())), false);
                    ManualReason::Person(why)
                }
                Waits::Forever(what) => {
                    let why = "never ends, without `timeout 10` before it or `&` behind it";
                    if what.ends_with("port-forward") || what.ends_with("proxy") {
                        self.forward = Some(format!("it needs `{what}` (line {line}), which never ends"));
                    }
                    ManualReason::Endless(format!("`{what}` (line {line}) {why}"))
                }
            });
        }
        if simple::loops_forever(text) {
            return Some(ManualReason::Endless(format!("its loop (line {line}) never ends")));
        }
        let local = text.contains("localhost") || text.contains("127.0.0.1");
        self.forward.clone().filter(|_| local).map(ManualReason::Endless)
    }
}

/// Why commands with these settings are a person's, by their own nature.
pub(super) fn reason(by_hand: Option<ManualReason>, settings: &BlockSettings) -> Option<String> {
    // In the background it may go on: it ends with the runbook.
    let background = settings.background == Some(true);
    by_hand.filter(|why| !(background && matches!(why, ManualReason::Endless(_)))).map(|why| why.text().to_string())
}

/// What is typed into a chat (`/incident create`), or has something left out of it (`commands=[...]`).
fn no_shell(text: &str) -> Option<String> {
    let word = text.split_whitespace().next().unwrap_or_default();
    let name = word.strip_prefix('/').unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if plain && !name.is_empty() && text.trim().len() > word.len() {
        return Some(format!("`{word}` is typed into a chat"));
    }
    let left_out = ["=[...]", "={...}", "=(...)"].into_iter().find(|dots| text.contains(dots))?;
    Some(format!("`{}` stands for something left out", left_out.trim_start_matches('=')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Per command of each block whether it runs, and the reasons.
    fn judged(blocks: &[&str]) -> (String, Vec<String>) {
        let mut hands = Hands::default();
        let (mut out, mut reasons) = (String::new(), Vec::new());
        for block in blocks {
            hands.block(block);
            for (at, line) in block.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
                let why = hands.judge(line, at + 1);
                out.push(if why.is_some() { 'p' } else { 'r' });
                reasons.extend(why.map(|why| why.text().to_string()));
            }
        }
        reasons.dedup();
        (out, reasons)
    }

    #[test]
    fn what_follows_is_typed_into_the_session() {
        let (judged_as, reasons) = judged(&["df -h\nssh node-1\nsystemctl restart app", "df -h"]);
        assert_eq!(judged_as, "rppp");
        assert_eq!(reasons, ["`ssh` (line 2) opens a session, in which a person types what follows"]);
        assert_eq!(judged(&["ssh node-1\nls\nexit\nls"]).0, "pppr");
        assert_eq!(judged(&["oc debug node/x\nchroot /host", "exit\nexit\nls"]).0, "ppppr");
        assert_eq!(judged(&["kubectl exec -it x -- sh", "# outside\nkubectl get po\nls"]).0, "prr");
        assert_eq!(judged(&["exit", "exit 1"]).0, "pr");
        assert_eq!(judged(&["ssh node-1 uptime\nls\nkubectl edit cm x\nls"]).0, "rrpr");
    }

    #[test]
    fn what_follows_a_question_hangs_on_its_answer() {
        let blocks = ["ls\nread -rp 'Which? ' pod\nls", "read -r x < f\nls | while read -r x; do a; done"];
        let (judged_as, reasons) = judged(&blocks);
        assert_eq!(judged_as, "rpprr");
        assert_eq!(reasons, ["`read` (line 2) waits for an answer, on which what follows hangs"]);
    }

    #[test]
    fn what_is_no_shell() {
        assert_eq!(
            judged(&["/incident create x\n/usr/bin/ls x\ntool --do 'x=[...]'\ngo test ./...\nls ${a[...]}"]).0,
            "prprr"
        );
    }

    #[test]
    fn what_needs_a_forwarded_port_waits_with_it() {
        let (judged_as, reasons) =
            judged(&["kubectl port-forward svc/x 80\ncurl localhost/x\ncurl web", "curl -s http://127.0.0.1:80"]);
        assert_eq!(judged_as, "pprp");
        assert_eq!(
            reasons,
            [
                "`kubectl port-forward` (line 1) never ends, without `timeout 10` before it or `&` behind it",
                "it needs `kubectl port-forward` (line 1), which never ends"
            ]
        );
        assert_eq!(judged(&["kubectl port-forward svc/x 80 &\ncurl localhost/x"]).0, "rr");
        assert_eq!(judged(&["while true; do date; sleep 1; done"]).0, "p");
        assert_eq!(judged(&["while true; do date && break; sleep 1; done", "while true; do date; done &"]).0, "rr");
        assert_eq!(judged(&["tail -f x"]).0, "p");
    }
}
