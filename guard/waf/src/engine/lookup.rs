//! Values by target, and texts with values in them.

use super::transaction::{Entry, Transaction};
use crate::seclang::action::{Change, SetVar};
use crate::seclang::target::{Selector, Target};
use crate::seclang::template::{Piece, Template};
use crate::seclang::variable::Variable as V;

/// The name under which a variable of a collection is kept; only TX has none before it.
fn stored(variable: V, name: &[u8]) -> Vec<u8> {
    let name = name.to_ascii_lowercase();
    match variable {
        V::Tx => name,
        other => [other.name().to_ascii_lowercase().as_bytes(), b".", &name].concat(),
    }
}

impl Transaction {
    /// Append what a target means, exclusions not yet applied.
    pub(super) fn gather(&mut self, target: &Target, out: &mut Vec<Entry>) {
        match target.variable {
            V::Tx | V::Ip | V::Global | V::Session | V::User | V::Resource => {
                self.gather_state(target, out);
            }
            V::MatchedVar => out.extend(self.matched.last()),
            V::MatchedVars => out.extend(&self.matched),
            V::MatchedVarName | V::MatchedVarsNames => {
                for entry in self.matched.clone() {
                    let place = self.place(entry);
                    let value = self.strings.add(place.as_bytes());
                    out.push(Entry { value, ..entry });
                }
            }
            variable => {
                let parts = variable.parts();
                for part in if parts.is_empty() {
                    std::slice::from_ref(&variable)
                } else {
                    parts
                } {
                    let entries = &self.collections[*part as usize];
                    let strings = &self.strings;
                    out.extend(
                        entries
                            .iter()
                            .filter(|entry| target.selector.admits(strings.bytes(entry.name))),
                    );
                }
            }
        }
    }

    fn gather_state(&mut self, target: &Target, out: &mut Vec<Entry>) {
        let variable = target.variable;
        let found: Vec<(Vec<u8>, Vec<u8>)> = match &target.selector {
            Selector::Name(name) => {
                let key = stored(variable, name);
                self.tx
                    .get(&key)
                    .map(|value| (name.to_vec(), value.clone()))
                    .into_iter()
                    .collect()
            }
            selector => {
                let pairs = self.tx.iter().filter(|(name, _)| selector.admits(name));
                let mut pairs: Vec<_> = pairs
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                pairs.sort_unstable();
                pairs
            }
        };
        for (name, value) in found {
            let (name, value) = (self.strings.add(&name), self.strings.add(&value));
            out.push(Entry {
                variable,
                name,
                value,
            });
        }
    }

    /// Where a value is, as messages write it.
    pub(super) fn place(&self, entry: Entry) -> String {
        let public = match entry.variable {
            V::ArgsGet | V::ArgsPost => V::Args,
            V::ArgsGetNames | V::ArgsPostNames => V::ArgsNames,
            other => other,
        };
        let name = self.strings.bytes(entry.name);
        let separator = if name.is_empty() { "" } else { ":" };
        format!(
            "{}{separator}{}",
            public.name(),
            String::from_utf8_lossy(name)
        )
    }

    /// A text with its values looked up.
    pub(super) fn expand(&mut self, template: &Template, rule: u32) -> Vec<u8> {
        if let Some(text) = template.constant() {
            return text.to_vec();
        }
        let mut out = Vec::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => out.extend(text),
                Piece::Value(target) if target.variable == V::Rule => {
                    out.extend(rule.to_string().into_bytes());
                }
                Piece::Value(target) => {
                    let mut found = Vec::new();
                    self.gather(target, &mut found);
                    if let Some(entry) = found.first() {
                        out.extend(self.strings.bytes(entry.value));
                    }
                }
            }
        }
        out
    }

    pub(super) fn set(&mut self, setvar: &SetVar, rule: u32) {
        let tx = setvar.collection == "tx";
        let variable = if tx {
            V::Tx
        } else {
            V::find(&setvar.collection).unwrap_or(V::Tx)
        };
        let name = self.expand(&setvar.name, rule);
        let key = stored(variable, &name);
        if self.fixed.contains(&key) {
            return;
        }
        let (template, sign) = match &setvar.change {
            Change::Unset => {
                self.tx.remove(&key);
                return;
            }
            Change::Set(template) => (template, 0),
            Change::Add(template) => (template, 1),
            Change::Subtract(template) => (template, -1),
        };
        let mut value = self.expand(template, rule);
        if sign != 0 {
            let before = self
                .tx
                .get(&key)
                .map_or(0, |value| crate::operators::integer(value));
            let change = crate::operators::integer(&value).saturating_mul(sign);
            value = before.saturating_add(change).to_string().into_bytes();
        }
        self.tx.insert(key, value);
    }
}
