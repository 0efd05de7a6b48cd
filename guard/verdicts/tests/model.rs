//! The table against a list of verdicts that is read from top to bottom each time.

mod support;

use std::net::IpAddr;
use std::sync::Arc;

use ostiary_verdicts::wire::{Effect as Said, Kind, Verdict};
use ostiary_verdicts::{Cut, Effect, Ending, Key, LinkId, Subject, Table};
use proptest::prelude::*;
use support::{Stream, lift, verdict};

const ADDRESSES: [&str; 3] = ["192.0.2.7", "192.0.2.9", "2001:db8::1"];
const RANGES: [&str; 5] = [
    "192.0.2.7",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "2001:db8::/32",
    "2001:db8::1",
];
const USERS: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Op {
    Put {
        number: u64,
        place: usize,
        effect: i32,
        since: i64,
        lasts: i64,
        score: u32,
    },
    Lift {
        number: u64,
        place: usize,
    },
    Link {
        who: usize,
    },
    Unlink {
        which: usize,
    },
    Wait {
        ms: i64,
    },
    Sweep,
    Snapshot {
        keep: u64,
    },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let put = (0u64..6, 0usize..7, 1i32..5, 0i64..4, 0i64..9, 0u32..101).prop_map(
        |(number, place, effect, since, lasts, score)| Op::Put {
            number,
            place,
            effect,
            since,
            lasts,
            score,
        },
    );
    let one = prop_oneof![
        4 => put,
        2 => (0u64..6, 0usize..7).prop_map(|(number, place)| Op::Lift { number, place }),
        4 => (0usize..6).prop_map(|who| Op::Link { who }),
        1 => (0usize..9).prop_map(|which| Op::Unlink { which }),
        2 => (0i64..5).prop_map(|ms| Op::Wait { ms }),
        1 => Just(Op::Sweep),
        1 => (0u64..64).prop_map(|keep| Op::Snapshot { keep }),
    ];
    prop::collection::vec(one, 1..40)
}

/// Five ranges, then two users.
fn place(index: usize) -> (Kind, &'static str) {
    RANGES.get(index).map_or_else(
        || (Kind::User, USERS[index - RANGES.len()]),
        |range| (Kind::Address, *range),
    )
}

struct Who {
    subject: Arc<Subject>,
    covers: Vec<usize>,
    auth: Option<i64>,
}

struct Open {
    who: usize,
    id: LinkId,
    stream: Arc<Stream>,
    /// Told, or refused at the start, since the last time that nothing held.
    aware: bool,
    seen: usize,
}

struct World {
    table: Arc<Table>,
    now: i64,
    list: Vec<(usize, Verdict)>,
    all: Vec<Who>,
    open: Vec<Open>,
}

impl World {
    fn new() -> Self {
        let table = support::table(99);
        let mut all: Vec<Who> = Vec::new();
        for (address, covers) in ADDRESSES
            .iter()
            .zip([vec![0, 1, 2], vec![1, 2], vec![3, 4]])
        {
            let subject = table.address(address.parse::<IpAddr>().unwrap(), 0);
            all.push(Who {
                subject,
                covers,
                auth: None,
            });
        }
        for (users, covers, auth) in [
            (&USERS[..1], vec![5], Some(2)),
            (&USERS[..], vec![5, 6], None),
            (&USERS[1..], vec![6], Some(0)),
        ] {
            let keys: Vec<Key<'_>> = users
                .iter()
                .map(|user| Key::Named(Kind::User, user))
                .collect();
            all.push(Who {
                subject: table.credential(&keys, auth, 0),
                covers,
                auth,
            });
        }
        Self {
            table,
            now: 0,
            list: Vec::new(),
            all,
            open: Vec::new(),
        }
    }

