//! Sends messages: a task for each target, with retries. Nothing here can hold up a drill or make it fail; what became of every
//! message is a line of `<run>.sent.jsonl`.

use super::http::{WebAnswer, request};
use super::message::{IncidentMessage, IncidentState};
use super::target::ReadyTarget;
use super::{pagerduty, slack};
use crate::output::one_line;
use crate::record::{
    Day, DayEvent, DayStamped, DrillTime, Event, Observer, Record, RecoveryRecord, Stamped, append_beside, open_plain,
    utc_now, utc_text,
};
use crate::view::timeline;
use hyper::header::RETRY_AFTER;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often one message is tried.
const TRIES: u32 = 5;
/// The pause before the second try; it doubles from try to try, unless the server says how long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server may ask for, in seconds.
const LONGEST_PAUSE: u64 = 120;
/// How long writing to a file may take.
const FILE_WITHIN: Duration = Duration::from_secs(10);

/// What a task is told; `None`: there is nothing more.
type Post = Option<IncidentMessage>;

/// The tasks that send.
pub struct Notifier {
    senders: Vec<UnboundedSender<Post>>,
    tasks: Vec<(String, JoinHandle<usize>)>,
    /// There is no time left.
    over: CancellationToken,
}

impl Notifier {
    /// Begins a task for each target; what it does is logged beside `run`, the directory of the run or the game day.
    pub fn start(targets: &[ReadyTarget], run: &Path) -> Notifier {
        let over = CancellationToken::new();
        let begin = |target: &ReadyTarget| {
            let (sender, receiver) = unbounded_channel();
            let courier = Courier { target: target.clone(), run: run.to_path_buf(), channel: None, thread: None };
            (sender, (target.name(), tokio::spawn(courier.deliver(receiver, over.clone()))))
        };
        let (senders, tasks) = targets.iter().map(begin).unzip();
        Notifier { senders, tasks, over }
    }

    /// What makes messages of the events of a drill, one at least every `every`: the incident is opened when users are hurt or an alert
    /// fired, mitigated when they have recovered, resolved at the end.
    pub fn of_drill(&self, every: Duration) -> impl Observer + use<> {
        let (senders, mut record, mut events) = (self.senders.clone(), Record::default(), Vec::new());
        let (mut said, mut mitigated) = (None, false);
        move |stamped: &Stamped| {
            record.apply(stamped);
            events.extend(timeline::tells(&stamped.event).then(|| stamped.clone()));
            let Some(state) = state_after(stamped, said, mitigated, every) else { return };
            (said, mitigated) = (Some(stamped.at_us), state == IncidentState::Mitigated);
            say(&senders, &IncidentMessage::of(&record, &events, state));
        }
    }

    /// What makes messages of the events of a game day: one incident for all of its drills.
    pub fn of_day(&self) -> Box<dyn Observer<DayStamped>> {
        let (senders, mut day) = (self.senders.clone(), Day::default());
        Box::new(move |stamped: &DayStamped| {
            day.apply(stamped);
            let state = match &stamped.event {
                DayEvent::DayAnnounced(_) => IncidentState::Opened,
                DayEvent::DrillEnded { .. } => IncidentState::Update,
                DayEvent::DayEnded => IncidentState::Resolved,
                _ => return,
            };
            say(&senders, &IncidentMessage::of_day(&day, state));
        })
    }

    /// Lets the tasks send what they still have, for so long at most and until `hurry`, once the drill is over. What was not
    /// sent is told: the target, and how many messages.
    pub async fn finish(self, within: Duration, hurry: &CancellationToken) -> Vec<(String, usize)> {
        self.senders.iter().for_each(|sender| drop(sender.send(None)));
        let all = async {
            let mut unsent = Vec::new();
            for (name, task) in self.tasks {
                // A task that broke has sent nothing that it could tell of.
                let count = task.await.unwrap_or(1);
                unsent.extend((count > 0).then_some((name, count)));
            }
            unsent
        };
        let limit = async {
            // Either way there is no time left.
            let _ = tokio::time::timeout(within, hurry.cancelled()).await;
            self.over.cancel();
            std::future::pending().await
        };
        tokio::select! { unsent = all => unsent, never = limit => never }
    }
}

/// What an event changes about where an incident stands. `said` is when something was said last; `None`: the incident is not open.
fn state_after(stamped: &Stamped, said: Option<DrillTime>, mitigated: bool, every: Duration) -> Option<IncidentState> {
    let Some(said) = said else {
        let opens = matches!(stamped.event, Event::Impacted(_) | Event::Detected { .. });
        return opens.then_some(IncidentState::Opened);
    };
    match &stamped.event {
        Event::Ended { .. } => Some(IncidentState::Resolved),
        Event::Recovered(RecoveryRecord { sli, .. }) if sli.is_empty() && !mitigated => Some(IncidentState::Mitigated),
        Event::Relapsed { .. } => Some(IncidentState::Update),
        _ if stamped.at_us.since(said) < every => None,
        _ if mitigated => Some(IncidentState::Mitigated),
        _ => Some(IncidentState::Update),
    }
}

fn say(senders: &[UnboundedSender<Post>], message: &IncidentMessage) {
    // A task that is gone sends nothing, and the drill goes on.
    senders.iter().for_each(|sender| drop(sender.send(Some(message.clone()))));
}

