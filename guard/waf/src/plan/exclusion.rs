//! Rules, or some of their targets, that one route leaves out.

use std::sync::Arc;

use super::Plan;
use super::bits::Bits;
use crate::seclang::ctl::Which;
use crate::seclang::target::{self, Target};

/// Rules of one plan that do not run, or do not look at some targets.
///
/// It is made once per route ([`Exclusion::new`]) and costs a request two
/// copies of a few words; clones share what they mean.
#[derive(Clone, Debug)]
pub struct Exclusion(Arc<Meaning>);

#[derive(Debug)]
struct Meaning {
    plan: u64,
    rules: Bits,
    ids: Vec<u32>,
    targets: Arc<[Target]>,
}

impl Exclusion {
    /// An exclusion of rules (`941100`, `941100-941199`, `tag:attack-xss`),
    /// from all they look at or from the targets alone (`ARGS:comment`,
    /// `REQUEST_COOKIES`, `ARGS:/^free_/`; names in any case).
    ///
    /// A rule that the plan does not have is no error: its paranoia level may
    /// have left it out; [`Exclusion::rules`] says what was found.
    ///
    /// # Errors
    /// What is wrong with which text, and what is expected in its place.
    pub fn new(
        plan: &Plan,
        rules: &[impl AsRef<str>],
        targets: &[impl AsRef<str>],
    ) -> Result<Self, String> {
        if rules.is_empty() {
            return Err("an exclusion names no rule: give numbers or tag:NAME".to_owned());
        }
        let mut found = Bits::none(plan.rules.len());
        for text in rules {
            let wanted = Wanted::parse(text.as_ref().trim())?;
            for (index, rule) in plan.rules.iter().enumerate() {
                if wanted.means(rule.id, &rule.tags) {
                    found.add(index as u32);
                }
            }
        }
        let targets = targets
            .iter()
            .map(|text| one(text.as_ref().trim()))
            .collect::<Result<Arc<[Target]>, _>>()?;
        let ids = plan.rules.iter().enumerate();
        let ids = ids.filter(|(index, _)| found.has(*index as u32));
        Ok(Self(Arc::new(Meaning {
            plan: plan.stamp,
            ids: ids.map(|(_, rule)| rule.id).collect(),
            rules: found,
            targets,
        })))
    }

    /// The numbers of the plan's rules that are meant, in the plan's order.
    #[must_use]
    pub fn rules(&self) -> &[u32] {
        &self.0.ids
    }

    /// The rules and the targets, when they were found in this plan.
    pub(crate) fn of(&self, plan: &Plan) -> Option<(&Bits, &Arc<[Target]>)> {
        (self.0.plan == plan.stamp).then_some((&self.0.rules, &self.0.targets))
    }
}

enum Wanted {
    Ids(Vec<(u32, u32)>),
    Tag(String),
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(tag) = text.strip_prefix("tag:") {
            return if tag.trim().is_empty() {
                Err("tag: wants a name, as in tag:attack-xss".to_owned())
            } else {
                Ok(Self::Tag(tag.trim().to_owned()))
            };
        }
        match Which::ids(text) {
            Ok(Which::Ids(ids)) if ids.iter().all(|(first, last)| first <= last) => {
                Ok(Self::Ids(ids))
            }
            Ok(_) => Err(format!("{text:?} ends before it begins")),
            Err(_) => Err(format!(
                "{text:?} is no rule: give a number, a range as in 941100-941199, or tag:NAME"
            )),
        }
    }

    fn means(&self, id: u32, tags: &[String]) -> bool {
        match self {
            Self::Ids(ids) => ids
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&id)),
            Self::Tag(wanted) => tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted)),
        }
    }
}

fn one(text: &str) -> Result<Target, String> {
    let found = target::one(text).map_err(|fault| {
        format!("target {text:?}: {fault}; give a variable as in ARGS:comment or REQUEST_COOKIES")
    })?;
    if found.count || found.exclude || found.variable.is_state() {
        return Err(format!(
            "target {text:?}: give a part of the request without ! and &, as in ARGS:comment"
        ));
    }
    Ok(found)
}
