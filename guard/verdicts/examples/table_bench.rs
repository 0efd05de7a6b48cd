//! What the table costs: `cargo run --release --example table_bench [threads]`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ostiary_verdicts::wire::{Effect, Kind, Lift, Verdict};
use ostiary_verdicts::{Cut, Key, Settings, Standing, Subject, Table};

const MILLION: u64 = 1_000_000;

struct Quiet;

impl Cut for Quiet {
    fn cut(&self, _: &Arc<Standing>) {}
}

fn verdict(number: u64, key: String) -> Verdict {
    Verdict {
        id: u128::from(number).to_be_bytes().to_vec(),
        kind: Kind::User.into(),
        key,
        effect: Effect::Deny.into(),
        reason: "bench".into(),
        source: "bench".into(),
        expires_ms: 9_000_000,
        ..Verdict::default()
    }
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Prints the percentiles of `times`.
fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 1000];
    let (half, most, last) = (at(500), at(990), at(1000));
    println!(
        "{what}: p50 {half:?}, p99 {most:?}, p99.9 {:?}, max {last:?}",
        at(999)
    );
}

fn main() {
    let threads: usize = std::env::args()
        .nth(1)
        .and_then(|one| one.parse().ok())
        .unwrap_or(4);
    let empty = resident_kib();
    let table = Table::new(Settings {
        seeds: [3, 4],
        most: 1_100_000,
    });
    let begun = Instant::now();
    for number in 0..MILLION {
        let _ = table.put(&verdict(number, format!("user-{number}")), 0);
    }
    let each = begun.elapsed().as_nanos() / u128::from(MILLION);
    let used = (resident_kib() - empty) / 1024;
    println!("1,000,000 verdicts: {used} MiB, {each} ns each to put");
    look_up(&table);
    contended(&table, threads);
    one_of_many(&table);
    burst(&table);
}

fn look_up(table: &Table) {
    let names: Vec<String> = (0..100_000)
        .map(|n| format!("user-{}", n * 19 % 2_000_000))
        .collect();
    let times = names.iter().map(|name| {
        let begun = Instant::now();
        black_box(table.look_up(&[Key::Named(Kind::User, name)], None, 1));
        begun.elapsed()
    });
    print("look-up of one key among 1,000,000", times.collect());
    let times = names.iter().map(|name| {
        let keys = ["a", "b", "c", name.as_str()].map(|one| Key::Named(Kind::User, one));
        let begun = Instant::now();
        black_box(table.credential(&keys, None, 1));
        begun.elapsed()
    });
    print("a new credential with four keys", times.collect());
}

/// Requests of `threads` on 64 subjects, while two threads deny and lift them.
fn contended(table: &Arc<Table>, threads: usize) {
    let key = |number: usize| format!("busy-{number}");
    let subjects: Vec<Arc<Subject>> = (0..64)
        .map(|number| table.credential(&[Key::Named(Kind::User, &key(number))], None, 1))
        .collect();
    let over = AtomicBool::new(false);
    let mut all = Vec::new();
    thread::scope(|scope| {
        for seed in 0..2 {
            let over = &over;
            scope.spawn(move || {
                for number in (seed..)
                    .step_by(2)
                    .take_while(|_| !over.load(Ordering::Relaxed))
                {
                    let one = verdict(
                        MILLION + number,
                        key(usize::try_from(number % 64).unwrap_or(0)),
                    );
                    let _ = table.put(&one, 1);
                    let lift = Lift {
                        id: one.id,
                        kind: one.kind,
                        key: one.key,
                    };
                    let _ = table.lift(&lift, 1);
                    thread::sleep(Duration::from_micros(100));
                }
            });
        }
        let subjects = &subjects;
        let workers: Vec<_> = (0..threads)
            .map(|one| scope.spawn(move || requests(table, subjects, one)))
            .collect();
        for worker in workers {
            all.extend(worker.join().unwrap_or_default());
        }
        over.store(true, Ordering::Relaxed);
    });
    print(
        &format!("link, check and unlink, {threads} threads, 2 more change verdicts"),
        all,
    );
}

fn requests(table: &Table, subjects: &[Arc<Subject>], offset: usize) -> Vec<Duration> {
    let stream: Arc<dyn Cut> = Arc::new(Quiet);
    let mut times = Vec::with_capacity(300_000);
    for number in 0..300_000 {
        let subject = &subjects[(number * 7 + offset) % 64];
        let begun = Instant::now();
        let (id, standing) = subject.link(table, 1, &stream);
        black_box(standing);
        subject.unlink(id);
        times.push(begun.elapsed());
    }
    times
}

/// One verdict about a subject with 10,000 streams, and requests of the same subject meanwhile.
fn one_of_many(table: &Arc<Table>) {
    let subject = table.credential(&[Key::Named(Kind::User, "many")], None, 1);
    let stream: Arc<dyn Cut> = Arc::new(Quiet);
    for _ in 0..10_000 {
        let _ = subject.link(table, 1, &stream);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let (id, _) = subject.link(table, 1, &stream);
                subject.unlink(id);
                times.push(begun.elapsed());
            }
            times
        });
        let mut times = Vec::new();
        for number in 0..200 {
            let one = verdict(3 * MILLION + number, "many".into());
            let begun = Instant::now();
            let found = table.put(&one, 1).map_or(0, |endings| endings.len());
            times.push(begun.elapsed());
            assert!(found >= 10_000);
            let lift = Lift {
                id: one.id,
                kind: one.kind,
                key: one.key,
            };
            let _ = table.lift(&lift, 1);
        }
        over.store(true, Ordering::Relaxed);
        print("a verdict about one subject with 10,000 streams", times);
        print(
            "requests of that subject meanwhile",
            worker.join().unwrap_or_default(),
        );
    });
}

fn burst(table: &Table) {
    let begun = Instant::now();
    for number in 0..10_000 {
        let one = verdict(4 * MILLION, "again".into());
        let lift = Lift {
            id: one.id.clone(),
            kind: one.kind,
            key: one.key.clone(),
        };
        let _ = table.put(&one, 1);
        if number < 9_999 {
            let _ = table.lift(&lift, 1);
        }
    }
    assert!(
        table
            .look_up(&[Key::Named(Kind::User, "again")], None, 1)
            .is_some()
    );
    println!(
        "10,000 times deny and lift of one key: {:?}",
        begun.elapsed()
    );
}
