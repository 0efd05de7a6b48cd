//! Where values come from, with the gates and chains that matter there.
//!
//! The values of one place are looked at by the same gated rules, so a value
//! is transformed and scanned for these alone.

use std::cmp::Ordering;

use super::chains::Chains;
use crate::seclang::Written;
use crate::seclang::target::{Selector, Target};
use crate::seclang::variable::Variable;
use crate::transforms::Transform;

/// One step that a rule of the place wants, in depth-first order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The step before, counted in this place; 0 is the value as it came.
    pub parent: usize,
    pub transform: Transform,
    /// The bit of each transformation from here on downwards.
    pub below: u64,
    /// Whether a rule looks at this form.
    pub wanted: bool,
    /// The step after this one's whole subtree.
    pub next: usize,
}

/// A variable, or one member of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The gates of the rules that look here.
    pub gates: Vec<u64>,
    pub steps: Vec<Step>,
    /// Whether a rule looks at values as they came.
    pub plain: bool,
    /// The bit of each transformation of any step.
    pub touch: u64,
    /// Whether it belongs to the response.
    pub response: bool,
}

/// All places of a plan. Number 0 is where no gated rule looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub all: Vec<Place>,
    usual: Vec<u16>,
    /// For each variable the members with a place of their own, by length and name.
    named: Vec<Vec<(Box<[u8]>, u16)>>,
}

/// A gated rule's first link, the node of its chains, its gate.
pub(crate) struct Watch<'a> {
    pub head: &'a Written,
    pub chains: Vec<usize>,
    pub gate: u32,
}

impl Places {
    pub fn build(watches: &[Watch<'_>], chains: &Chains, width: usize) -> Self {
        let mut places = Self {
            all: vec![Place::default()],
            usual: vec![0; Variable::COUNT],
            named: vec![Vec::new(); Variable::COUNT],
        };
        for variable in Variable::ALL {
            let at = *variable as usize;
            places.usual[at] = places.add(watches, chains, width, *variable, None);
            for name in names(watches, *variable) {
                let place = places.add(watches, chains, width, *variable, Some(&name));
                places.named[at].push((name, place));
            }
        }
        places
    }

    fn add(
        &mut self,
        watches: &[Watch<'_>],
        chains: &Chains,
        width: usize,
        variable: Variable,
        name: Option<&[u8]>,
    ) -> u16 {
        let mut gates = vec![0; width];
        let mut wanted = vec![false; chains.nodes.len()];
        for watch in watches
            .iter()
            .filter(|watch| looks(watch.head, variable, name))
        {
            super::gates::set(&mut gates, watch.gate);
            for chain in &watch.chains {
                wanted[*chain] = true;
            }
        }
        if !wanted.contains(&true) || self.all.len() > usize::from(u16::MAX) {
            return 0;
        }
        let steps = steps(chains, &wanted);
        self.all.push(Place {
            gates,
            plain: wanted[0],
            touch: steps.iter().fold(0, |bits, step| bits | step.below),
            steps,
            response: variable == Variable::ResponseBody,
        });
        (self.all.len() - 1) as u16
    }

    /// The place of a member of a variable.
    pub fn of(&self, variable: Variable, name: &[u8]) -> u16 {
        let named = &self.named[variable as usize];
        match named.binary_search_by(|(known, _)| compare(known, name)) {
            Ok(at) => named[at].1,
            Err(_) => self.usual[variable as usize],
        }
    }
}

/// By length, then by lower case.
fn compare(known: &[u8], name: &[u8]) -> Ordering {
    let lower = name.iter().map(u8::to_ascii_lowercase);
    known
        .len()
        .cmp(&name.len())
        .then_with(|| known.iter().copied().cmp(lower))
}

/// Members of a variable that rules name.
fn names(watches: &[Watch<'_>], variable: Variable) -> Vec<Box<[u8]>> {
    let targets = watches.iter().flat_map(|watch| &watch.head.targets);
    let mut found: Vec<Box<[u8]>> = targets
        .filter(|target| target.reaches(variable))
        .filter_map(|target| match &target.selector {
            Selector::Name(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    found.sort_by(|one, other| compare(one, other));
    found.dedup();
    found
}

/// Whether a rule looks at a member, or (without a name) at members that no rule names.
fn looks(head: &Written, variable: Variable, name: Option<&[u8]>) -> bool {
    let covers = |target: &Target| {
        target.reaches(variable)
            && match (&target.selector, name) {
                (Selector::All, _) => true,
                (selector, Some(name)) => selector.admits(name),
                (Selector::Name(_), None) => false,
                (Selector::Like(_), None) => !target.exclude,
            }
    };
    let all = &head.targets;
    all.iter().any(|target| !target.exclude && covers(target))
        && !all.iter().any(|target| target.exclude && covers(target))
}

/// The part of the tree that leads to wanted nodes.
fn steps(chains: &Chains, wanted: &[bool]) -> Vec<Step> {
    let mut needed = wanted.to_vec();
    for at in (1..needed.len()).rev() {
        if needed[at] {
            needed[chains.nodes[at].parent] = true;
        }
    }
    let mut local = vec![0; needed.len()];
    let mut steps = Vec::new();
    for at in (1..needed.len()).filter(|at| needed[*at]) {
        let node = &chains.nodes[at];
        steps.push(Step {
            parent: local[node.parent],
            transform: node.step,
            below: node.step.bit(),
            wanted: wanted[at],
            next: 0,
        });
        local[at] = steps.len();
    }
    for at in (0..steps.len()).rev() {
        let parent = steps[at].parent;
        if parent > 0 {
            let below = steps[at].below;
            steps[parent - 1].below |= below;
        }
    }
    for at in 0..steps.len() {
        let inside = |later: &usize| {
            let mut parent = steps[*later].parent;
            while parent > at + 1 {
                parent = steps[parent - 1].parent;
            }
            parent == at + 1
        };
        let count = (at + 1..steps.len()).take_while(inside).count();
        steps[at].next = at + 1 + count;
    }
    steps
}
