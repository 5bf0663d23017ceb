//! When bytes of one direction go on, by the toxics of that direction: each toxic is a stage, and what comes in is passed through
//! all of them at once, which says when each piece of it is due. Nothing here waits or knows a socket.

use super::rules::unit;
use super::toxic::{ActiveToxic, OpenConnection, Toxic, ToxicKind};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How much memory late bytes of one direction of a connection take; then nothing more is read. It is little where the memory of an agent is
/// limited.
static LATE: AtomicUsize = AtomicUsize::new(4 * 1024 * 1024);
/// How many bytes wait otherwise, so that a slow connection is slow for its sender as well.
const WAITING: usize = 64 * 1024;
/// Into how many pieces a second's bytes are cut by a limited bandwidth.
const PER_SECOND: i64 = 100;
/// When what a bandwidth of 0 holds back would be due: never, for as long as anybody waits.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Lets as many late bytes wait in this process as in Toxiproxy: 1,024 reads of 32 KiB.
pub(in crate::agent) fn wait_as_toxiproxy() {
    LATE.store(32 * 1024 * 1024, Ordering::Relaxed);
}

/// How a toxic ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::agent) enum ConnectionCut {
    /// Closed.
    #[default]
    Close,
    /// Closed with a reset (RST).
    Reset,
}

/// What goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToxicPiece {
    Bytes(Bytes),
    /// The sender has nothing more to say.
    End,
    /// A toxic ends the connection, or the sender is gone.
    Cut(ConnectionCut),
}

/// A piece that waits.
#[derive(Debug, Clone)]
pub(super) struct WaitingPiece {
    came: Instant,
    pub(super) due: Instant,
    pub(super) piece: ToxicPiece,
}

/// A toxic on one connection.
struct Stage {
    active: Arc<ActiveToxic>,
    /// Whether it acts on this connection, by its toxicity.
    acts: bool,
    /// When it is done with what it was given before.
    busy: Instant,
    /// How many bytes it has let through.
    passed: u64,
    /// How many bytes had been sent on this connection when it began.
    sent_before: u64,
    /// When it closes the connection if nothing comes.
    closes: Option<Instant>,
    /// Whether it has done anything on this connection.
    noted: bool,
    /// The connection, where it counts those that are open.
    open: Option<OpenConnection>,
}

/// The toxics of one direction of one connection, and what waits because of them.
#[derive(Default)]
pub(super) struct Stages {
    stages: Vec<Stage>,
    waiting: VecDeque<WaitingPiece>,
    /// Bytes that wait.
    held: usize,
    /// Bytes that went on.
    sent: u64,
    /// Whether nothing more is taken in: the sender has ended, or a toxic ends the connection.
    ended: bool,
    /// Whether it is a toxic that ends the connection.
    cut: bool,
    /// Whether the connection is open, and not only about to be.
    open: bool,
    seed: u64,
    drawn: u64,
}

impl Stages {
    /// The stages of a connection that is about to be opened, without toxics. Equal seeds give equal random draws.
    pub(super) fn new(seed: u64) -> Stages {
        Stages { seed, ..Stages::default() }
    }

