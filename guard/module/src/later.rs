//! What has to happen a moment later, whatever the stream does meanwhile.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a WebSocket may take to reach the end of a frame before it ends in the middle of one.
const PATIENCE: Duration = Duration::from_millis(50);

type Work = Box<dyn FnOnce() + Send>;

/// Runs `work` on a thread of its own once [`PATIENCE`] is over. All wait equally long, so they come
/// in order.
pub(crate) fn after_patience(work: Work) {
    static QUEUE: OnceLock<Sender<(Instant, Work)>> = OnceLock::new();
    let queue = QUEUE.get_or_init(|| {
        let (sender, receiver) = channel::<(Instant, Work)>();
        thread::spawn(move || {
            while let Ok((due, work)) = receiver.recv() {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                work();
            }
        });
        sender
    });
    let _ = queue.send((Instant::now() + PATIENCE, work));
}