    /// The list's own opinion.
    fn wanted(&self, who: usize) -> Option<(Effect, u8)> {
        let who = &self.all[who];
        let holds = |one: &&(usize, Verdict)| {
            let over = one.1.expires_ms != 0 && one.1.expires_ms <= self.now;
            let satisfied = one.1.effect == Said::StepUp as i32
                && who.auth.is_some_and(|at| at >= one.1.since_ms);
            who.covers.contains(&one.0) && !over && !satisfied
        };
        let all: Vec<_> = self.list.iter().filter(holds).collect();
        let effect = |one: &(usize, Verdict)| match one.1.effect {
            1 => Effect::Deny,
            2 => Effect::StepUp,
            3 => Effect::Limit,
            _ => Effect::Score,
        };
        let scores = all
            .iter()
            .filter(|one| one.1.effect == 4)
            .map(|one| one.1.score);
        let risk = u8::try_from(scores.max().unwrap_or(0)).unwrap();
        all.into_iter()
            .map(effect)
            .max()
            .map(|effect| (effect, risk))
    }

    fn end(endings: Vec<Ending>) {
        for ending in endings {
            ending.stream.cut(&ending.standing);
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Put {
                number,
                place: at,
                effect,
                since,
                lasts,
                score,
            } => {
                let (kind, key) = place(at);
                let mut one = verdict(number, kind, key, Said::Limit);
                (one.effect, one.since_ms, one.score) = (effect, since, score);
                one.expires_ms = if lasts == 0 { 0 } else { self.now + lasts };
                self.list
                    .retain(|(known, old)| *known != at || old.id != one.id);
                self.list.push((at, one.clone()));
                Self::end(self.table.put(&one, self.now).unwrap());
            }
            Op::Lift { number, place: at } => {
                let (kind, key) = place(at);
                let one = lift(number, kind, key);
                self.list
                    .retain(|(known, old)| *known != at || old.id != one.id);
                Self::end(self.table.lift(&one, self.now).unwrap());
            }
            Op::Link { who } => {
                let stream = Stream::new();
                let seen = Arc::clone(&stream) as Arc<dyn Cut>;
                let (id, standing) = self.all[who].subject.link(&self.table, self.now, &seen);
                let aware = standing.is_some_and(|one| one.effect.ends());
                self.open.push(Open {
                    who,
                    id,
                    stream,
                    aware,
                    seen: 0,
                });
            }
            Op::Unlink { which } if which < self.open.len() => {
                let gone = self.open.swap_remove(which);
                self.all[gone.who].subject.unlink(gone.id);
            }
            Op::Unlink { .. } => {}
            Op::Wait { ms } => self.now += ms,
            Op::Sweep => (0..32).for_each(|_| self.table.sweep(self.now)),
            Op::Snapshot { keep } => self.snapshot(keep),
        }
    }

    fn snapshot(&mut self, keep: u64) {
        self.table.begin_snapshot();
        self.list.retain(|(at, _)| keep & (1 << at) != 0);
        for (_, one) in &self.list {
            Self::end(self.table.put(one, self.now).unwrap());
        }
        Self::end(self.table.end_snapshot(self.now));
    }

    fn check(&mut self) {
        for who in 0..self.all.len() {
            let standing = self.all[who].subject.standing(&self.table, self.now);
            let got = standing.map(|one| (one.effect, one.risk));
            assert_eq!(got, self.wanted(who), "subject {who}");
        }
        let wanted: Vec<bool> = (0..self.all.len())
            .map(|who| self.wanted(who).is_some_and(|(effect, _)| effect.ends()))
            .collect();
        for open in &mut self.open {
            let told = open.stream.told();
            let ends = wanted[open.who];
            // Whoever knows it already may be told once more, at the end of a snapshot even late.
            let known = open.aware;
            assert!(
                ends || known || told == open.seen,
                "told although nothing ends it"
            );
            open.aware = ends && (open.aware || told > open.seen);
            open.seen = told;
            assert_eq!(open.aware, ends, "a stream of {} goes on", open.who);
        }
        for who in &self.all {
            let own = |open: &&Open| Arc::ptr_eq(&self.all[open.who].subject, &who.subject);
            assert_eq!(who.subject.streams(), self.open.iter().filter(own).count());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_table_is_the_list(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
            world.check();
        }
    }
}
