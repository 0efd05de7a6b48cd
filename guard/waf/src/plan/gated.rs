//! Which rules have a gate.

use super::chains::Chains;
use super::gates::GatesBuilder;
use super::places::Watch;
use crate::operators::Operator;
use crate::seclang::Written;
use crate::seclang::variable::Variable;
use crate::transforms::Transform;

/// A gate for a rule whose targets all come from the request itself.
pub(super) fn gate(head: &Written, gates: &mut GatesBuilder) -> Option<u32> {
    let plain = head
        .targets
        .iter()
        .all(|target| target.exclude || !(target.count || target.variable.is_state()));
    if head.negated || !plain {
        return None;
    }
    gates.add(head.operator.as_ref()?, sides(head))
}

/// The gate of a rule that matches where many phrases are not: while it is closed nobody needs
/// to look for them.
pub(super) fn hint(head: &Written, gates: &mut GatesBuilder) -> Option<u32> {
    let operator = head.operator.as_ref()?;
    let many = head.negated && matches!(operator, Operator::Phrases(_));
    if many {
        gates.add(operator, sides(head))
    } else {
        None
    }
}

/// Whether a rule looks at requests, and at bodies of responses.
fn sides(head: &Written) -> [bool; 2] {
    let mut looks = [false; 2];
    for target in head.targets.iter().filter(|target| !target.exclude) {
        looks[usize::from(target.variable == Variable::ResponseBody)] = true;
    }
    looks
}

/// The chains after each of which a link looks at a value.
pub(super) fn forms(link: &Written) -> Vec<Vec<Transform>> {
    let steps = link.actions.transforms.clone().unwrap_or_default();
    if link.actions.multi_match {
        (0..=steps.len())
            .map(|depth| steps[..depth].to_vec())
            .collect()
    } else {
        vec![steps]
    }
}

/// What places need to know of the rules that have a gate.
pub(super) fn watches<'a>(
    heads: &[&'a Vec<Written>],
    own: &[(Option<u32>, Option<u32>)],
    chains: &Chains,
) -> Vec<Watch<'a>> {
    let node = |steps: Vec<Transform>| chains.find(&steps).unwrap_or_default();
    let watch = |(links, (gate, _)): (&&'a Vec<Written>, &(Option<u32>, Option<u32>))| {
        Some(Watch {
            head: &links[0],
            chains: forms(&links[0]).into_iter().map(node).collect(),
            gate: (*gate)?,
        })
    };
    heads.iter().zip(own).filter_map(watch).collect()
}