    /// The toxics are these from now on; what waits is timed anew by them, from when it came.
    ///
    /// # Errors
    /// [`ConnectionCut`] where a toxic ends the connection, or one that has swallowed bytes was taken out: what would follow
    /// could not be understood.
    pub(super) fn set(&mut self, toxics: Vec<Arc<ActiveToxic>>, now: Instant) -> Result<(), ConnectionCut> {
        let is_new = !std::mem::replace(&mut self.open, true);
        let same = |(stage, toxic): (&Stage, &Arc<ActiveToxic>)| Arc::ptr_eq(&stage.active, toxic);
        if toxics.len() == self.stages.len() && self.stages.iter().zip(&toxics).all(same) {
            return Ok(());
        }
        let mut old = std::mem::take(&mut self.stages);
        for active in toxics {
            let toxic = &active.rule.toxic;
            let is_known = |stage: &Stage| stage.active.is_same(&active) && stage.toxic().kind == toxic.kind;
            let known = old.iter().position(is_known).map(|at| old.remove(at));
            let acts = match &known {
                Some(stage) if stage.toxic().toxicity == toxic.toxicity => stage.acts,
                _ => self.draw(active.rule.seed) < f64::from(toxic.toxicity),
            };
            let is_same = known.as_ref().is_some_and(|stage| Arc::ptr_eq(&stage.active, &active));
            let (sent_before, noted, kept, open) = match known {
                Some(stage) => (stage.sent_before, stage.noted, stage.closes.filter(|_| is_same), stage.open),
                None => (self.sent, false, None, None),
            };
            let closes = acts && toxic.kind == ToxicKind::Timeout && toxic.attributes[0] > 0;
            let closes = kept.or_else(|| closes.then(|| now + milliseconds(toxic.attributes[0])));
            let open = open.or_else(|| (acts && toxic.kind == ToxicKind::LimitConnections).then(|| active.opened()));
            let passed = self.sent - sent_before;
            let mut stage = Stage { active, acts, busy: now, passed, sent_before, closes, noted, open };
            if acts && stage.cuts(is_new) {
                stage.note(0);
                return Err(ConnectionCut::Reset);
            }
            self.stages.push(stage);
        }
        if old.iter().any(|stage| stage.acts && stage.toxic().kind == ToxicKind::Timeout) {
            return Err(ConnectionCut::Close);
        }
        // A connection that a toxic has begun to end is ended when it is due.
        if self.cut {
            return Ok(());
        }
        self.held = 0;
        for WaitingPiece { came, piece, .. } in std::mem::take(&mut self.waiting) {
            self.take_in(came, came, piece, false);
        }
        Ok(())
    }

    /// Takes in what has come now.
    pub(super) fn push(&mut self, piece: ToxicPiece, now: Instant) {
        self.take_in(now, now, piece, true);
    }

    /// Takes in that the sender is gone, unless it had ended before.
    pub(super) fn sender_gone(&mut self, now: Instant) {
        if !self.ended {
            self.push(ToxicPiece::Cut(ConnectionCut::Reset), now);
        }
    }

    fn take_in(&mut self, came: Instant, now: Instant, piece: ToxicPiece, is_new: bool) {
        let mut pieces = vec![(now, piece)];
        for stage in self.stages.iter_mut().filter(|stage| stage.acts) {
            let mut out = Vec::with_capacity(pieces.len());
            for (at, piece) in pieces {
                let drawn = unit(self.seed ^ stage.active.rule.seed, self.drawn);
                self.drawn += u64::from(matches!(stage.toxic().kind, ToxicKind::Latency | ToxicKind::Slicer));
                let was_cut = matches!(piece, ToxicPiece::Cut(_));
                let acted = match piece {
                    ToxicPiece::Bytes(bytes) => stage.pass(at, bytes, drawn, &mut out),
                    end => stage.end(at, end, &mut out),
                };
                if let Some(bytes) = acted.filter(|_| is_new) {
                    stage.note(bytes);
                }
                if out.last().is_some_and(|(_, piece)| matches!(piece, ToxicPiece::Cut(_))) {
                    self.cut |= !was_cut;
                    break;
                }
            }
            pieces = out;
        }
        for (due, piece) in pieces {
            match &piece {
                ToxicPiece::Bytes(bytes) => self.held += bytes.len(),
                ToxicPiece::End | ToxicPiece::Cut(_) => self.ended = true,
            }
            self.waiting.push_back(WaitingPiece { came, due, piece });
        }
    }

    fn draw(&mut self, seed: u64) -> f64 {
        self.drawn += 1;
        unit(self.seed ^ seed, self.drawn - 1)
    }

