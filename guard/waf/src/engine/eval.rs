//! Rules over values.

use std::sync::Arc;
use std::time::Instant;

use super::outcome::Match;
use super::strings::{EMPTY, Id};
use super::transaction::{Entry, Transaction};
use crate::operators::meter::Meter;
use crate::operators::pattern::Answer;
use crate::operators::{Groups, Operator};
use crate::plan::Plan;
use crate::plan::gates;
use crate::plan::rule::{Control, Effect, Link, Rule};
use crate::plan::settings::Mode;
use crate::seclang::target::Target;
use crate::seclang::template::Template;
use crate::seclang::variable::Variable as V;

/// The link that is being tried.
#[derive(Clone, Copy)]
struct Try<'a> {
    plan: &'a Plan,
    rule: &'a Rule,
    link: &'a Link,
    operator: &'a Operator,
    index: u32,
    argument: Id,
}

impl Transaction {
    /// Run the rules of a phase.
    pub(super) fn phase(&mut self, phase: usize) {
        if self.switches.mode == Mode::Off || self.switches.allowed {
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
            let closed = |gate| !gates::has(&self.possible, gate);
            if rule.gate.is_some_and(closed) {
                continue;
            }
            // Beyond the budget nothing is looked into any more, but what was found is judged.
            if self.exhausted() && !rule.only_counts() {
                continue;
            }
            if self.switches.mode == Mode::Off || self.outcome.interrupted {
                return;
            }
            if self.removed.has(index) || !self.timed(&plan, rule, index) {
                continue;
            }
            at = rule.skip.map_or(at, |skip| skip.max(at));
            match rule.effect {
                Effect::Deny => self.stop(rule.status, rule.id),
                Effect::Pass => {}
                _ if self.switches.mode != Mode::Block => {}
                Effect::AllowPhase => return,
                Effect::Allow | Effect::AllowRequest => {
                    self.switches.allowed = true;
                    return;
                }
            }
            if self.outcome.interrupted {
                return;
            }
        }
        self.exhausted();
    }

    fn timed(&mut self, plan: &Plan, rule: &Rule, index: u32) -> bool {
        if !plan.settings.timing {
            return self.run(plan, rule, index);
        }
        let start = Instant::now();
        let matched = self.run(plan, rule, index);
        let micros = start.elapsed().as_micros() as u64;
        self.outcome.micros.push((rule.id, micros));
        matched
    }

