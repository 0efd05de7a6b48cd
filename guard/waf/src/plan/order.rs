//! Which rule comes after which.

use super::compile::Entry;
use super::rule::Rule;

/// The rules of each phase, and where each skip leads.
pub(super) fn order(entries: &[Entry], rules: &mut [Rule]) -> [Vec<u32>; 6] {
    let mut phases: [Vec<u32>; 6] = Default::default();
    let mut pending: Vec<(usize, usize, String)> = Vec::new();
    let mut index = 0;
    for entry in entries {
        match entry {
            Entry::Rule(links) => {
                let actions = &links[0].actions;
                let phase = usize::from(actions.phase.unwrap_or(2));
                if actions.skip > 0 {
                    rules[index].skip = Some(phases[phase].len() + 1 + actions.skip);
                }
                if let Some(marker) = &actions.skip_after {
                    rules[index].skip = Some(usize::MAX);
                    pending.push((index, phase, marker.clone()));
                }
                phases[phase].push(index as u32);
                index += 1;
            }
            Entry::Marker(name) => pending.retain(|(rule, phase, wanted)| {
                if wanted == name {
                    rules[*rule].skip = Some(phases[*phase].len());
                }
                wanted != name
            }),
        }
    }
    phases
}
