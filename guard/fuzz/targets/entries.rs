//! What is fuzzed, and what must hold whatever the bytes are. `cargo test` runs it too.

#![allow(dead_code)]

use ostiary_verdicts::wire::{Said, ToGuard, Told};
use ostiary_verdicts::{
    FrameError, Frames, LONGEST_MESSAGE, ServerClock, Session, Settings, Table,
};
use ostiary_verdicts::{dump, load};
use prost::Message;

const MOST: usize = 64;

/// However a stream is cut into pieces, the same messages come out, up to the same error.
pub fn frames(bytes: &[u8]) {
    let (step, bytes) = bytes.split_first().unwrap_or((&1, &[]));
    let whole = split(bytes, bytes.len().max(1));
    let pieces = split(bytes, usize::from(*step).max(1));
    assert_eq!(whole, pieces);
    assert!(whole.0.iter().all(|one| one.len() <= LONGEST_MESSAGE));
}

fn split(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut frames, mut messages) = (Frames::new(), Vec::new());
    for piece in bytes.chunks(step) {
        let read = frames.push::<FrameError>(piece, |one| {
            messages.push(one.to_vec());
            Ok(())
        });
        if let Err(error) = read {
            return (messages, Some(error));
        }
    }
    (messages, None)
}

/// What a control plane may say: bounds hold, errors change nothing, and what is acknowledged
/// survives the disk.
pub fn session(bytes: &[u8]) {
    let table = Table::new(Settings {
        seeds: [1, 2],
        most: MOST,
    });
    let clock = ServerClock::new(0, 0);
    let mut session = Session::default();
    let _ = session.hello("0", "1", &[]);
    let mut mono_ms = 0;
    let _ = Frames::new().push::<FrameError>(bytes, |message| {
        mono_ms += 1;
        let Ok(told) = ToGuard::decode(message) else {
            return Ok(());
        };
        one(&table, &clock, &mut session, told, mono_ms);
        Ok(())
    });
    let bytes = dump(&table, &session);
    let Ok((again, resumed)) = load(&bytes, 2 * MOST) else {
        panic!("a dump that does not load")
    };
    assert_eq!(again.entries(), table.entries());
    assert_eq!((resumed.epoch(), again.age_ms(9)), (session.epoch(), None));
}

fn one(table: &Table, clock: &ServerClock, session: &mut Session, told: ToGuard, mono_ms: u64) {
    let before = (
        session.epoch().to_owned(),
        session.applied(),
        table.entries(),
    );
    let fresh = match &told.kind {
        Some(Told::Snapshot(part)) => part.last.then_some(part.seq),
        Some(Told::Delta(delta)) => Some(delta.seq),
        _ => None,
    };
    if let Ok(step) = session.told(table, clock, told, mono_ms) {
        assert!(step.endings.is_empty(), "nobody is linked");
        if let Some(Said::Ack(ack)) = step.answer.and_then(|answer| answer.kind) {
            assert_eq!(ack.applied, session.applied());
            assert_eq!(table.age_ms(mono_ms), Some(0));
            assert!(!ack.epoch.is_empty());
        }
        assert!(fresh.is_none_or(|seq| seq == session.applied()));
    } else {
        let after = (
            session.epoch().to_owned(),
            session.applied(),
            table.entries(),
        );
        assert_eq!(before, after);
        let _ = session.hello("0", "1", &[]);
    }
    assert!(table.entries() <= 2 * MOST);
}

/// A file is a table or it is refused.
pub fn persist(bytes: &[u8]) {
    if let Ok((table, session)) = load(bytes, MOST) {
        assert!(table.entries() <= 2 * MOST);
        assert_eq!(table.age_ms(1), None);
        let again = load(&dump(&table, &session), MOST);
        assert!(again.is_ok_and(|(other, _)| other.entries() == table.entries()));
    }
}
