//! The pacer against a clock that the test turns.

use ostiary_verdicts::{BATCH, GAP_US, LOST_US, Pacer};
use proptest::prelude::*;

#[test]
fn a_few_go_at_once_and_many_wait_for_those_before() {
    let mut pacer = Pacer::new();
    assert_eq!(pacer.add(1, 0..40, 1000), (0..16).collect::<Vec<_>>());
    assert_eq!(pacer.add(2, 90..91, 1000), [90]);
    assert!(pacer.due(1500).is_empty());
    pacer.done(1, 15, 1500);
    assert!(pacer.due(2000).is_empty(), "one is still out");
    pacer.done(1, 1, 2000);
    assert!(pacer.due(2000 + GAP_US - 1).is_empty());
    assert_eq!(pacer.next_us(), Some(2000 + GAP_US));
    assert_eq!(pacer.due(2000 + GAP_US), (16..32).collect::<Vec<_>>());
    assert_eq!(pacer.next_us(), Some(2000 + GAP_US + LOST_US));
    assert_eq!(
        pacer.due(2000 + GAP_US + LOST_US),
        (32..40).collect::<Vec<_>>()
    );
    assert_eq!((pacer.waiting(), pacer.next_us()), (0, None));
}

proptest! {
    #[test]
    fn all_come_out_once_in_order_and_never_too_many(
        steps in prop::collection::vec((0u32..3, 0usize..50, 0u64..400, any::<bool>()), 1..60),
    ) {
        let (mut pacer, mut now, mut next) = (Pacer::new(), 0, 0usize);
        let (mut out, mut added) = (vec![Vec::new(); 3], [0; 3]);
        let mut flying = [0usize; 3];
        let mut take = |found: Vec<(usize, usize)>, flying: &mut [usize; 3]| {
            let mut counts = [0; 3];
            for (worker, item) in found {
                out[worker].push(item);
                counts[worker] += 1;
            }
            for (worker, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                assert!(flying[worker] == 0 && count <= BATCH);
                flying[worker] = count;
            }
        };
        for (worker, count, passes, done) in steps {
            now += passes;
            let at = worker as usize;
            let items: Vec<_> = (next..next + count).map(|item| (at, item)).collect();
            next += count;
            added[at] += count;
            take(pacer.add(worker, items, now), &mut flying);
            take(pacer.due(now), &mut flying);
            if done {
                pacer.done(worker, flying[at], now);
                flying[at] = 0;
            }
            // Nobody waits longer than it takes to lose a batch: here none is lost.
            for (index, count) in flying.iter_mut().enumerate().filter(|_| passes > 300) {
                pacer.done(u32::try_from(index).unwrap(), *count, now);
                *count = 0;
            }
        }
        while let Some(then) = pacer.next_us() {
            now = now.max(then);
            flying = [0; 3];
            take(pacer.due(now), &mut flying);
        }
        for (worker, items) in out.iter().enumerate() {
            prop_assert_eq!(items.len(), added[worker]);
            prop_assert!(items.is_sorted());
        }
    }
}
