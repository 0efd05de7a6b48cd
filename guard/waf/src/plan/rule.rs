//! Rules as they run.

use std::sync::Arc;

use crate::operators::Operator;
use crate::seclang::action::SetVar;
use crate::seclang::target::Target;
use crate::seclang::template::Template;
use crate::seclang::variable::Variable;

use super::bits::Bits;
use super::settings::Mode;

/// What a rule stops, after defaults are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Pass,
    Deny,
    Allow,
    AllowPhase,
    AllowRequest,
}

/// A change of the request's own settings.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Remove(Bits),
    RemoveTarget(Bits, Arc<[Target]>),
    BodyProcessor(String),
    ForceBodyVariable(bool),
    Engine(Mode),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
}

/// One condition of a rule and what follows when it holds.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub targets: Vec<Target>,
    pub except: Vec<Target>,
    pub operator: Option<Operator>,
    pub negated: bool,
    /// The node of its transformation chain; with `multiMatch`, of each step of it, the plain
    /// value first.
    pub stages: Vec<usize>,
    pub capture: bool,
    pub setvars: Vec<SetVar>,
    pub controls: Vec<Control>,
    pub msg: Option<Template>,
    pub logdata: Option<Template>,
    pub gate: Option<u32>,
    /// A gate that says, while it is closed, that the operator does not hold.
    pub hint: Option<u32>,
}

/// A rule: all its links must hold.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub id: u32,
    /// Its file, as an index into the plan's, and its line there.
    pub at: (usize, usize),
    pub phase: u8,
    pub links: Vec<Link>,
    pub effect: Effect,
    pub status: u16,
    pub log: bool,
    pub severity: Option<u8>,
    pub tags: Vec<String>,
    /// Where the phase goes on after a match, as an index into the phase's list.
    pub skip: Option<usize>,
    /// Where the first link decides by its gate alone that nothing can match.
    pub gate: Option<u32>,
}

impl Rule {
    /// Whether it looks at no part of a message: it sets variables, or compares numbers of `TX`,
    /// as those rules do that add scores up and judge them.
    pub fn only_counts(&self) -> bool {
        self.links.iter().all(|link| {
            let numbers = matches!(link.operator, None | Some(Operator::Number(..)));
            numbers && link.targets.iter().all(|one| one.variable == Variable::Tx)
        })
    }
}
