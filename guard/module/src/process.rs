//! What all threads and configurations of one Envoy share: the table, the clock, the pacing of ends.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ostiary_verdicts::{Cut, Ending, Pacer, ServerClock, Session, Settings, Table, dump, load};
use ring::rand::{SecureRandom, SystemRandom};

use crate::abi::{Level, log};
use crate::ending::Refusal;
use crate::handle::Handle;
use crate::trusting::Trusting;

/// Verdicts one process holds at most.
const MOST_VERDICTS: usize = 1_000_000;
const KEEP_EVERY: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(3600);

/// See the module.
pub(crate) struct Process {
    pub table: Arc<Table>,
    pub clock: ServerClock,
    session: Mutex<Session>,
    started: Instant,
    pacer: Mutex<Pacer<Job>>,
    pub trusting: Trusting,
    /// Something is due, or will be earlier than thought.
    news: Condvar,
    changed: AtomicBool,
    pub streams: AtomicU64,
    pub connections: AtomicU64,
    cuts: AtomicU64,
    /// Streams that verdicts ended, and of which nobody was told.
    reports: Mutex<HashMap<[u8; 16], u64>>,
}

static PROCESS: OnceLock<Process> = OnceLock::new();
static PACING: AtomicBool = AtomicBool::new(false);
static KEEPING: AtomicBool = AtomicBool::new(false);

/// The one of this Envoy; made at the first call, empty unless [`begin`] came before.
pub(crate) fn process() -> &'static Process {
    let process = PROCESS.get_or_init(|| Process::new(None));
    if !PACING.load(Ordering::Relaxed) && !PACING.swap(true, Ordering::Relaxed) {
        thread::spawn(|| process.pace());
    }
    process
}

/// The table kept at `file` is known, though not confirmed, and will be kept there.
pub(crate) fn begin(file: Option<PathBuf>) {
    PROCESS.get_or_init(|| Process::new(file.as_deref()));
    let process = process();
    if let Some(file) = file
        && !KEEPING.swap(true, Ordering::Relaxed)
    {
        thread::spawn(move || process.keep(&file));
    }
}

impl Process {
    fn new(file: Option<&Path>) -> Self {
        let stored = file.and_then(|file| fs::read(file).ok());
        let known = stored.and_then(|bytes| match load(&bytes, MOST_VERDICTS) {
            Ok(known) => Some(known),
            Err(why) => {
                log(
                    Level::Warn,
                    &format!("ostiary guard: the stored verdicts: {why}"),
                );
                None
            }
        });
        let (table, session) = known.unwrap_or_else(|| {
            let settings = Settings {
                seeds: random_seeds(),
                most: MOST_VERDICTS,
            };
            (Table::new(settings), Session::default())
        });
        Self {
            session: Mutex::new(session),
            table,
            clock: ServerClock::new(wall_ms(), 0),
            started: Instant::now(),
            pacer: Mutex::new(Pacer::new()),
            trusting: Trusting::default(),
            news: Condvar::new(),
            changed: AtomicBool::new(false),
            streams: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            reports: Mutex::default(),
        }
    }

    /// Milliseconds of the monotonic clock.
    pub(crate) fn mono_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn mono_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The control plane's time, Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms(self.mono_ms())
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    /// The table is not what stands on the disk any more.
    pub(crate) fn changed(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Whom verdicts are about ends.
    pub(crate) fn end(&self, endings: Vec<Ending>) {
        self.work(endings.into_iter().map(Job::Verdict).collect());
    }

    /// Streams that need trust end when the table has none to give; called again and again.
    pub(crate) fn distrust(&self) {
        let due = self.trusting.due(&self.table, self.mono_ms());
        if !due.is_empty() {
            let jobs = due.into_iter().map(|(stream, why)| Job::Table(stream, why));
            self.work(jobs.collect());
        }
    }

    /// A few end at once; of many each waits for its turn, so that other traffic does not stall.
    fn work(&self, jobs: Vec<Job>) {
        let mut by_worker: Vec<(u32, Vec<Job>)> = Vec::new();
        for job in jobs {
            let worker = job.worker();
            match by_worker.iter_mut().find(|(known, _)| *known == worker) {
                Some((_, all)) => all.push(job),
                None => by_worker.push((worker, vec![job])),
            }
        }
        for (worker, all) in by_worker {
            let now = lock(&self.pacer).add(worker, all, self.mono_us());
            cut(now);
        }
        self.news.notify_one();
    }

    /// `count` streams of `worker` that were told to end have ended.
    pub(crate) fn ended(&self, worker: u32, count: usize) {
        lock(&self.pacer).done(worker, count, self.mono_us());
        self.news.notify_one();
    }

    /// `verdict` ends a stream.
    pub(crate) fn cut(&self, verdict: &[u8; 16]) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        *lock(&self.reports).entry(*verdict).or_default() += 1;
    }

    /// How many streams verdicts have ended.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// How many streams each verdict ended since the last call.
    pub(crate) fn reports(&self) -> HashMap<[u8; 16], u64> {
        std::mem::take(&mut lock(&self.reports))
    }

    fn pace(&self) {
        loop {
            let mut pacer = lock(&self.pacer);
            let due = pacer.due(self.mono_us());
            if due.is_empty() {
                let wait = pacer.next_us().map_or(IDLE, |at| {
                    Duration::from_micros(at.saturating_sub(self.mono_us()).max(50))
                });
                drop(self.news.wait_timeout(pacer, wait));
                continue;
            }
            drop(pacer);
            cut(due);
        }
    }

    fn keep(&self, file: &Path) {
        loop {
            thread::sleep(KEEP_EVERY);
            if self.changed.swap(false, Ordering::Relaxed) {
                let bytes = dump(&self.table, &self.session());
                if let Err(why) = write_private(file, &bytes) {
                    let name = file.display();
                    log(
                        Level::Warn,
                        &format!("ostiary guard: {name} cannot be written: {why}"),
                    );
                }
            }
        }
    }
}

/// A stream that has to end.
enum Job {
    /// A verdict says so.
    Verdict(Ending),
    /// The table has no trust to give.
    Table(Arc<Handle>, Refusal),
}

impl Job {
    fn worker(&self) -> u32 {
        match self {
            Self::Verdict(ending) => ending.stream.worker(),
            Self::Table(stream, _) => stream.worker(),
        }
    }
}

fn cut(jobs: Vec<Job>) {
    for job in jobs {
        match job {
            Job::Verdict(ending) => ending.stream.cut(&ending.standing),
            Job::Table(stream, why) => stream.end(why),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn random_seeds() -> [u64; 2] {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        log(
            Level::Error,
            "ostiary guard: the system has no random numbers",
        );
    }
    let (one, two) = bytes.split_at(8);
    let number = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
    [number(one), number(two)]
}

fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whole or not at all, and nobody else's.
fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut open = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    open.write_all(bytes)?;
    open.sync_all()?;
    fs::rename(&new, file)
}
