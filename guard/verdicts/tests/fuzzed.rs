//! What the fuzzers hunt for, with fewer cases and with bytes that come nearer to the truth.

#[path = "../../fuzz/targets/entries.rs"]
mod entries;
mod support;

use ostiary_verdicts::wire::{
    Change, Delta, Effect, Heartbeat, Kind, Snapshot, ToGuard, Told, Verdict, What,
};
use ostiary_verdicts::{ServerClock, Session, dump, frame};
use proptest::prelude::*;

fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
    let one = (0u64..20, 0i32..10, 0u32..6, 0i32..6).prop_map(|(number, kind, key, effect)| {
        let mut made =
            support::verdict(number, Kind::User, &format!("192.0.2.{key}"), Effect::Limit);
        (made.kind, made.effect) = (kind, effect);
        made
    });
    prop::collection::vec(one, 0..6)
}

fn messages() -> impl Strategy<Value = ToGuard> {
    let snapshot =
        (0u64..4, 0u32..3, any::<bool>(), verdicts()).prop_map(|(seq, part, last, verdicts)| {
            let (epoch, time_ms) = ("e".into(), 5);
            Told::Snapshot(Snapshot {
                epoch,
                seq,
                part,
                last,
                verdicts,
                time_ms,
            })
        });
    let delta = (0u64..4, 0u64..4, verdicts()).prop_map(|(from, seq, verdicts)| {
        let put = |one| Change {
            what: Some(What::Put(one)),
        };
        let changes = verdicts.into_iter().map(put).collect();
        Told::Delta(Delta {
            from,
            seq,
            changes,
            time_ms: 6,
        })
    });
    let beat = (0u64..4).prop_map(|seq| Told::Heartbeat(Heartbeat { seq, time_ms: 7 }));
    prop_oneof![snapshot, delta, beat].prop_map(|told| ToGuard { kind: Some(told) })
}

proptest! {
    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        entries::frames(&bytes);
        entries::session(&bytes);
        entries::persist(&bytes);
    }

    #[test]
    fn any_messages_keep_the_session_sane(told in prop::collection::vec(messages(), 0..12)) {
        let bytes: Vec<u8> = told.iter().flat_map(frame).collect();
        entries::frames(&bytes);
        entries::session(&bytes);
    }

    #[test]
    fn a_damaged_file_is_refused(verdicts in verdicts(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let table = support::table(99);
        let clock = ServerClock::new(0, 0);
        let mut session = Session::default();
        for one in verdicts {
            let _ = table.put(&one, 0);
        }
        let told = Heartbeat { seq: 0, time_ms: 1 };
        let _ = session.told(&table, &clock, ToGuard { kind: Some(Told::Heartbeat(told)) }, 1);
        let mut bytes = dump(&table, &session);
        entries::persist(&bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(ostiary_verdicts::load(&bytes, 99).is_err());
        prop_assert!(ostiary_verdicts::load(&bytes[..at], 99).is_err());
    }
}
