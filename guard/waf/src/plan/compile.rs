//! From directives to a plan.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bits::Bits;
use super::chains::Chains;
use super::fold;
use super::gated::{forms, gate, hints, watches};
use super::gates::GatesBuilder;
use super::order::order;
use super::places::Places;
use super::rule::{Control, Effect, Link, Rule};
use super::settings::{Mode, Settings};
use super::texts::Texts;
use super::which::Test;
use super::{Judges, Known, Limits, Plan};
use crate::seclang::action::{Actions, Disruptive};
use crate::seclang::ctl::Ctl;
use crate::seclang::{Directive, Fault, Knob, RuleSet, Written};
use crate::transforms::Transform;

/// Tells plans of one process apart.
static STAMPS: AtomicU64 = AtomicU64::new(1);

/// A rule with its chain, or a place to skip to.
pub(super) enum Entry {
    Rule(Vec<Written>),
    Marker(String),
}

pub(super) fn plan(set: &RuleSet, settings: Settings) -> Result<Plan, Vec<Fault>> {
    let mut limits = limits(&settings);
    let mut entries = entries(set, &mut limits)?;
    limits.mode = settings.mode.unwrap_or(limits.mode);
    limits.body = settings.body_limit.unwrap_or(limits.body);
    updates(set, &mut entries).map_err(|fault| vec![fault])?;
    if let Some(level) = settings.paranoia {
        fold::paranoia(&mut entries, level);
    }
    if settings.decode_overlong {
        widen(&mut entries);
    }
    assemble(set, &entries, settings, limits).map_err(|fault| vec![fault])
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        mode: Mode::Block,
        request_body: true,
        response_body: false,
        body: 128 << 10,
        response: 512 << 10,
        reject: true,
        types: ["text/plain", "text/html", "text/xml"]
            .map(str::to_owned)
            .to_vec(),
        arguments: settings.arguments,
        depth: settings.depth,
    }
}

fn knob(limits: &mut Limits, knob: &Knob) {
    match knob {
        Knob::Engine(mode) => limits.mode = *mode,
        Knob::RequestBodyAccess(on) => limits.request_body = *on,
        Knob::ResponseBodyAccess(on) => limits.response_body = *on,
        Knob::RequestBodyLimit(size) => limits.body = *size,
        Knob::ResponseBodyLimit(size) => limits.response = *size,
        Knob::RejectLongBodies(reject) => limits.reject = *reject,
        Knob::ResponseTypes(types) => limits.types.clone_from(types),
        Knob::ArgumentsLimit(count) => limits.arguments = *count,
        Knob::JsonDepth(depth) => limits.depth = limits.depth.min(*depth),
    }
}

/// Join chains, fill in defaults; numbers must be there once, and every fault is told.
fn entries(set: &RuleSet, limits: &mut Limits) -> Result<Vec<Entry>, Vec<Fault>> {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    let mut defaults: HashMap<u8, Actions> = HashMap::new();
    let mut ids = HashMap::new();
    let mut open = false;
    for (directive, at) in &set.directives {
        match directive {
            Directive::Rule(rule) => {
                let chained = rule.actions.chain;
                if let (true, Some(Entry::Rule(links))) = (open, entries.last_mut()) {
                    links.push((**rule).clone());
                } else {
                    let mut head = (**rule).clone();
                    match head.actions.id {
                        None => faults.push(set.fault(*at, "a rule without id")),
                        Some(id) => match ids.entry(id) {
                            Slot::Vacant(free) => _ = free.insert(*at),
                            Slot::Occupied(first) => {
                                faults.push(set.fault(*at, twice(set, id, *first.get(), *at)));
                            }
                        },
                    }
                    fill(&mut head.actions, &defaults);
                    entries.push(Entry::Rule(vec![head]));
                }
                open = chained;
            }
            Directive::Marker(name) => entries.push(Entry::Marker(name.clone())),
            Directive::Default(actions) => {
                defaults.insert(actions.phase.unwrap_or(2), (**actions).clone());
            }
            Directive::Set(found) => knob(limits, found),
            _ => {}
        }
    }
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(faults)
    }
}

