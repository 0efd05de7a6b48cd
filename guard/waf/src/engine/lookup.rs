//! Values by target, and texts with values in them.

use std::borrow::Cow;

use super::strings::{EMPTY, Id};
use super::transaction::{Entry, Transaction};
use crate::operators::integer;
use crate::seclang::action::{Change, SetVar};
use crate::seclang::target::Target;
use crate::seclang::template::{Piece, Template};
use crate::seclang::variable::Variable as V;

impl Transaction {
    /// Append what a target means, exclusions not yet applied.
    pub(super) fn gather(&mut self, target: &Target, out: &mut Vec<Entry>) {
        match target.variable {
            variable if variable.is_stored() => self.gather_stored(target, out),
            V::MatchedVar => out.extend(self.matched.last()),
            V::MatchedVars => out.extend(&self.matched),
            V::MatchedVarName | V::MatchedVarsNames => {
                let last = self.matched.len().saturating_sub(1);
                let all = target.variable == V::MatchedVarsNames;
                for at in if all { 0 } else { last }..self.matched.len() {
                    let entry = self.matched[at];
                    let place = self.place(entry);
                    let value = self.strings.add(place.as_bytes());
                    out.push(Entry::plain(entry.variable, entry.name, value));
                }
            }
            variable => {
                let parts = variable.parts();
                let parts = if parts.is_empty() {
                    std::slice::from_ref(&variable)
                } else {
                    parts
                };
                for part in parts {
                    let entries = self.collections[*part as usize].iter();
                    let strings = &self.strings;
                    let meant = |entry: &&Entry| target.selector.admits(strings.bytes(entry.name));
                    out.extend(entries.filter(meant));
                }
            }
        }
    }

    fn gather_stored(&self, target: &Target, out: &mut Vec<Entry>) {
        let variable = target.variable;
        if let Some(slot) = target.slot {
            let name = self.plan.texts.names[slot as usize].1;
            let value = self.stored[slot as usize];
            out.extend(value.map(|value| Entry::plain(variable, name, value)));
            return;
        }
        let slots = self.plan.texts.names.iter().zip(&self.stored);
        let slots = slots.filter_map(|((of, name), value)| Some((*of, *name, (*value)?)));
        let others = self.others.iter().copied();
        for (of, name, value) in slots.chain(others) {
            if of == variable && target.selector.admits(self.strings.bytes(name)) {
                out.push(Entry::plain(variable, name, value));
            }
        }
    }

    /// Where a value is, as messages write it; names of headers as people write them, for their case
    /// says nothing and often is lost on the way.
    pub(super) fn place(&self, entry: Entry) -> String {
        let public = match entry.variable {
            V::ArgsGet | V::ArgsPost => V::Args,
            V::ArgsGetNames | V::ArgsPostNames => V::ArgsNames,
            other => other,
        };
        let name = self.strings.bytes(entry.name);
        let separator = if name.is_empty() { "" } else { ":" };
        let name = match public {
            V::RequestHeaders | V::ResponseHeaders => titled(name),
            _ => name.into(),
        };
        let name = String::from_utf8_lossy(&name);
        format!("{}{separator}{name}", public.name())
    }

    /// A text with its values looked up.
    pub(super) fn expand(&mut self, template: &Template, rule: u32) -> Id {
        if let Some(number) = template.number {
            return number;
        }
        if let [Piece::Value(target)] = template.pieces.as_slice()
            && target.variable != V::Rule
        {
            return self.first(target);
        }
        let mut out = Vec::new();
        for piece in &template.pieces {
            match piece {
                Piece::Text(text) => out.extend(text),
                Piece::Value(target) if target.variable == V::Rule => {
                    out.extend(rule.to_string().into_bytes());
                }
                Piece::Value(target) => {
                    let value = self.first(target);
                    out.extend(self.strings.bytes(value));
                }
            }
        }
        self.strings.add(&out)
    }

    /// The first value a target means; empty when there is none.
    fn first(&mut self, target: &Target) -> Id {
        if let Some(slot) = target.slot {
            return self.stored[slot as usize].unwrap_or(EMPTY);
        }
        let mut found = Vec::new();
        self.gather(target, &mut found);
        found.first().map_or(EMPTY, |entry| entry.value)
    }

    pub(super) fn set(&mut self, setvar: &SetVar, rule: u32) {
        let slot = setvar.slot.or_else(|| {
            let name = self.expand(&setvar.name, rule);
            let name = self.strings.bytes(name).to_ascii_lowercase();
            self.plan.texts.find(setvar.variable, &name)
        });
        if slot.is_some_and(|slot| self.fixed.has(slot)) {
            return;
        }
        let (template, sign) = match &setvar.change {
            Change::Unset => return self.store(setvar, slot, rule, None),
            Change::Set(template) => (template, 0),
            Change::Add(template) => (template, 1),
            Change::Subtract(template) => (template, -1),
        };
        let mut value = self.expand(template, rule);
        if sign != 0 {
            let before = self.stored_value(setvar, slot, rule);
            let before = before.map_or(0, |value| integer(self.strings.bytes(value)));
            let change = integer(self.strings.bytes(value)).saturating_mul(sign);
            let sum = before.saturating_add(change).to_string();
            value = self.strings.add(sum.as_bytes());
        }
        self.store(setvar, slot, rule, Some(value));
    }

    fn stored_value(&mut self, setvar: &SetVar, slot: Option<u32>, rule: u32) -> Option<Id> {
        if let Some(slot) = slot {
            return self.stored[slot as usize];
        }
        let at = self.other(setvar, rule)?;
        Some(self.others[at].2)
    }

    /// Where a value is whose name no rule writes out.
    fn other(&mut self, setvar: &SetVar, rule: u32) -> Option<usize> {
        let name = self.expand(&setvar.name, rule);
        let name = self.strings.bytes(name);
        self.others.iter().position(|(variable, known, _)| {
            *variable == setvar.variable && self.strings.bytes(*known).eq_ignore_ascii_case(name)
        })
    }

    fn store(&mut self, setvar: &SetVar, slot: Option<u32>, rule: u32, value: Option<Id>) {
        if let Some(slot) = slot {
            self.stored[slot as usize] = value;
            return;
        }
        match (self.other(setvar, rule), value) {
            (Some(at), Some(value)) => self.others[at].2 = value,
            (Some(at), None) => {
                self.others.remove(at);
            }
            (None, Some(value)) => {
                let name = self.expand(&setvar.name, rule);
                let name = self.strings.bytes(name).to_ascii_lowercase();
                let name = self.strings.add(&name);
                self.others.push((setvar.variable, name, value));
            }
            (None, None) => {}
        }
    }

    /// Keep what a pattern captured as TX.0 to TX.9.
    pub(super) fn capture(&mut self, groups: &[Option<Vec<u8>>]) {
        let slots = self.plan.known.groups;
        for (number, slot) in slots.into_iter().enumerate() {
            let group = groups.get(number).and_then(Option::as_deref);
            self.stored[slot as usize] = group.map(|group| self.strings.add(group));
        }
    }
}

/// `user-agent` as `User-Agent`; a name with capitals stays.
fn titled(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) {
        return name.into();
    }
    let mut titled = name.to_vec();
    for word in titled.split_mut(|byte| *byte == b'-') {
        if let Some(first) = word.first_mut() {
            first.make_ascii_uppercase();
        }
    }
    titled.into()
}
