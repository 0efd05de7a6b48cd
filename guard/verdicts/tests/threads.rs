//! Many threads at once: no verdict is lost, no lock is held while streams end.

mod support;

use std::net::IpAddr;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use ostiary_verdicts::wire::{Effect, Kind};
use ostiary_verdicts::{Cut, Ending, Key, Standing, Subject, Table};
use proptest::prelude::*;
use support::{Stream, lift, table, verdict};

const ADDRESS: &str = "192.0.2.7";

fn end(endings: Vec<Ending>) {
    for ending in endings {
        ending.stream.cut(&ending.standing);
    }
}

/// Subjects are made and streams opened and closed while the denies come; what is left was told.
fn open_some(table: &Table, shared: &Subject, seed: usize) -> Vec<(Arc<Stream>, bool)> {
    let mut left = Vec::new();
    for turn in 0..40 {
        let stream = Stream::new();
        let cut = Arc::clone(&stream) as Arc<dyn Cut>;
        let now = i64::try_from(turn).unwrap();
        let (id, standing) = match (turn + seed) % 3 {
            0 => {
                let here = table.address(ADDRESS.parse::<IpAddr>().unwrap(), now);
                let linked = here.link(table, now, &cut);
                // The subject has to live as long as its stream.
                std::mem::forget(here);
                linked
            }
            1 => {
                let keys = [Key::Named(Kind::User, "u"), Key::Named(Kind::Session, "s")];
                let own = table.credential(&keys, Some(3), now);
                let linked = own.link(table, now, &cut);
                std::mem::forget(own);
                linked
            }
            _ => shared.link(table, now, &cut),
        };
        let refused = standing.is_some_and(|one| one.effect.ends());
        if turn % 5 == 0 && (turn + seed) % 3 == 2 {
            shared.unlink(id);
        } else {
            left.push((stream, refused));
        }
    }
    left
}

fn change_some(table: &Table, number: u64) {
    let (kind, key, range) = (Kind::User, "u", "192.0.2.0/24");
    for turn in 0..20 {
        let mut score = verdict(100 + number, kind, key, Effect::Score);
        score.expires_ms = turn + 1;
        end(table.put(&score, turn).unwrap());
        end(table
            .put(&verdict(number, kind, key, Effect::Deny), turn)
            .unwrap());
        end(table
            .put(&verdict(number, Kind::Address, range, Effect::StepUp), turn)
            .unwrap());
        if turn < 19 {
            end(table.lift(&lift(number, kind, key), turn).unwrap());
            end(table
                .lift(&lift(number, Kind::Address, range), turn)
                .unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]
    #[test]
    fn every_stream_of_a_denied_subject_knows_it(seed in 0usize..3, changers in 1u64..3) {
        let table = table(1000);
        let shared = table.credential(&[Key::Named(Kind::User, "u")], None, 0);
        let (begin, left) = (Barrier::new(2 + usize::try_from(changers).unwrap()), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let (table, shared, begin, left) = (&table, &shared, &begin, &left);
            for offset in 0..2 {
                scope.spawn(move || {
                    begin.wait();
                    let some = open_some(table, shared, seed + offset);
                    left.lock().unwrap().extend(some);
                });
            }
            for number in 0..changers {
                scope.spawn(move || {
                    begin.wait();
                    change_some(table, number);
                });
            }
        });
        for (stream, refused) in left.lock().unwrap().iter() {
            prop_assert!(*refused || stream.told() > 0);
        }
    }
}

/// Asks the table about everything from inside `cut`.
struct Curious {
    table: Arc<Table>,
    subject: Mutex<Option<Arc<Subject>>>,
}

impl Cut for Curious {
    fn cut(&self, _: &Arc<Standing>) {
        let subject = self.subject.lock().unwrap().take();
        if let Some(subject) = subject {
            assert!(subject.standing(&self.table, 0).is_some());
            end(self
                .table
                .put(&verdict(7, Kind::User, "v", Effect::Deny), 0)
                .unwrap());
            self.table.sweep(0);
        }
    }
}

#[test]
fn ending_a_stream_may_use_the_table() {
    let table = table(9);
    let subject = table.credential(&[Key::Named(Kind::User, "u")], None, 0);
    let held = Mutex::new(Some(Arc::clone(&subject)));
    let stream: Arc<dyn Cut> = Arc::new(Curious {
        table: Arc::clone(&table),
        subject: held,
    });
    let _ = subject.link(&table, 0, &stream);
    end(table
        .put(&verdict(1, Kind::User, "u", Effect::Deny), 0)
        .unwrap());
    assert_eq!(table.entries(), 2);
}

#[test]
fn of_a_burst_the_last_word_holds() {
    let table = table(9);
    let subject = table.credential(&[Key::Named(Kind::User, "u")], None, 0);
    for turn in 0..10_000u64 {
        let stream = Stream::new();
        let cut = Arc::clone(&stream) as Arc<dyn Cut>;
        let (id, standing) = subject.link(&table, 0, &cut);
        assert!(standing.is_none(), "turn {turn}");
        end(table
            .put(&verdict(1, Kind::User, "u", Effect::Deny), 0)
            .unwrap());
        assert_eq!(stream.told(), 1);
        end(table.lift(&lift(1, Kind::User, "u"), 0).unwrap());
        subject.unlink(id);
    }
    assert!(subject.standing(&table, 0).is_none());
}
