//! What verdicts mean for somebody, step by step.

mod support;

use std::sync::Arc;

use ostiary_verdicts::wire::{Effect as Said, Kind};
use ostiary_verdicts::{Cut, Effect, Ending, Key, Standing, of_request};
use support::{Stream, lift, table, verdict};

const KEYS: [Key<'_>; 2] = [Key::Named(Kind::User, "u"), Key::Named(Kind::Session, "s")];

fn end(endings: Vec<Ending>) {
    for ending in endings {
        ending.stream.cut(&ending.standing);
    }
}

#[test]
fn a_deny_ends_what_is_open_and_refuses_what_comes() {
    let table = table(10);
    let subject = table.credential(&KEYS, None, 0);
    let (other, open) = (Stream::new(), Stream::new());
    let stranger = table.credential(&[Key::Named(Kind::User, "x")], None, 0);
    let _ = stranger.link(&table, 0, &(Arc::clone(&other) as Arc<dyn Cut>));
    let (_, standing) = subject.link(&table, 0, &(Arc::clone(&open) as Arc<dyn Cut>));
    assert!(standing.is_none());
    end(table
        .put(&verdict(1, Kind::Session, "s", Said::Deny), 0)
        .unwrap());
    assert_eq!((open.told(), other.told()), (1, 0));
    let (_, standing) = subject.link(&table, 0, &(Stream::new() as Arc<dyn Cut>));
    let standing = standing.unwrap();
    assert_eq!(
        (standing.effect, standing.kind),
        (Effect::Deny, Kind::Session)
    );
    // A second verdict tells nobody twice.
    end(table
        .put(&verdict(2, Kind::User, "u", Said::Deny), 0)
        .unwrap());
    assert_eq!(open.told(), 1);
    end(table.lift(&lift(1, Kind::Session, "s"), 0).unwrap());
    assert_eq!(subject.standing(&table, 0).unwrap().kind, Kind::User);
    end(table.lift(&lift(2, Kind::User, "u"), 0).unwrap());
    assert!(subject.standing(&table, 0).is_none());
}

#[test]
fn an_unlinked_stream_is_left_alone_and_its_id_means_nobody_else() {
    let table = table(10);
    let subject = table.credential(&KEYS, None, 0);
    let (first, second) = (Stream::new(), Stream::new());
    let (id, _) = subject.link(&table, 0, &(Arc::clone(&first) as Arc<dyn Cut>));
    subject.unlink(id);
    let _ = subject.link(&table, 0, &(Arc::clone(&second) as Arc<dyn Cut>));
    subject.unlink(id);
    assert_eq!(subject.streams(), 1);
    end(table
        .put(&verdict(1, Kind::User, "u", Said::Deny), 0)
        .unwrap());
    assert_eq!((first.told(), second.told()), (0, 1));
}

#[test]
fn who_signed_in_again_is_free_of_a_step_up() {
    let table = table(10);
    let old = table.credential(&KEYS, Some(999), 0);
    let new = table.credential(&KEYS, Some(1000), 0);
    end(table
        .put(&verdict(1, Kind::User, "u", Said::StepUp), 0)
        .unwrap());
    assert_eq!(old.standing(&table, 0).unwrap().effect, Effect::StepUp);
    assert!(new.standing(&table, 0).is_none());
}

#[test]
fn a_step_up_of_an_address_is_judged_by_the_credential() {
    let table = table(10);
    let here = table.address("192.0.2.7".parse().unwrap(), 0);
    end(table
        .put(&verdict(1, Kind::Address, "192.0.2.0/24", Said::StepUp), 0)
        .unwrap());
    let mut limit = verdict(2, Kind::Address, "192.0.2.7", Said::Limit);
    limit.since_ms = 5;
    end(table.put(&limit, 0).unwrap());
    let standing = here.standing(&table, 0);
    let of = |auth| of_request(None, std::slice::from_ref(&standing), auth).map(|one| one.effect);
    assert_eq!(of(None), Some(Effect::StepUp));
    assert_eq!(of(Some(999)), Some(Effect::StepUp));
    assert_eq!(of(Some(1000)), Some(Effect::Limit));
}

#[test]
fn of_two_step_ups_the_newer_has_to_be_satisfied() {
    let table = table(10);
    let here = table.workload("spiffe://a/b", 0);
    for (number, since) in [(1, 1000), (2, 3000), (3, 2000)] {
        let mut one = verdict(number, Kind::Workload, "spiffe://a/b", Said::StepUp);
        one.since_ms = since;
        end(table.put(&one, 0).unwrap());
    }
    let standing = here.standing(&table, 0).unwrap();
    assert_eq!(standing.since_ms, 3000);
    assert!(standing.judged(Some(2999)).is_some());
    assert!(standing.judged(Some(3000)).is_none());
}

#[test]
fn streams_under_a_limit_share_it() {
    let table = table(10);
    end(table
        .put(&verdict(1, Kind::User, "u", Said::Limit), 0)
        .unwrap());
    let (one, two) = (
        table.credential(&KEYS, None, 0),
        table.credential(&KEYS[..1], None, 0),
    );
    let take = |subject: &ostiary_verdicts::Subject| subject.standing(&table, 0).unwrap().take(0);
    assert!(take(&one).is_ok() && take(&two).is_ok() && take(&one).is_ok());
    assert!(take(&two).is_err());
    // Said again, it goes on counting.
    end(table
        .put(&verdict(1, Kind::User, "u", Said::Limit), 0)
        .unwrap());
    assert!(take(&one).is_err());
}

#[test]
fn the_highest_score_counts_and_a_deny_keeps_it() {
    let table = table(10);
    for (number, score) in [(1, 30), (2, 70), (3, 50)] {
        let mut one = verdict(number, Kind::User, "u", Said::Score);
        one.score = score;
        end(table.put(&one, 0).unwrap());
    }
    let risk = |standing: Option<Standing>| standing.map(|one| (one.effect, one.risk));
    assert_eq!(
        risk(table.look_up(&KEYS, None, 0)),
        Some((Effect::Score, 70))
    );
    end(table
        .put(&verdict(4, Kind::Session, "s", Said::Deny), 0)
        .unwrap());
    assert_eq!(
        risk(table.look_up(&KEYS, None, 0)),
        Some((Effect::Deny, 70))
    );
}

#[test]
fn what_is_over_does_not_count_and_is_swept() {
    let table = table(10);
    let subject = table.credential(&KEYS, None, 0);
    let mut short = verdict(1, Kind::User, "u", Said::Deny);
    short.expires_ms = 2000;
    end(table.put(&short, 0).unwrap());
    assert!(subject.standing(&table, 1999).is_some());
    assert!(subject.standing(&table, 2000).is_none());
    for _ in 0..32 {
        table.sweep(2000);
    }
    assert_eq!(table.entries(), 0);
    // After one that is over another one ends streams again.
    let open = Stream::new();
    let _ = subject.link(&table, 2000, &(Arc::clone(&open) as Arc<dyn Cut>));
    end(table
        .put(&verdict(2, Kind::User, "u", Said::Deny), 2000)
        .unwrap());
    assert_eq!(open.told(), 1);
}

#[test]
fn a_full_table_says_so_until_a_snapshot_fits() {
    let table = table(2);
    for number in 0..3 {
        let key = format!("u{number}");
        end(table
            .put(&verdict(number, Kind::User, &key, Said::Deny), 0)
            .unwrap());
    }
    assert_eq!(
        (table.entries(), table.refused(), table.full()),
        (2, 1, true)
    );
    table.begin_snapshot();
    for number in 5..7 {
        let key = format!("u{number}");
        end(table
            .put(&verdict(number, Kind::User, &key, Said::Deny), 0)
            .unwrap());
    }
    end(table.end_snapshot(0));
    assert_eq!(
        (table.entries(), table.refused(), table.full()),
        (2, 0, false)
    );
    assert!(
        table
            .look_up(&[Key::Named(Kind::User, "u0")], None, 0)
            .is_none()
    );
    assert!(
        table
            .look_up(&[Key::Named(Kind::User, "u6")], None, 0)
            .is_some()
    );
}

#[test]
fn a_snapshot_that_lacks_a_range_frees_its_addresses() {
    let table = table(9);
    let here = table.address("192.0.2.7".parse().unwrap(), 0);
    end(table
        .put(&verdict(1, Kind::Address, "192.0.2.0/24", Said::Deny), 0)
        .unwrap());
    assert!(here.standing(&table, 0).is_some());
    table.begin_snapshot();
    end(table.end_snapshot(0));
    assert!(here.standing(&table, 0).is_none());
}
