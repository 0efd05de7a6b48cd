//! The stream's protocol, message by message.

mod support;

use std::sync::Arc;

use ostiary_verdicts::wire::{
    Ack, Delta, Effect, Heartbeat, Kind, Said, Snapshot, ToGuard, Told, Verdict,
};
use ostiary_verdicts::{Cut, Key, ServerClock, Session, SessionError, Step, Table, dump, load};
use support::{Stream, put, table, verdict};

struct World {
    table: Arc<Table>,
    clock: ServerClock,
    session: Session,
}

impl World {
    fn new(most: usize) -> Self {
        let (clock, session) = (ServerClock::new(0, 0), Session::default());
        Self {
            table: table(most),
            clock,
            session,
        }
    }

    fn tell(&mut self, told: Told, mono_ms: u64) -> Result<Step, SessionError> {
        let message = ToGuard { kind: Some(told) };
        self.session
            .told(&self.table, &self.clock, message, mono_ms)
    }

    fn holds(&self, user: &str) -> bool {
        self.table
            .look_up(&[Key::Named(Kind::User, user)], None, self.clock.now_ms(0))
            .is_some()
    }
}

fn deny(number: u64, user: &str) -> Verdict {
    verdict(number, Kind::User, user, Effect::Deny)
}

fn part(seq: u64, part: u32, last: bool, verdicts: Vec<Verdict>) -> Told {
    Told::Snapshot(Snapshot {
        epoch: "e".into(),
        seq,
        part,
        last,
        verdicts,
        time_ms: 50_000,
    })
}

fn delta(from: u64, seq: u64, verdicts: Vec<Verdict>) -> Told {
    let changes = verdicts.into_iter().map(put).collect();
    Told::Delta(Delta {
        from,
        seq,
        changes,
        time_ms: 51_000,
    })
}

fn beat(seq: u64) -> Told {
    Told::Heartbeat(Heartbeat {
        seq,
        time_ms: 52_000,
    })
}

fn ack(step: Step) -> Option<Ack> {
    match step.answer?.kind? {
        Said::Ack(ack) => Some(ack),
        _ => None,
    }
}

#[test]
fn a_snapshot_in_parts_replaces_the_table_when_it_is_whole() {
    let mut world = World::new(9);
    ack(world
        .tell(part(3, 0, true, vec![deny(1, "a"), deny(2, "b")]), 1)
        .unwrap())
    .unwrap();
    assert!(
        ack(world
            .tell(part(7, 0, false, vec![deny(2, "b")]), 2)
            .unwrap())
        .is_none()
    );
    assert!(world.holds("a") && world.session.epoch().is_empty());
    let ack = ack(world.tell(part(7, 1, true, vec![deny(3, "c")]), 3).unwrap()).unwrap();
    assert_eq!((ack.epoch.as_str(), ack.applied, ack.entries), ("e", 7, 2));
    assert!(!world.holds("a") && world.holds("b") && world.holds("c"));
    assert_eq!(world.table.age_ms(10), Some(7));
    assert_eq!(world.clock.now_ms(3), 50_000);
}

#[test]
fn a_snapshot_that_breaks_off_is_asked_for_again() {
    let mut world = World::new(9);
    let _ = world.tell(part(3, 0, true, vec![deny(1, "a")]), 1).unwrap();
    let _ = world.tell(part(7, 0, false, vec![]), 2).unwrap();
    let Some(Said::Hello(hello)) = world.session.hello("g", "e", &[]).kind else {
        panic!()
    };
    assert_eq!((hello.epoch.as_str(), hello.applied), ("", 0));
    assert!(world.holds("a"), "meanwhile the old one stands");
}

