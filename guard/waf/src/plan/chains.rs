//! Transformation chains as a tree: common beginnings are done once.

use crate::operators::class::Class;
use crate::transforms::Transform;

/// One step after others; node 0 is the value as it came.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub parent: usize,
    pub step: Transform,
    pub touches: Class,
    /// Whether a gated rule looks at this form.
    pub wanted: bool,
    /// What this step and all after it touch.
    pub below: Class,
    /// The node after this one's whole subtree, in depth-first order.
    pub next: usize,
}

/// All chains of a plan; a chain is named by its last node.
#[derive(Clone, Debug)]
pub(crate) struct Chains {
    pub nodes: Vec<Node>,
    pub steps: Vec<Vec<Transform>>,
    /// Whether a gated rule looks at values as they came.
    pub plain: bool,
}

impl Chains {
    /// Chains out of their steps, each with whether it is wanted by a gate.
    pub fn build(mut chains: Vec<(Vec<Transform>, bool)>) -> Self {
        chains.sort_by_key(|(steps, _)| steps.iter().map(|step| *step as u8).collect::<Vec<_>>());
        let mut built = Self {
            nodes: vec![Node {
                parent: 0,
                step: Transform::Trim,
                touches: Class::default(),
                wanted: false,
                below: Class::full(),
                next: 0,
            }],
            steps: vec![Vec::new()],
            plain: false,
        };
        for (steps, wanted) in chains {
            built.insert(&steps, wanted);
        }
        built.finish();
        built
    }

    fn insert(&mut self, steps: &[Transform], wanted: bool) {
        let mut at = 0;
        for depth in 0..steps.len() {
            at = self.find(&steps[..=depth]).unwrap_or_else(|| {
                let step = steps[depth];
                let touches = *step.touches();
                self.nodes.push(Node {
                    parent: at,
                    step,
                    touches,
                    wanted: false,
                    below: touches,
                    next: 0,
                });
                self.steps.push(steps[..=depth].to_vec());
                self.nodes.len() - 1
            });
        }
        if at == 0 {
            self.plain |= wanted;
        }
        self.nodes[at].wanted |= wanted;
    }

    /// The node of a chain.
    pub fn find(&self, steps: &[Transform]) -> Option<usize> {
        self.steps.iter().position(|known| known == steps)
    }

    /// Sorted insertion makes the order depth-first; subtrees are ranges.
    fn finish(&mut self) {
        for at in (1..self.nodes.len()).rev() {
            let depth = self.steps[at].len();
            let end = (at + 1..self.nodes.len()).find(|later| self.steps[*later].len() <= depth);
            self.nodes[at].next = end.unwrap_or(self.nodes.len());
            let parent = self.nodes[at].parent;
            let below = self.nodes[at].below;
            if parent != 0 {
                self.nodes[parent].below.join(&below);
            }
        }
    }
}
