//! A timer of the kernel. That of tokio rounds up to the next millisecond: who sends a request that late measures a service as
//! slower than it is, and what is held back for so many milliseconds would come one or two later.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::unix::pipe::Receiver;

/// Most of them at a time that are the kernel's: each takes a file descriptor, and connections need these as well.
const MOST: usize = 512;
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// `timerfd_create(2)`; where the kernel gives none, or there are `MOST` of them, tokio's timer.
pub struct PreciseTimer {
    /// Something to be read from, as a pipe is: eight bytes, once it has expired.
    timer: Option<Receiver>,
    /// What it is set to.
    set: Option<Instant>,
}

impl Default for PreciseTimer {
    fn default() -> PreciseTimer {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let few = OPEN.fetch_add(1, Ordering::Relaxed) < MOST;
        let timer = few.then(|| timerfd_create(TimerfdClockId::Monotonic, flags).ok()).flatten();
        PreciseTimer { timer: timer.and_then(|timer| Receiver::from_owned_fd_unchecked(timer).ok()), set: None }
    }
}

impl Drop for PreciseTimer {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PreciseTimer {
    /// Waits until an instant; at once when it has passed. It may be dropped and called again, also with another instant.
    pub async fn until(&mut self, at: Instant) {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let is_set = |timer: &&Receiver| self.set == Some(at) || set(timer, left);
            let Some(timer) = self.timer.as_ref().filter(is_set) else {
                return tokio::time::sleep_until(at.into()).await;
            };
            self.set = Some(at);
            // Readable: it has expired, or had before it was set to this.
            if timer.readable().await.is_err() {
                self.timer = None;
            } else if timer.try_read(&mut [0; 8]).is_ok() {
                self.set = None;
            }
        }
    }
}

/// Sets it to expire once, so much later.
fn set(timer: &Receiver, after: Duration) -> bool {
    let (never, after) = (Timespec::default(), Timespec::try_from(after));
    let once = after.map(|after| Itimerspec { it_interval: never, it_value: after });
    once.is_ok_and(|once| timerfd_settime(timer, TimerfdTimerFlags::empty(), &once).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_may_be_set_again() {
        let mut timer = PreciseTimer::default();
        let from = Instant::now();
        for step in 1..20 {
            let at = from + Duration::from_micros(700 * step);
            // Dropped half-way, as a select does; and with a later instant meanwhile.
            let _ = tokio::time::timeout(Duration::from_micros(100), timer.until(at + Duration::from_secs(60))).await;
            timer.until(at).await;
            assert!(Instant::now() >= at, "step {step}");
        }
        timer.until(from).await;
    }
}