#[test]
fn changes_follow_on_one_another_or_end_the_stream() {
    let mut world = World::new(9);
    assert!(
        world.tell(delta(0, 1, vec![]), 1).is_err(),
        "no snapshot yet"
    );
    let _ = world.tell(part(3, 0, true, vec![]), 1).unwrap();
    let done = ack(world.tell(delta(3, 5, vec![deny(1, "a")]), 2).unwrap()).unwrap();
    assert_eq!(done.applied, 5);
    let gap = world.tell(delta(6, 7, vec![deny(2, "b")]), 3).err();
    assert_eq!(
        gap,
        Some(SessionError::Gap {
            from: 6,
            applied: 5
        })
    );
    assert!(world.holds("a") && !world.holds("b"));
}

#[test]
fn of_a_message_with_a_bad_verdict_nothing_is_applied() {
    let mut world = World::new(9);
    let _ = world.tell(part(3, 0, true, vec![]), 1).unwrap();
    let mut bad = deny(2, "b");
    bad.effect = 99;
    let error = world.tell(delta(3, 4, vec![deny(1, "a"), bad]), 2).err();
    assert_eq!(error, Some(SessionError::Verdict("an unknown effect")));
    assert!(!world.holds("a") && world.session.applied() == 3);
    let nothing = world
        .session
        .told(&world.table, &world.clock, ToGuard::default(), 3);
    assert_eq!(nothing.err(), Some(SessionError::Unknown));
}

#[test]
fn a_heartbeat_confirms_only_what_is_held() {
    let mut world = World::new(9);
    assert!(world.tell(beat(0), 1).unwrap().answer.is_none());
    assert_eq!(world.table.age_ms(1), None, "an empty table is not fresh");
    let _ = world.tell(part(3, 0, true, vec![]), 10).unwrap();
    let _ = world.tell(beat(4), 20).unwrap();
    assert_eq!(world.table.age_ms(20), Some(10));
    let _ = world.tell(beat(3), 30).unwrap();
    assert_eq!(world.table.age_ms(30), Some(0));
    let _ = world.tell(beat(2), 40).unwrap();
    assert_eq!(
        world.table.age_ms(40),
        Some(10),
        "who knows less confirms nothing"
    );
}

#[test]
fn a_table_from_the_disk_is_known_and_stale_until_confirmed() {
    let mut world = World::new(9);
    let mut range = deny(2, "198.51.100.0/24");
    range.kind = Kind::Address.into();
    let limit = verdict(3, Kind::User, "l", Effect::Limit);
    let _ = world
        .tell(part(3, 0, true, vec![deny(1, "a"), range, limit]), 1)
        .unwrap();
    let (table, session) = load(&dump(&world.table, &world.session), 9).unwrap();
    let mut world = World {
        table,
        session,
        clock: ServerClock::new(50_000, 0),
    };
    assert!(world.holds("a") && !world.holds("b"));
    let here = world.table.address("198.51.100.9".parse().unwrap(), 50_000);
    assert!(here.standing(&world.table, 50_000).is_some());
    assert_eq!(world.table.age_ms(5), None);
    let Some(Said::Hello(hello)) = world.session.hello("g", "e", &[]).kind else {
        panic!()
    };
    assert_eq!((hello.epoch.as_str(), hello.applied), ("e", 3));
    assert_eq!(ack(world.tell(beat(3), 6).unwrap()).unwrap().applied, 3);
    assert_eq!(world.table.age_ms(6), Some(0));
    assert_eq!(
        load(&dump(&world.table, &world.session), 1)
            .unwrap()
            .1
            .epoch(),
        ""
    );
}

#[test]
fn a_message_says_which_streams_have_to_end() {
    let mut world = World::new(9);
    let _ = world.tell(part(3, 0, true, vec![]), 1).unwrap();
    let subject = world
        .table
        .credential(&[Key::Named(Kind::User, "a")], None, 0);
    let stream: Arc<dyn Cut> = Stream::new();
    let _ = subject.link(&world.table, 0, &stream);
    let step = world.tell(delta(3, 4, vec![deny(1, "a")]), 2).unwrap();
    assert_eq!(step.endings.len(), 1);
}