/// Sends the messages of one incident to one target.
struct Courier {
    target: ReadyTarget,
    run: PathBuf,
    /// The channel of Slack that was made for the incident.
    channel: Option<String>,
    /// The message that opened the incident.
    thread: Option<String>,
}

impl Courier {
    /// Sends what comes, in its order, and says how many messages were not sent. An update behind which something newer waits
    /// is left out.
    async fn deliver(mut self, mut posts: UnboundedReceiver<Post>, over: CancellationToken) -> usize {
        let mut unsent = 0;
        while let Some(message) = posts.recv().await.flatten() {
            if message.state == IncidentState::Update && !posts.is_empty() {
                self.log(&message, 0, Some("something newer was to be sent"));
                continue;
            }
            let mut tries = 0;
            let sending = async {
                let mut pause = PAUSE;
                loop {
                    tries += 1;
                    match self.send(&message).await {
                        Ok(()) => return None,
                        Err(refused) if !refused.again || tries >= TRIES => return Some(refused.why),
                        Err(refused) => tokio::time::sleep(refused.after.unwrap_or(pause)).await,
                    }
                    pause *= 2;
                }
            };
            let error = tokio::select! {
                error = sending => error,
                () = over.cancelled() => Some("the drill was over, and there was no more time".to_string()),
            };
            unsent += usize::from(error.is_some());
            self.log(&message, tries, error.as_deref());
        }
        unsent
    }

    fn log(&self, message: &IncidentMessage, tries: u32, error: Option<&str>) {
        let line = json!({ "at_utc": utc_text(utc_now()), "target": self.target.name(), "state": message.state,
                           "headline": message.headline, "tries": tries, "sent": error.is_none(), "error": error });
        // A log that cannot be written is no reason to send less.
        let _ = append_beside(&self.run, "sent", &line);
    }

    async fn send(&mut self, message: &IncidentMessage) -> Result<(), Refused> {
        match self.target.clone() {
            ReadyTarget::Slack { api, token, channel } => self.tell_slack(message, &api, &token, channel).await,
            ReadyTarget::PagerDuty { url, key } => post(&url, None, &pagerduty::event(message, &key)).await.map(drop),
            ReadyTarget::Webhook(url) => post(&url, None, &json!(message)).await.map(drop),
            ReadyTarget::File(path) => appended(path, format!("{}\n", json!(message))).await,
            ReadyTarget::StatusPage(path) => appended(path, message.for_customers()).await,
        }
    }

    async fn tell_slack(
        &mut self,
        message: &IncidentMessage,
        api: &str,
        token: &str,
        channel: Option<String>,
    ) -> Result<(), Refused> {
        let channel = match channel.or_else(|| self.channel.clone()) {
            Some(channel) => channel,
            None => {
                let url = format!("{api}/conversations.create");
                let made = call_slack(&url, token, &slack::new_channel(message)).await?;
                let id = made["channel"]["id"].as_str().ok_or_else(|| Refused::for_good("no channel was made"))?;
                self.channel.insert(id.to_string()).clone()
            }
        };
        let url = format!("{api}/chat.postMessage");
        let body = slack::message(message, &channel, self.thread.as_deref());
        let said = call_slack(&url, token, &body).await?;
        if self.thread.is_none() {
            self.thread = said["ts"].as_str().map(str::to_string);
        }
        Ok(())
    }
}

/// Why a message was not taken.
struct Refused {
    why: String,
    /// Whether to try again, and after how long where the server says so.
    again: bool,
    after: Option<Duration>,
}

impl Refused {
    fn for_good(why: impl Into<String>) -> Refused {
        Refused { why: why.into(), again: false, after: None }
    }
}

async fn call_slack(url: &str, token: &str, body: &Value) -> Result<Value, Refused> {
    slack::answered(&post(url, Some(token), body).await?.into_body()).map_err(Refused::for_good)
}

/// Posts it: 2xx is taken; 429 and 5xx, and no answer at all, are worth another try.
async fn post(url: &str, token: Option<&str>, body: &Value) -> Result<WebAnswer, Refused> {
    match request(url, token, Some(body)).await {
        Ok(answer) if answer.status().is_success() => Ok(answer),
        Ok(answer) => {
            let status = answer.status();
            // The first words of its body, in one line.
            let said: String = String::from_utf8_lossy(answer.body()).chars().take(200).collect();
            let said = if said.trim().is_empty() { said } else { format!(": {}", one_line(said.trim())) };
            let pause = answer.headers().get(RETRY_AFTER).and_then(|pause| pause.to_str().ok()?.trim().parse().ok());
            let after = pause.map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_PAUSE)));
            let why = format!("HTTP {}{}", status.as_u16(), said.trim_end());
            Err(Refused { why, again: status == 429 || status.is_server_error(), after })
        }
        Err(why) => Err(Refused { why, again: true, after: None }),
    }
}

/// Appends to an ordinary file, not through a link; a file system that hangs holds up nothing else.
async fn appended(path: PathBuf, text: String) -> Result<(), Refused> {
    let append = move || {
        let mut file = open_plain(&path, std::fs::File::options().append(true).create(true))?;
        file.write_all(text.as_bytes())
    };
    let within = tokio::time::timeout(FILE_WITHIN, tokio::task::spawn_blocking(append)).await;
    let done = within.map_err(|_| Refused::for_good("the file system did not answer"))?;
    done.unwrap_or_else(|error| Err(error.into())).map_err(|error| Refused::for_good(error.to_string()))
}

#[cfg(test)]
mod tests;