    /// Whether what comes may go on as it is: no toxic acts, and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.ended && self.waiting.is_empty() && !self.stages.iter().any(|stage| stage.acts)
    }

    /// Whether more may be taken in: where no toxic acts only once what waits is gone, so that a slow receiver takes no memory here.
    pub(super) fn has_room(&self) -> bool {
        let acting = || self.stages.iter().filter(|stage| stage.acts).map(|stage| stage.toxic().kind);
        let most = match acting().next() {
            None => 1,
            Some(_) if acting().any(|kind| kind == ToxicKind::Latency) => LATE.load(Ordering::Relaxed),
            Some(_) => WAITING,
        };
        !self.ended && self.held + self.waiting.len() * size_of::<WaitingPiece>() < most
    }

    /// Counts bytes that were passed on while no toxic held anything.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// What goes on first.
    pub(super) fn first(&self) -> Option<&WaitingPiece> {
        self.waiting.front()
    }

    /// Removes from the queue bytes of its first piece that were passed on.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.held -= bytes;
        if let Some(WaitingPiece { piece: ToxicPiece::Bytes(first), .. }) = self.waiting.front_mut() {
            let _ = first.split_to(bytes);
            if first.is_empty() {
                self.waiting.pop_front();
            }
        }
    }

    /// When a toxic closes the connection if nothing comes until then.
    pub(super) fn closes(&self) -> Option<Instant> {
        self.stages.iter().filter_map(|stage| stage.closes).min()
    }

    /// Whether a toxic has closed the connection by now.
    pub(super) fn is_closed(&mut self, now: Instant) -> bool {
        let closed = self.stages.iter_mut().find(|stage| stage.closes.is_some_and(|at| at <= now));
        closed.map(|stage| stage.note(0)).is_some()
    }
}

impl Stage {
    fn toxic(&self) -> &Toxic {
        &self.active.rule.toxic
    }

    /// It has acted on so many bytes.
    fn note(&mut self, bytes: usize) {
        let first = !std::mem::replace(&mut self.noted, true);
        self.active.note(bytes, first);
    }

    /// Whether it ends its connection at once: one that is new, or any.
    fn cuts(&self, is_new: bool) -> bool {
        let limit = u64::try_from(self.toxic().attributes[0]).unwrap_or(0);
        match self.toxic().kind {
            ToxicKind::Down => true,
            ToxicKind::Refuse => is_new,
            ToxicKind::LimitConnections => is_new && self.open.as_ref().is_some_and(|open| open.before >= limit),
            _ => false,
        }
    }

    /// What becomes of bytes that reach it; `drawn` is in 0..1. Says on how many it has acted, `None` where it does nothing.
    fn pass(&mut self, at: Instant, bytes: Bytes, drawn: f64, out: &mut Vec<(Instant, ToxicPiece)>) -> Option<usize> {
        let ([first, second, third], all) = (self.toxic().attributes, bytes.len());
        match self.toxic().kind {
            ToxicKind::Latency => {
                let off = if second > 0 { (2.0 * drawn - 1.0) * second as f64 } else { 0.0 };
                let late = Duration::from_secs_f64(((first as f64 + off) / 1e3).clamp(0.0, NEVER.as_secs_f64()));
                self.busy = self.busy.max(at + late);
                out.push((self.busy, ToxicPiece::Bytes(bytes)));
            }
            ToxicKind::Bandwidth => self.slow_down(first, at, bytes, out),
            ToxicKind::Slicer => {
                let delay = Duration::from_micros(u64::try_from(third).unwrap_or(0)).min(NEVER);
                for piece in slices(bytes, first.max(1) as usize, second.max(0) as usize, drawn) {
                    let due = self.busy.max(at);
                    self.busy = due + delay;
                    out.push((due, ToxicPiece::Bytes(piece)));
                }
            }
            ToxicKind::LimitData => {
                let left = u64::try_from(first).unwrap_or(0).saturating_sub(self.passed);
                let take = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.passed += take as u64;
                if take > 0 {
                    out.push((at, ToxicPiece::Bytes(bytes.slice(..take))));
                }
                if (take as u64) < left {
                    return None;
                }
                out.push((at, ToxicPiece::Cut(ConnectionCut::Close)));
                return Some(all - take);
            }
            ToxicKind::Timeout => self.closes = self.closes.map(|_| at + milliseconds(first)),
            ToxicKind::ResetPeer => out.push((at + milliseconds(first), ToxicPiece::Cut(ConnectionCut::Reset))),
            _ => {
                out.push((at, ToxicPiece::Bytes(bytes)));
                return None;
            }
        }
        Some(all)
    }

