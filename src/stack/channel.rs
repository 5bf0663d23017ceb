//! Two queues of lines: how the runner speaks with a process inside the stack, whatever carries the lines.

use tokio::sync::mpsc;

/// A line in each direction. The other end sees end-of-file when `tx` is dropped; `rx` ends when the other end is gone.
#[derive(Debug)]
pub struct Channel {
    /// Lines to the other end, without the newline.
    pub tx: mpsc::Sender<String>,
    /// Lines from the other end, without the newline.
    pub rx: mpsc::Receiver<String>,
}

impl Channel {
    /// Two channels that are each other's other end.
    pub fn pair(capacity: usize) -> (Channel, Channel) {
        let (near_tx, far_rx) = mpsc::channel(capacity);
        let (far_tx, near_rx) = mpsc::channel(capacity);
        (Channel { tx: near_tx, rx: near_rx }, Channel { tx: far_tx, rx: far_rx })
    }
}