fn twice(set: &RuleSet, id: u32, first: (usize, usize), at: (usize, usize)) -> String {
    let (file, line) = (&set.files[first.0], first.1);
    if (file, line) == (&set.files[at.0], at.1) {
        format!("rule {id} is there twice: its file is read twice, by its folder or an Include")
    } else {
        format!("rule {id} is there twice: also at {file}:{line}")
    }
}

fn fill(actions: &mut Actions, defaults: &HashMap<u8, Actions>) {
    let Some(default) = defaults.get(&actions.phase.unwrap_or(2)) else {
        return;
    };
    if matches!(actions.disruptive, None | Some(Disruptive::Block)) {
        actions.disruptive = default.disruptive;
        actions.status = actions.status.or(default.status);
    }
    actions.log = actions.log.or(default.log);
    if actions.transforms.is_none() {
        actions.transforms.clone_from(&default.transforms);
    }
}

fn updates(set: &RuleSet, entries: &mut Vec<Entry>) -> Result<(), Fault> {
    for (directive, at) in &set.directives {
        let which = match directive {
            Directive::Remove(which) | Directive::UpdateTargets(which, _) => which,
            Directive::UpdateActions(id, link, actions) => {
                for entry in entries.iter_mut() {
                    if let Entry::Rule(links) = entry
                        && links[0].actions.id == Some(*id)
                        && let Some(found) = links.get_mut(*link)
                    {
                        found.actions.update(actions);
                    }
                }
                continue;
            }
            _ => continue,
        };
        let test = Test::new(which).map_err(|message| set.fault(*at, message))?;
        if let Directive::UpdateTargets(_, targets) = directive {
            for entry in entries.iter_mut() {
                if let Entry::Rule(links) = entry
                    && test.means(&links[0])
                {
                    links[0].targets.extend(targets.iter().cloned());
                }
            }
        } else {
            entries.retain(|entry| !matches!(entry, Entry::Rule(links) if test.means(&links[0])));
        }
    }
    Ok(())
}

fn widen(entries: &mut [Entry]) {
    let links = entries.iter_mut().filter_map(|entry| {
        if let Entry::Rule(links) = entry {
            Some(links)
        } else {
            None
        }
    });
    for step in links
        .flatten()
        .filter_map(|link| link.actions.transforms.as_mut())
        .flatten()
    {
        if *step == Transform::UrlDecodeUni {
            *step = Transform::UrlDecodeWide;
        }
    }
}

fn assemble(
    set: &RuleSet,
    entries: &[Entry],
    settings: Settings,
    limits: Limits,
) -> Result<Plan, Fault> {
    let links = entries.iter().filter_map(|entry| match entry {
        Entry::Rule(links) => Some(links),
        Entry::Marker(_) => None,
    });
    let heads: Vec<&Vec<Written>> = links.collect();
    let mut gates = GatesBuilder::default();
    let own: Vec<(Option<u32>, Vec<Option<u32>>)> = heads
        .iter()
        .map(|links| (gate(&links[0], &mut gates), hints(links, &mut gates)))
        .collect();
    let links = heads.iter().flat_map(|links| links.iter());
    let chains = Chains::build(links.flat_map(forms).collect());
    let places = Places::build(&watches(&heads, &own, &chains), &chains, gates.width());
    let mut texts = Texts::new();
    let mut rules = Vec::new();
    for (links, (gate, hints)) in heads.iter().zip(own) {
        let mut rule = rule(set, links, gate, &chains, &heads, &mut texts)?;
        for (link, hint) in rule.links.iter_mut().zip(hints) {
            link.hint = hint;
        }
        rules.push(rule);
    }
    let phases = order(entries, &mut rules);
    let known = Known::new(&mut texts);
    let judges = Judges::of(&rules);
    Ok(Plan {
        stamp: STAMPS.fetch_add(1, Ordering::Relaxed),
        files: set.files.clone(),
        rules,
        phases,
        gates: gates.build(),
        chains,
        places,
        texts,
        known,
        limits,
        judges,
        settings,
    })
}

