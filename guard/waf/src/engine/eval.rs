//! Rules over values.

use std::sync::Arc;
use std::time::Instant;

use super::outcome::Match;
use super::strings::Id;
use super::transaction::{Entry, Transaction};
use crate::operators::pattern::Answer;
use crate::plan::Plan;
use crate::plan::gates;
use crate::plan::rule::{Control, Effect, Link, Rule};
use crate::plan::settings::Mode;
use crate::seclang::variable::Variable as V;

impl Transaction {
    /// Run the rules of a phase.
    pub(super) fn phase(&mut self, phase: usize) {
        if self.mode == Mode::Off || self.allowed {
            return;
        }
        let plan = Arc::clone(&self.plan);
        self.ask(&plan);
        let rules = &plan.phases[phase];
        let mut at = 0;
        while at < rules.len() {
            let index = rules[at];
            let rule = &plan.rules[index as usize];
            at += 1;
            if rule.gated
                && rule.links[0]
                    .gate
                    .is_some_and(|gate| !gates::has(&self.possible, gate))
            {
                continue;
            }
            if self.exhausted() || self.mode == Mode::Off {
                return;
            }
            if self.removed.has(index) || !self.timed(&plan, rule, index) {
                continue;
            }
            at = rule.skip.map_or(at, |skip| skip.max(at));
            match rule.effect {
                Effect::Deny => self.stop(rule.status, rule.id),
                Effect::Pass => {}
                _ if self.mode != Mode::Block => {}
                Effect::AllowPhase => return,
                Effect::Allow | Effect::AllowRequest => {
                    self.allowed = true;
                    return;
                }
            }
            if self.outcome.interrupted {
                return;
            }
        }
    }

    fn timed(&mut self, plan: &Plan, rule: &Rule, index: u32) -> bool {
        if !plan.settings.timing {
            return self.run(plan, rule, index);
        }
        let start = Instant::now();
        let matched = self.run(plan, rule, index);
        self.outcome
            .micros
            .push((rule.id, start.elapsed().as_micros() as u64));
        matched
    }

    /// Learn which gates the values that came since the last phase open.
    fn ask(&mut self, plan: &Plan) {
        for variable in V::ALL
            .iter()
            .map(|variable| *variable as usize)
            .filter(|variable| plan.watched[*variable])
        {
            for at in self.asked[variable]..self.collections[variable].len() {
                let value = self.collections[variable][at].value;
                let open = self.strings.candidates(value, plan);
                for (mine, theirs) in self.possible.iter_mut().zip(open) {
                    *mine |= theirs;
                }
            }
            self.asked[variable] = self.collections[variable].len();
        }
    }

    /// Whether all links of a rule hold; what follows from each is done.
    fn run(&mut self, plan: &Plan, rule: &Rule, index: u32) -> bool {
        let before = self.matched.clone();
        for link in &rule.links {
            if !self.holds(plan, rule, link, index) {
                self.matched = before;
                return false;
            }
        }
        self.report(rule);
        true
    }

    fn holds(&mut self, plan: &Plan, rule: &Rule, link: &Link, index: u32) -> bool {
        let Some(operator) = &link.operator else {
            self.follow(rule, link);
            return true;
        };
        let argument = operator
            .argument()
            .map(|template| self.expand(template, rule.id))
            .unwrap_or_default();
        let mut found = Vec::new();
        let entries = self.entries(plan, link, index);
        for entry in entries {
            for form in self.forms(plan, link, entry.value) {
                if let Some(gate) = link.gate
                    && !self.strings.opens(form, plan, gate)
                {
                    continue;
                }
                let class = self.strings.class(form);
                self.strings.work += 16 + self.strings.bytes(form).len() as u64;
                let answer = operator.test(self.strings.bytes(form), &class, &argument);
                if answer == Answer::Uncertain {
                    self.outcome.uncertain.push(rule.id);
                } else if (answer == Answer::Yes) != link.negated {
                    let matched = Entry {
                        value: form,
                        ..entry
                    };
                    if found.is_empty() {
                        self.matched.clear();
                    }
                    found.push(matched);
                    self.matched.push(matched);
                    if link.capture && answer == Answer::Yes {
                        let groups = operator.groups(self.strings.bytes(form));
                        self.capture(&groups);
                    }
                    self.follow(rule, link);
                    break;
                }
            }
        }
        !found.is_empty()
    }