    /// What becomes of the end of the stream, or the connection, which reaches it at this instant; as [`Stage::pass`].
    fn end(&self, at: Instant, end: ToxicPiece, out: &mut Vec<(Instant, ToxicPiece)>) -> Option<usize> {
        let (busy, time) = (self.busy.max(at), milliseconds(self.toxic().attributes[0]));
        let (end, acted) = match self.toxic().kind {
            ToxicKind::SlowClose => ((busy + time, end), Some(0)),
            ToxicKind::ResetPeer => ((at + time, ToxicPiece::Cut(ConnectionCut::Reset)), Some(0)),
            _ => ((busy, end), None),
        };
        out.push(end);
        acted
    }

    /// Bytes at `rate` kilobytes (1,000 bytes) a second.
    fn slow_down(&mut self, rate: i64, at: Instant, mut bytes: Bytes, out: &mut Vec<(Instant, ToxicPiece)>) {
        if rate <= 0 {
            return out.push((at + NEVER, ToxicPiece::Bytes(bytes)));
        }
        let a_second = rate.saturating_mul(1000);
        let piece = usize::try_from(a_second / PER_SECOND).unwrap_or(usize::MAX).max(1);
        self.busy = self.busy.max(at);
        while !bytes.is_empty() {
            let next = bytes.split_to(bytes.len().min(piece));
            self.busy += Duration::from_secs_f64(next.len() as f64 / a_second as f64);
            out.push((self.busy, ToxicPiece::Bytes(next)));
        }
    }
}

fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0)).min(NEVER)
}

/// Cuts bytes into pieces of `average` bytes, each up to `variation` bytes longer or shorter, but at least one byte long.
fn slices(mut bytes: Bytes, average: usize, variation: usize, drawn: f64) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let seed = drawn.to_bits();
    while !bytes.is_empty() {
        let off = unit(seed, pieces.len() as u64) * (2 * variation) as f64;
        let size = average.saturating_add(off as usize).saturating_sub(variation).max(1);
        pieces.push(bytes.split_to(bytes.len().min(size)));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::toxic::{ToxicRule, ToxicStream};
    use super::*;

    #[tokio::test]
    async fn as_many_reads_wait_for_a_latency_as_in_toxiproxy_and_small_ones_take_no_more_memory() {
        wait_as_toxiproxy();
        let waits = |size: usize| {
            let slow = Toxic::new(ToxicKind::Latency, ToxicStream::Downstream, [1_000, 0, 0]);
            let rule = ToxicRule { port: None, from: None, toxic: slow, seed: 0 };
            let active = ActiveToxic::new("slow", rule).expect("a toxic");
            let (mut stages, now) = (Stages::new(0), Instant::now());
            stages.set(vec![Arc::new(active)], now).expect("nothing is cut");
            let (read, mut reads) = (Bytes::from(vec![0; size]), 0);
            while stages.has_room() {
                stages.push(ToxicPiece::Bytes(read.clone()), now);
                reads += 1;
            }
            reads
        };
        assert!(waits(32 * 1024) >= 1_000);
        assert!(waits(1) <= LATE.load(Ordering::Relaxed) / size_of::<WaitingPiece>());
    }
}
