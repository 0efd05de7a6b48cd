//! What the log, the local replies and `explain` read about an inspected request.

use ostiary_credentials::of_map;
use ostiary_waf::{Match, Outcome};
use serde_json::{Map, Value, json};

use super::record::names_secret;
use super::request::Request;
use super::settings::Secret;
use super::{Route, Stop};
use crate::abi::Http;

const NAMESPACE: &str = "ostiary.waf";
/// The flag of every request that the firewall refused.
const FLAG: &str = "OWF";
/// Characters of a value that are shown.
const SHOWN: usize = 100;
/// Characters of a place that are told.
const PLACE: usize = 200;
/// Matches, and rules in the short form, that are told.
const MATCHES: usize = 100;
const BRIEF_RULES: usize = 20;
/// Rules whose cost is told, the dearest first.
const COSTS: usize = 20;

/// Writes it: before a refusal is sent, else when the stream ends. A request about which no rule has
/// anything to say, on a route without a log, leaves nothing.
pub(crate) fn write(http: &Http<'_>, request: &Request) {
    let stop = request.stopped.get();
    if stop.is_some() {
        http.flag(FLAG);
    }
    let Some(outcome) = request.outcome() else {
        return;
    };
    let route = &*request.route;
    let matched = outcome.matches.iter().any(|one| one.logged);
    let notable = matched
        || outcome.exhausted
        || outcome.unreadable
        || stop.or(request.missed.get()).is_some();
    if !notable && route.text.log.is_empty() {
        return;
    }
    let Ok(ready) = request.ready() else { return };
    let seen = Seen {
        request,
        outcome: &outcome,
        secret: &ready.secret,
        action: match (stop, notable) {
            (Some(_), _) => "blocked",
            (None, true) => "flagged",
            (None, false) => "passed",
        },
    };
    http.set_metadata(NAMESPACE, &of_map(&seen.told(notable)));
}

struct Seen<'a> {
    request: &'a Request,
    outcome: &'a Outcome,
    secret: &'a Secret,
    action: &'static str,
}

impl Seen<'_> {
    fn told(&self, notable: bool) -> Map<String, Value> {
        let route: &Route = &self.request.route;
        let mut told = self.short(MATCHES);
        if notable {
            let brief = self.short(BRIEF_RULES);
            let first = self.first();
            let label = first.map_or_else(|| self.reason().to_owned(), |one| one.message.clone());
            let place = first.map(|one| one.place.as_str()).unwrap_or_default();
            told.insert("label".to_owned(), plain(&label).into());
            told.insert("where".to_owned(), plain(place).into());
            told.insert("brief".to_owned(), brief.into());
        }
        told.insert("id".to_owned(), self.request.id.as_str().into());
        told.insert("log".to_owned(), route.text.log.as_str().into());
        told.insert("route".to_owned(), route.text.route.as_str().into());
        told.insert("host".to_owned(), route.text.host.as_str().into());
        let logged = self.outcome.matches.iter().filter(|one| one.logged);
        let messages = logged.take(MATCHES).map(|one| self.message(one));
        told.insert("messages".to_owned(), messages.collect());
        if route.text.timing {
            told.insert("cost".to_owned(), costs(self.outcome));
        }
        if let Some(recorded) = &*self.request.recorded.borrow() {
            told.insert("record".to_owned(), recorded.told());
        }
        told
    }

    fn short(&self, rules: usize) -> Map<String, Value> {
        let outcome = self.outcome;
        let first = self.first();
        let mut logged = outcome.rules();
        logged.truncate(rules);
        let data = first.map(|one| shown(one, self.secret));
        let told = json!({
            "action": self.action,
            "mode": self.request.route.text.mode.word(),
            "rules": logged,
            "score": outcome.score.max(outcome.response_score),
            "by": outcome.by,
            "message": first.map_or_else(|| self.reason(), |one| &one.message),
            "place": first.map(|one| cut(&one.place)).unwrap_or_default(),
            "data": data.unwrap_or_default(),
            "micros": self.request.micros(),
            "phase": self.request.phase.get(),
            "exhausted": outcome.exhausted,
            "uncertain": outcome.uncertain,
        });
        match told {
            Value::Object(told) => told,
            _ => Map::new(),
        }
    }

    /// The match that says most: the first that is no sum of others.
    fn first(&self) -> Option<&Match> {
        let mut logged = self.outcome.matches.iter().filter(|one| one.logged);
        let by = self.outcome.by;
        let all = logged.clone().next();
        logged
            .find(|one| one.id != by && !one.place.starts_with("TX"))
            .or(all)
    }

    /// Why, where no rule says it.
    fn reason(&self) -> &'static str {
        match self.request.stopped.get().or(self.request.missed.get()) {
            Some(Stop::TooLong) => "the body is longer than what is inspected",
            Some(Stop::Busy) => "too much is inspected at once",
            Some(Stop::Unreadable) => "no rule can read the body",
            Some(Stop::Malformed) => "the body is not what it says it is",
            _ if self.outcome.exhausted => "inspecting it costs more work than a request may",
            _ => "",
        }
    }

    fn message(&self, one: &Match) -> Value {
        json!({
            "rule": one.id,
            "message": one.message,
            "place": cut(&one.place),
            "data": shown(one, self.secret),
            "severity": one.severity,
        })
    }
}

/// The dearest rules with their microseconds.
fn costs(outcome: &Outcome) -> Value {
    let mut all = outcome.micros.clone();
    all.sort_by_key(|(_, micros)| std::cmp::Reverse(*micros));
    let dearest = all.iter().take(COSTS);
    dearest
        .map(|(rule, micros)| json!({"rule": rule, "micros": micros}))
        .collect()
}

/// What matched, unless it may be a secret.
fn shown(one: &Match, secret: &Secret) -> String {
    if names_secret(&one.place, &one.data, secret) {
        return "***".to_owned();
    }
    one.data.chars().take(SHOWN).collect()
}

/// Where it matched. The client writes names of arguments, as long as it likes.
fn cut(place: &str) -> &str {
    let end = place.char_indices().nth(PLACE).map(|(at, _)| at);
    &place[..end.unwrap_or(place.len())]
}

/// Envoy does not escape what stands in a local reply.
fn plain(text: &str) -> String {
    let keep = |one: char| {
        if one.is_ascii_alphanumeric() || " _.,:()/-".contains(one) {
            one
        } else if one.is_whitespace() {
            ' '
        } else {
            '?'
        }
    };
    text.chars().take(200).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::{cut, plain};

    #[test]
    fn a_place_is_told_up_to_a_length() {
        assert_eq!(cut("ARGS:\u{e4}"), "ARGS:\u{e4}");
        assert_eq!(cut(&"\u{e4}".repeat(300)), "\u{e4}".repeat(200));
    }

    #[test]
    fn what_a_page_shows_has_no_markup() {
        assert_eq!(plain("ARGS:<b>\"q\"\n"), "ARGS:?b??q? ");
    }
}