    /// Whether all links of a rule hold; what follows from each is done.
    fn run(&mut self, plan: &Plan, rule: &Rule, index: u32) -> bool {
        if let [link] = rule.links.as_slice() {
            if !self.holds(plan, rule, link, index) {
                return false;
            }
        } else {
            let before = self.matched.clone();
            let mut links = rule.links.iter();
            if !links.all(|link| self.holds(plan, rule, link, index)) {
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
        let argument = operator.argument();
        let argument = argument.map_or(EMPTY, |template| self.expand(template, rule.id));
        let attempt = Try {
            plan,
            rule,
            link,
            operator,
            index,
            argument,
        };
        let mut any = false;
        let mut part = std::mem::take(&mut self.part);
        for target in &link.targets {
            part.clear();
            self.gather(target, &mut part);
            if target.count {
                part.retain(|entry| !self.left_out(attempt, entry));
                let count = self.strings.add(part.len().to_string().as_bytes());
                let entry = Entry::plain(target.variable, EMPTY, count);
                any |= self.matches(attempt, entry, !any);
                continue;
            }
            for entry in &part {
                if self.is_candidate(link, entry) && !self.left_out(attempt, entry) {
                    any |= self.matches(attempt, *entry, !any);
                }
            }
        }
        self.part = part;
        any
    }

    fn is_candidate(&self, link: &Link, entry: &Entry) -> bool {
        match (link.gate, entry.open) {
            (Some(gate), Some(open)) => gates::has(&self.bits[open as usize..], gate),
            _ => true,
        }
    }

    /// Whether the rule does not look at a value that its targets mean.
    fn left_out(&self, attempt: Try<'_>, entry: &Entry) -> bool {
        let (link, index) = (attempt.link, attempt.index);
        let narrowed = self.narrowed.has(index);
        if link.except.is_empty() && !narrowed {
            return false;
        }
        let name = self.strings.bytes(entry.name);
        let out = |known: &Target| known.covers(entry.variable, name);
        link.except.iter().any(out)
            || narrowed
                && (self.untargeted.iter())
                    .any(|(rules, known)| rules.has(index) && known.iter().any(out))
    }

    /// Whether a form of a value matches; `first` when none did for this link before.
    fn matches(&mut self, attempt: Try<'_>, entry: Entry, first: bool) -> bool {
        let link = attempt.link;
        let mut sure = true;
        let mut before = None;
        for chain in &link.stages {
            let form = self.strings.form(entry.value, attempt.plan, *chain);
            if before.replace(form) == Some(form) || !self.opens(attempt, entry, form) {
                continue;
            }
            let (answer, kept) = self.test(attempt, entry, form);
            if answer == Answer::Uncertain {
                sure = false;
                self.outcome.uncertain.push(attempt.rule.id);
            } else if (answer == Answer::Yes) != link.negated {
                if first {
                    self.matched.clear();
                }
                self.matched.push(Entry {
                    value: form,
                    ..entry
                });
                if link.capture && answer == Answer::Yes {
                    let groups = kept.unwrap_or_else(|| self.groups(attempt, form));
                    self.capture(&groups);
                }
                self.follow(attempt.rule, link);
                return true;
            }
        }
        if let (Some(gate), Some(open), true) = (link.gate, entry.open, sure) {
            gates::clear(&mut self.bits[open as usize..], gate);
        }
        false
    }

    fn groups(&mut self, attempt: Try<'_>, form: Id) -> Groups {
        let mut meter = Meter::new(self.left());
        let groups = attempt
            .operator
            .groups(self.strings.bytes(form), &mut meter);
        self.strings.work += meter.spent();
        groups
    }

    fn test(&mut self, attempt: Try<'_>, entry: Entry, form: Id) -> (Answer, Option<Groups>) {
        let response = entry.variable == V::ResponseBody;
        let hint = attempt.link.hint;
        let closed = |hint| !self.strings.opens(form, attempt.plan, hint, response);
        if hint.is_some_and(closed) {
            return (Answer::No, None);
        }
        let value = self.strings.bytes(form);
        let argument = self.strings.bytes(attempt.argument);
        // Comparing numbers is never too dear: beyond the budget it is all that goes on.
        let left = match attempt.operator {
            Operator::Number(..) => u64::MAX,
            _ => self.left(),
        };
        let mut meter = Meter::new(left);
        let answer = attempt.operator.test(value, argument, &mut meter);
        self.strings.work += meter.spent();
        answer
    }

    fn opens(&mut self, attempt: Try<'_>, entry: Entry, form: Id) -> bool {
        let response = entry.variable == V::ResponseBody;
        let gate = attempt.link.gate;
        gate.is_none_or(|gate| self.strings.opens(form, attempt.plan, gate, response))
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
                Control::ForceBodyVariable(on) => self.switches.force_body = *on,
                Control::Engine(mode) => {
                    self.switches.mode = (*mode).min(self.switches.ceiling);
                }
                Control::RequestBodyAccess(on) => self.switches.read_body = *on,
                Control::ResponseBodyAccess(on) => self.switches.read_response = *on,
            }
        }
    }

    fn report(&mut self, rule: &Rule) {
        if !rule.log && rule.effect == Effect::Pass {
            return;
        }
        let mut text = |of: fn(&Link) -> Option<&Template>| {
            let template = rule.links.iter().find_map(of);
            let text = template.map_or(EMPTY, |template| self.expand(template, rule.id));
            let bytes = self.masked(self.strings.bytes(text));
            String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).into_owned()
        };
        let message = text(|link| link.msg.as_ref());
        let data = text(|link| link.logdata.as_ref());
        let place = self.matched.last().map(|entry| self.place(*entry));
        let found = Match {
            id: rule.id,
            message,
            data,
            place: place.unwrap_or_default(),
            severity: rule.severity,
            tags: rule.tags.clone(),
            logged: rule.log,
        };
        self.outcome.matches.push(found);
    }
}
