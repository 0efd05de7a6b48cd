//! What the firewall does on one route, ready to be used.

use std::sync::{Arc, OnceLock};

use ostiary_waf::{Conditions, Exclusion, Mode as EngineMode, Plan, Transaction};

use super::sets::{self, Set};
use super::settings::{ExcludeText, Mode, RouteText, Secret};

/// One route; its rules may come later than itself.
pub(crate) struct Route {
    pub text: RouteText,
    ready: OnceLock<Ready>,
}

/// What is known once the rule set is there.
pub(crate) struct Ready {
    plan: Arc<Plan>,
    conditions: Conditions,
    /// Exclusions that hold on some paths only.
    by_path: Vec<(Vec<String>, Exclusion)>,
    pub body_limit: usize,
    pub response_limit: usize,
    pub secret: Arc<Secret>,
}

impl Route {
    /// Reads what a route says. Where `compiled`, its rules are compiled now or when they come.
    pub(crate) fn read(text: &str, compiled: bool) -> Result<Arc<Self>, String> {
        let text: RouteText = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let route = Arc::new(Self {
            text,
            ready: OnceLock::new(),
        });
        if compiled && route.text.mode != Mode::Off {
            match sets::known(&route.text.set) {
                Some(set) => route.settle(&set)?,
                None => sets::wait(&route),
            }
        }
        Ok(route)
    }

    /// The rules are there.
    pub(crate) fn settle(&self, set: &Set) -> Result<(), String> {
        let ready = Ready::new(&self.text, set)
            .map_err(|why| format!("route {:?}: {why}", self.text.route))?;
        // A route that is settled already means the same set.
        let _ = self.ready.set(ready);
        Ok(())
    }

    /// None while the rules did not come.
    pub(crate) fn ready(&self) -> Option<&Ready> {
        self.ready.get()
    }

    pub(crate) fn blocks(&self) -> bool {
        self.text.mode == Mode::Block
    }
}

impl Ready {
    fn new(text: &RouteText, set: &Set) -> Result<Self, String> {
        let plan = set.plan(text)?;
        let mut always = Vec::new();
        let mut by_path = Vec::new();
        for one in &text.exclude {
            let exclusion = exclusion(&plan, one)?;
            if one.paths.is_empty() {
                always.push(exclusion);
            } else {
                by_path.push((one.paths.clone(), exclusion));
            }
        }
        let body_limit = text.body_limit.unwrap_or(plan.body_limit());
        let conditions = Conditions {
            mode: Some(match text.mode {
                Mode::Block => EngineMode::Block,
                Mode::Shadow => EngineMode::Shadow,
                Mode::Off => EngineMode::Off,
            }),
            threshold: text.threshold,
            response_threshold: text.response_threshold,
            budget: text.budget,
            exhausted: Some(text.exhausted.into()),
            body_limit: Some(body_limit),
            response: Some(text.response),
            exclude: always,
        };
        Ok(Self {
            conditions,
            by_path,
            body_limit,
            response_limit: plan.response_limit(),
            plan,
            secret: Arc::clone(&set.secret),
        })
    }

    /// A transaction for a request to `path`, which is normalised and has no query.
    pub(crate) fn begin(&self, path: &[u8]) -> Transaction {
        let mut transaction = Transaction::with(&self.plan, &self.conditions);
        for (paths, exclusion) in &self.by_path {
            if paths.iter().any(|one| covers(one.as_bytes(), path)) {
                transaction.exclude(exclusion);
            }
        }
        transaction
    }
}

fn exclusion(plan: &Plan, text: &ExcludeText) -> Result<Exclusion, String> {
    let rules = text.rules.iter().map(u32::to_string);
    let tags = text.tags.iter().map(|tag| format!("tag:{tag}"));
    let mut means: Vec<String> = rules.chain(tags).collect();
    if means.is_empty() {
        means.push(format!("0-{}", u32::MAX));
    }
    Exclusion::new(plan, &means, &text.targets)
}

/// `/x` is that path, `/x/*` it and what is below.
fn covers(pattern: &[u8], path: &[u8]) -> bool {
    match pattern.strip_suffix(b"/*") {
        Some(above) => {
            let rest = path.strip_prefix(above);
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        }
        None => pattern == path,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_path_is_itself_or_a_folder() {
        assert!(covers(b"/a", b"/a") && !covers(b"/a", b"/a/") && !covers(b"/a", b"/ab"));
        assert!(covers(b"/a/*", b"/a") && covers(b"/a/*", b"/a/b/c"));
        assert!(!covers(b"/a/*", b"/ab") && covers(b"/*", b"/anything"));
    }
}