fn rule(
    set: &RuleSet,
    links: &[Written],
    gate: Option<u32>,
    chains: &Chains,
    heads: &[&Vec<Written>],
    texts: &mut Texts,
) -> Result<Rule, Fault> {
    let head = &links[0].actions;
    let built: Result<Vec<Link>, Fault> = links
        .iter()
        .enumerate()
        .map(|(index, link)| {
            let gate = gate.filter(|_| index == 0);
            build(link, gate, chains, heads, texts).map_err(|message| set.fault(link.at, message))
        })
        .collect();
    let effect = match head.disruptive {
        Some(Disruptive::Deny | Disruptive::Drop | Disruptive::Redirect) => Effect::Deny,
        Some(Disruptive::Allow) => Effect::Allow,
        Some(Disruptive::AllowPhase) => Effect::AllowPhase,
        Some(Disruptive::AllowRequest) => Effect::AllowRequest,
        None | Some(Disruptive::Pass | Disruptive::Block) => Effect::Pass,
    };
    Ok(Rule {
        id: head.id.unwrap_or_default(),
        at: links[0].at,
        phase: head.phase.unwrap_or(2),
        links: built?,
        effect,
        status: head.status.unwrap_or(403),
        log: head.log.unwrap_or(true),
        severity: head.severity,
        tags: head.tags.clone(),
        skip: None,
        gate,
    })
}

fn build(
    link: &Written,
    gate: Option<u32>,
    chains: &Chains,
    heads: &[&Vec<Written>],
    texts: &mut Texts,
) -> Result<Link, String> {
    let mut link = link.clone();
    texts.link(&mut link);
    let node = |steps: &Vec<Transform>| chains.find(steps).unwrap_or_default();
    let stages = forms(&link).iter().map(node).collect();
    let actions = &link.actions;
    Ok(Link {
        targets: link
            .targets
            .iter()
            .filter(|target| !target.exclude)
            .cloned()
            .collect(),
        except: link
            .targets
            .iter()
            .filter(|target| target.exclude)
            .cloned()
            .collect(),
        operator: link.operator.clone(),
        negated: link.negated,
        stages,
        capture: actions.capture,
        setvars: actions.setvars.clone(),
        controls: actions
            .ctls
            .iter()
            .map(|ctl| control(ctl, heads))
            .collect::<Result<_, _>>()?,
        msg: actions.msg.clone(),
        logdata: actions.logdata.clone(),
        gate,
        hint: None,
    })
}

fn control(ctl: &Ctl, heads: &[&Vec<Written>]) -> Result<Control, String> {
    let matching = |which| -> Result<Bits, String> {
        let test = Test::new(which)?;
        let found = (0u32..)
            .zip(heads)
            .filter(|(_, links)| test.means(&links[0]));
        Ok(Bits::of(heads.len(), found.map(|(index, _)| index)))
    };
    Ok(match ctl {
        Ctl::Remove(which) => Control::Remove(matching(which)?),
        Ctl::RemoveTarget(which, target) => {
            Control::RemoveTarget(matching(which)?, [target.clone()].into())
        }
        Ctl::BodyProcessor(name) => Control::BodyProcessor(name.clone()),
        Ctl::ForceBodyVariable(on) => Control::ForceBodyVariable(*on),
        Ctl::Engine(mode) => Control::Engine(*mode),
        Ctl::RequestBodyAccess(on) => Control::RequestBodyAccess(*on),
        Ctl::ResponseBodyAccess(on) => Control::ResponseBodyAccess(*on),
    })
}
