//! Paranoia levels decided once instead of at every request.

use super::compile::Entry;
use crate::operators::{Operator, Order, integer};
use crate::seclang::Written;
use crate::seclang::target::Selector;
use crate::seclang::variable::Variable;

const LEVELS: [&[u8]; 2] = [b"detection_paranoia_level", b"executing_paranoia_level"];

/// Rules from this number on are not the set-up of CRS; when they set a level, nothing is folded.
const AFTER_SETUP: u32 = 902_000;

/// Drop the rules that a fixed level skips, and the questions for it.
pub(super) fn paranoia(entries: &mut Vec<Entry>, level: u8) {
    if entries.iter().any(changes_level) {
        return;
    }
    let mut skipping: [Option<String>; 6] = Default::default();
    entries.retain(|entry| match entry {
        Entry::Marker(name) => {
            for wanted in &mut skipping {
                if wanted.as_ref() == Some(name) {
                    *wanted = None;
                }
            }
            true
        }
        Entry::Rule(links) => {
            let place = &mut skipping[usize::from(links[0].actions.phase.unwrap_or(2))];
            if place.is_some() {
                return false;
            }
            let Some((least, marker)) = question(links) else {
                return true;
            };
            if i64::from(level) < least {
                *place = Some(marker);
            }
            false
        }
    });
}

fn changes_level(entry: &Entry) -> bool {
    let Entry::Rule(links) = entry else {
        return false;
    };
    let late = links[0].actions.id.is_some_and(|id| id >= AFTER_SETUP);
    late && links
        .iter()
        .flat_map(|link| &link.actions.setvars)
        .any(|setvar| {
            let name = setvar.name.constant();
            name.is_none_or(|name| LEVELS.contains(&name))
                && setvar.variable == Variable::Tx
                && name.is_some()
        })
}

/// `TX:…_PARANOIA_LEVEL "@lt 2"` with a skip: the number and the marker.
fn question(links: &[Written]) -> Option<(i64, String)> {
    let [rule] = links else { return None };
    let [target] = rule.targets.as_slice() else {
        return None;
    };
    let Selector::Name(name) = &target.selector else {
        return None;
    };
    let Some(Operator::Number(Order::Less, number)) = &rule.operator else {
        return None;
    };
    let plain = !target.count
        && !rule.negated
        && rule.actions.setvars.is_empty()
        && rule.actions.ctls.is_empty();
    if !plain || !LEVELS.contains(&&**name) {
        return None;
    }
    Some((
        integer(number.constant()?),
        rule.actions.skip_after.clone()?,
    ))
}
