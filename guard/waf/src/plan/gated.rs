//! Which rules have a gate.

use super::chains::Chains;
use super::gates::GatesBuilder;
use super::places::Watch;
use crate::operators::Operator;
use crate::seclang::Written;
use crate::seclang::target::Target;
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

/// Gates that say, while they are closed, that a link's operator does not hold: for rules that
/// match where many phrases are not, and for later links that look at bodies of responses.
pub(super) fn hints(links: &[Written], gates: &mut GatesBuilder) -> Vec<Option<u32>> {
    let hint = |(index, link): (usize, &Written)| {
        let operator = link.operator.as_ref()?;
        let body = |target: &Target| target.variable == Variable::ResponseBody;
        let worth = match operator {
            Operator::Phrases(_) => link.negated || index > 0,
            Operator::Pattern(_) => index > 0 && link.targets.iter().any(body),
            _ => false,
        };
        let own = !link.targets.iter().any(|target| target.variable.is_state());
        (worth && own)
            .then(|| gates.add(operator, sides(link)))
            .flatten()
    };
    links.iter().enumerate().map(hint).collect()
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
    own: &[(Option<u32>, Vec<Option<u32>>)],
    chains: &Chains,
) -> Vec<Watch<'a>> {
    let node = |steps: Vec<Transform>| chains.find(&steps).unwrap_or_default();
    let gated = heads.iter().zip(own).filter_map(|(links, (gate, _))| {
        Some(Watch {
            head: &links[0],
            chains: forms(&links[0]).into_iter().map(node).collect(),
            gate: (*gate)?,
        })
    });
    gated.collect()
}
