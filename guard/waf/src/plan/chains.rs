//! Transformation chains as a tree: common beginnings are done once.

use crate::transforms::Transform;

/// One step after others; node 0 is the value as it came.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub parent: usize,
    pub step: Transform,
}

/// All chains of a plan in depth-first order; a chain is named by its last node.
#[derive(Clone, Debug)]
pub(crate) struct Chains {
    pub nodes: Vec<Node>,
    pub steps: Vec<Vec<Transform>>,
}

impl Chains {
    pub fn build(mut chains: Vec<Vec<Transform>>) -> Self {
        chains.sort_by_key(|steps| steps.iter().map(|step| *step as u8).collect::<Vec<_>>());
        let root = Node {
            parent: 0,
            step: Transform::Trim,
        };
        let mut built = Self {
            nodes: vec![root],
            steps: vec![Vec::new()],
        };
        for steps in chains {
            built.insert(&steps);
        }
        built
    }

    fn insert(&mut self, steps: &[Transform]) {
        let mut at = 0;
        for depth in 0..steps.len() {
            at = self.find(&steps[..=depth]).unwrap_or_else(|| {
                self.nodes.push(Node {
                    parent: at,
                    step: steps[depth],
                });
                self.steps.push(steps[..=depth].to_vec());
                self.nodes.len() - 1
            });
        }
    }

    /// The node of a chain.
    pub fn find(&self, steps: &[Transform]) -> Option<usize> {
        self.steps.iter().position(|known| known == steps)
    }
}
