//! Names and texts that are known before any request: rules refer to them by number.

use std::collections::HashMap;

use crate::operators::Operator;
use crate::seclang::Written;
use crate::seclang::action::{Change, SetVar};
use crate::seclang::target::{Selector, Target};
use crate::seclang::template::{Piece, Template};
use crate::seclang::variable::Variable;

/// The places of TX and of the other collections that rules fill, and the texts they are filled with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// Texts by number; 0 is the empty one.
    pub all: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u32>,
    slots: HashMap<(Variable, Box<[u8]>), u32>,
    /// The collection and the number of the name of each slot.
    pub names: Vec<(Variable, u32)>,
}

impl Texts {
    pub fn new() -> Self {
        let mut texts = Self::default();
        texts.text(b"");
        texts
    }

    /// The number of a text.
    pub fn text(&mut self, bytes: &[u8]) -> u32 {
        if let Some(known) = self.numbers.get(bytes) {
            return *known;
        }
        let number = self.all.len() as u32;
        self.all.push(bytes.into());
        self.numbers.insert(bytes.into(), number);
        number
    }

    /// The slot of a name (in lower case) that rules use.
    pub fn slot(&mut self, variable: Variable, name: &[u8]) -> u32 {
        if let Some(known) = self.find(variable, name) {
            return known;
        }
        let slot = self.names.len() as u32;
        let text = self.text(name);
        self.names.push((variable, text));
        self.slots.insert((variable, name.into()), slot);
        slot
    }

    /// The slot of a name, if rules write it out anywhere.
    pub fn find(&self, variable: Variable, name: &[u8]) -> Option<u32> {
        self.slots.get(&(variable, Box::from(name))).copied()
    }

    pub fn target(&mut self, target: &mut Target) {
        if let Selector::Name(name) = &target.selector
            && target.variable.is_stored()
        {
            target.slot = Some(self.slot(target.variable, name));
        }
    }

    pub fn template(&mut self, template: &mut Template) {
        template.number = template
            .constant()
            .map(<[u8]>::to_vec)
            .map(|text| self.text(&text));
        for piece in &mut template.pieces {
            if let Piece::Value(target) = piece {
                self.target(target);
            }
        }
    }

    pub fn operator(&mut self, operator: &mut Operator) {
        if let Operator::Number(_, template) | Operator::Text(_, template) = operator {
            self.template(template);
        }
    }

    pub fn setvar(&mut self, setvar: &mut SetVar) {
        self.template(&mut setvar.name);
        if let Some(name) = setvar.name.constant().map(<[u8]>::to_vec) {
            setvar.slot = Some(self.slot(setvar.variable, &name));
        }
        match &mut setvar.change {
            Change::Set(value) | Change::Add(value) | Change::Subtract(value) => {
                self.template(value);
            }
            Change::Unset => {}
        }
    }

    /// Resolve all names and texts of a link.
    pub fn link(&mut self, link: &mut Written) {
        for target in &mut link.targets {
            self.target(target);
        }
        if let Some(operator) = &mut link.operator {
            self.operator(operator);
        }
        let actions = &mut link.actions;
        for setvar in &mut actions.setvars {
            self.setvar(setvar);
        }
        let shown = [&mut actions.msg, &mut actions.logdata];
        for template in shown.into_iter().flatten() {
            self.template(template);
        }
    }
}