    /// The values a link looks at: its targets without what is excluded.
    fn entries(&mut self, plan: &Plan, link: &Link, index: u32) -> Vec<Entry> {
        let (mut all, mut part) = (Vec::new(), Vec::new());
        let narrowed = self.narrowed.has(index);
        for target in &link.targets {
            self.gather(target, &mut part);
            part.retain(|entry| {
                let name = self.strings.bytes(entry.name);
                let out =
                    |known: &crate::seclang::target::Target| known.covers(entry.variable, name);
                let left_out = link.except.iter().any(out)
                    || narrowed
                        && (self.untargeted.iter())
                            .any(|(rules, known)| rules.has(index) && known.iter().any(out));
                !left_out
            });
            if target.count {
                let value = self.strings.add(part.len().to_string().as_bytes());
                let name = self.strings.add(b"");
                part = vec![Entry {
                    variable: target.variable,
                    name,
                    value,
                }];
            }
            all.append(&mut part);
        }
        if let Some(gate) = link.gate {
            all.retain(|entry| gates::has(self.strings.candidates(entry.value, plan), gate));
        }
        all
    }

    fn forms(&mut self, plan: &Plan, link: &Link, value: Id) -> Vec<Id> {
        if link.stages.is_empty() {
            return vec![self.strings.form(value, plan, link.chain)];
        }
        let mut forms: Vec<Id> = link
            .stages
            .iter()
            .map(|node| self.strings.form(value, plan, *node))
            .collect();
        forms.dedup();
        forms
    }

    fn capture(&mut self, groups: &[Option<Vec<u8>>]) {
        for number in 0..10usize {
            let key = number.to_string().into_bytes();
            match groups.get(number).cloned().flatten() {
                Some(group) => self.tx.insert(key, group),
                None => self.tx.remove(&key),
            };
        }
    }

    /// What a link does as soon as it holds.
    fn follow(&mut self, rule: &Rule, link: &Link) {
        for setvar in &link.setvars {
            self.set(setvar, rule.id);
        }
        for control in &link.controls {
            match control {
                Control::Remove(rules) => self.removed.join(rules),
                Control::RemoveTarget(rules, targets) => self.narrow(rules, targets),
                Control::BodyProcessor(name) => {
                    self.processor.clone_from(name);
                    self.set_processor();
                }
                Control::ForceBodyVariable(on) => self.force_body = *on,
                Control::Engine(mode) => self.mode = (*mode).min(self.ceiling),
                Control::RequestBodyAccess(on) => self.read_body = *on,
                Control::ResponseBodyAccess(on) => self.read_response = *on,
            }
        }
    }

    fn report(&mut self, rule: &Rule) {
        if !rule.log && rule.effect == Effect::Pass {
            return;
        }
        let mut text = |of: fn(&Link) -> Option<&crate::seclang::template::Template>| {
            let template = rule.links.iter().find_map(of);
            let bytes = template
                .map(|template| self.expand(template, rule.id))
                .unwrap_or_default();
            let bytes = self.masked(&bytes);
            String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).into_owned()
        };
        let (message, data) = (
            text(|link| link.msg.as_ref()),
            text(|link| link.logdata.as_ref()),
        );
        let place = self
            .matched
            .last()
            .map(|entry| self.place(*entry))
            .unwrap_or_default();
        let found = Match {
            id: rule.id,
            message,
            data,
            place,
            severity: rule.severity,
            tags: rule.tags.clone(),
            logged: rule.log,
        };
        self.outcome.matches.push(found);
    }
}
