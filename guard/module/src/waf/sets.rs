//! The rule sets of this process and the plans that were compiled of them.
//!
//! A set lives for as long as a listener carries it, a plan for as long as a route or a request uses it.
//! Listeners and routes that mean the same share one. All of this happens on the main thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use ostiary_waf::{Plan, RuleSet, Settings};

use super::route::Route;
use super::settings::{RouteText, Secret, SetText, in_words};

/// A rule set that was read and compiles.
pub(crate) struct Set {
    rules: RuleSet,
    pub secret: Arc<Secret>,
    plans: Mutex<HashMap<PlanKey, Weak<Plan>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct PlanKey {
    paranoia: Option<u8>,
    arguments: Vec<String>,
    timing: bool,
}

#[derive(Default)]
struct Registry {
    sets: HashMap<String, Weak<Set>>,
    /// Routes whose set did not come yet.
    waiting: Vec<Weak<Route>>,
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: OnceLock<Mutex<Registry>> = OnceLock::new();
    lock(REGISTRY.get_or_init(Mutex::default))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The set of this name holds from now on, also for routes that came before it.
pub(crate) fn take_in(
    name: &str,
    text: &SetText,
    secret: &Arc<Secret>,
) -> Result<Arc<Set>, String> {
    if let Some(set) = known(name).filter(|set| set.secret == *secret) {
        return Ok(set);
    }
    let wrong = |why| format!("rule set {name:?}: {why}");
    let set = Arc::new(Set {
        rules: text.read().map_err(wrong)?,
        secret: Arc::clone(secret),
        plans: Mutex::default(),
    });
    set.compile(None, &[], false).map_err(wrong)?;
    let mut registry = registry();
    registry.sets.retain(|_, set| set.strong_count() > 0);
    registry.sets.insert(name.to_owned(), Arc::downgrade(&set));
    let waiting = std::mem::take(&mut registry.waiting);
    drop(registry);
    for route in waiting.iter().filter_map(Weak::upgrade) {
        if route.text.set == name {
            route.settle(&set).map_err(wrong)?;
        } else {
            wait(&route);
        }
    }
    Ok(set)
}

/// The set of this name, if a listener carries it.
pub(crate) fn known(name: &str) -> Option<Arc<Set>> {
    registry().sets.get(name)?.upgrade()
}

/// The route is told when its set comes.
pub(crate) fn wait(route: &Arc<Route>) {
    let mut registry = registry();
    registry.waiting.retain(|one| one.strong_count() > 0);
    registry.waiting.push(Arc::downgrade(route));
}

impl Set {
    /// The plan for a route; compiled when nobody has it yet.
    pub(crate) fn plan(&self, route: &RouteText) -> Result<Arc<Plan>, String> {
        self.compile(route.paranoia, &route.secret_arguments, route.timing)
    }

    fn compile(
        &self,
        paranoia: Option<u8>,
        arguments: &[String],
        timing: bool,
    ) -> Result<Arc<Plan>, String> {
        let key = PlanKey {
            paranoia,
            arguments: arguments.to_vec(),
            timing,
        };
        if let Some(plan) = lock(&self.plans).get(&key).and_then(Weak::upgrade) {
            return Ok(plan);
        }
        let plan = Plan::compile(&self.rules, self.settings(&key));
        let plan = plan.map_err(|faults| in_words(&faults))?;
        let mut plans = lock(&self.plans);
        plans.retain(|_, plan| plan.strong_count() > 0);
        plans.insert(key, Arc::downgrade(&plan));
        Ok(plan)
    }

    fn settings(&self, key: &PlanKey) -> Settings {
        let mut settings = Settings {
            paranoia: key.paranoia,
            timing: key.timing,
            ..Settings::default()
        };
        let lower = |name: &String| name.to_ascii_lowercase();
        let secret = &self.secret;
        settings
            .secret_headers
            .extend(secret.headers.iter().map(lower));
        settings
            .secret_cookies
            .extend(secret.cookies.iter().cloned());
        let arguments = secret.arguments.iter().chain(&key.arguments);
        settings.secret_arguments.extend(arguments.map(lower));
        settings
    }
}

/// How many plans are in use.
pub(crate) fn plans() -> usize {
    let sets: Vec<Arc<Set>> = registry().sets.values().filter_map(Weak::upgrade).collect();
    let alive = |set: &Arc<Set>| {
        let plans = lock(&set.plans);
        plans.values().filter(|one| one.strong_count() > 0).count()
    };
    sets.iter().map(alive).sum()
}
