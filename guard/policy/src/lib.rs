//! `access`, asked by the guard: whether a request passes every level of its route.
//!
//! The meaning is `ostiary.policy.decide`: per level some `allow` holds and no `deny` does; an input
//! that is absent makes an `allow` not match and a `deny` match. `tests/meaning` compares both with
//! real Envoy. Scores are not asked here: routes with `risk` leave their rules to Envoy.

mod sound;

pub use sound::{is_sound_host, is_sound_path};

use serde::Deserialize;

/// Who asks, as a token that holds for this host says.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The user name.
    pub subject: &'a str,
    /// The e-mail address, or nothing.
    pub email: &'a str,
    /// Groups, of those that some policy names.
    pub groups: &'a [String],
    /// False when the token was minted for another set of group names: its groups say nothing.
    pub groups_known: bool,
}

/// All that rules may look at.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// As it was sent.
    pub method: &'a [u8],
    /// Normalised, without a query.
    pub path: &'a [u8],
    /// None when nobody is signed in.
    pub identity: Option<Identity<'a>>,
}

/// The rules of all levels of one route.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Levels(Vec<Vec<Rule>>);

impl Levels {
    /// Every level lets the request pass; without a level nobody does.
    #[must_use]
    pub fn allow(&self, inputs: &Inputs<'_>) -> bool {
        !self.0.is_empty() && self.0.iter().all(|level| passes(level, inputs))
    }
}

fn passes(level: &[Rule], inputs: &Inputs<'_>) -> bool {
    level.iter().any(|rule| !rule.deny && rule.matches(inputs))
        && !level.iter().any(|rule| rule.deny && rule.matches(inputs))
}

/// One rule: every key that is written must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    deny: bool,
    #[serde(default)]
    public: bool,
    methods: Option<Vec<String>>,
    paths: Option<Vec<Pattern>>,
    users: Option<Vec<String>>,
    email_domains: Option<Vec<String>>,
    groups: Option<Vec<String>>,
}

/// What an input says about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Holds,
    Fails,
    Absent,
}

impl From<bool> for Outcome {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

impl Rule {
    fn matches(&self, inputs: &Inputs<'_>) -> bool {
        let wanted = |outcome| match outcome {
            Outcome::Holds => true,
            Outcome::Fails => false,
            Outcome::Absent => self.deny,
        };
        // A request is cheaper to ask than a person, and of many rules most differ in the path.
        self.paths
            .as_ref()
            .is_none_or(|all| all.iter().any(|one| one.covers(inputs.path)))
            && self
                .methods
                .as_ref()
                .is_none_or(|all| all.iter().any(|one| one.as_bytes() == inputs.method))
            && match &inputs.identity {
                None => !self.needs_identity() || wanted(Outcome::Absent),
                Some(one) => self.asks(one).into_iter().flatten().all(wanted),
            }
    }

    fn needs_identity(&self) -> bool {
        let named = [&self.users, &self.groups, &self.email_domains];
        !self.public || named.into_iter().any(Option::is_some)
    }

    fn asks(&self, identity: &Identity<'_>) -> [Option<Outcome>; 3] {
        [
            self.users.as_ref().map(|all| users(all, identity)),
            self.email_domains
                .as_ref()
                .map(|all| domains(all, identity.email)),
            self.groups.as_ref().map(|all| groups(all, identity)),
        ]
    }
}

/// By user name, or by e-mail address without case; absent if one is missing that could tell.
fn users(wanted: &[String], identity: &Identity<'_>) -> Outcome {
    let Identity { subject, email, .. } = *identity;
    let named = !subject.is_empty() && wanted.iter().any(|one| one == subject);
    let addressed = is_address(email)
        && wanted
            .iter()
            .any(|one| is_address(one) && one.eq_ignore_ascii_case(email));
    if named || addressed {
        return Outcome::Holds;
    }
    let could_tell =
        !subject.is_empty() && (is_address(email) || !wanted.iter().any(|one| is_address(one)));
    if could_tell {
        Outcome::Fails
    } else {
        Outcome::Absent
    }
}

fn domains(wanted: &[String], email: &str) -> Outcome {
    match email.rsplit_once('@') {
        None => Outcome::Absent,
        Some((_, domain)) => wanted
            .iter()
            .any(|one| one.eq_ignore_ascii_case(domain))
            .into(),
    }
}

fn groups(wanted: &[String], identity: &Identity<'_>) -> Outcome {
    if !identity.groups_known {
        return Outcome::Absent;
    }
    wanted
        .iter()
        .any(|one| identity.groups.contains(one))
        .into()
}

fn is_address(text: &str) -> bool {
    text.contains('@')
}

/// `/x` exact; `/x/*` that prefix and `/x` itself; `/*` everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
enum Pattern {
    Everything,
    Exact(Vec<u8>),
    /// With the slash at its end.
    Below(Vec<u8>),
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        match text.strip_suffix('*') {
            Some("/") => Self::Everything,
            Some(prefix) if prefix.ends_with('/') => Self::Below(prefix.into()),
            _ => Self::Exact(text.into()),
        }
    }
}

impl Pattern {
    fn covers(&self, path: &[u8]) -> bool {
        match self {
            Self::Everything => true,
            Self::Exact(whole) => path == whole,
            Self::Below(prefix) => path.starts_with(prefix) || path == &prefix[..prefix.len() - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str) -> Levels {
        serde_json::from_str(text).unwrap()
    }

    fn signed_in<'a>(subject: &'a str, email: &'a str, groups: &'a [String]) -> Inputs<'a> {
        Inputs {
            method: b"GET",
            path: b"/a/b",
            identity: Some(Identity {
                subject,
                email,
                groups,
                groups_known: true,
            }),
        }
    }

    #[test]
    fn no_level_is_nobody_and_every_level_must_allow() {
        let ann = signed_in("ann", "", &[]);
        assert!(!levels("[]").allow(&ann));
        assert!(!levels("[[]]").allow(&ann));
        assert!(levels("[[{}]]").allow(&ann));
        assert!(!levels(r#"[[{}],[{"users":["bob"]}]]"#).allow(&ann));
        assert!(levels(r#"[[{}],[{"users":["bob","ann"]}]]"#).allow(&ann));
    }

    #[test]
    fn what_is_absent_allows_nothing_and_denies() {
        let nobody = Inputs {
            identity: None,
            ..signed_in("", "", &[])
        };
        assert!(!levels("[[{}]]").allow(&nobody));
        assert!(levels(r#"[[{"public":true}]]"#).allow(&nobody));
        let denied = levels(r#"[[{"public":true},{"deny":true,"groups":["x"]}]]"#);
        assert!(!denied.allow(&nobody));
        let mut older = signed_in("ann", "", &[]);
        assert!(denied.allow(&older));
        if let Some(one) = &mut older.identity {
            one.groups_known = false;
        }
        assert!(!denied.allow(&older));
        let by_address = levels(r#"[[{},{"deny":true,"users":["a@x.example"]}]]"#);
        assert!(!by_address.allow(&signed_in("ann", "", &[])));
        assert!(by_address.allow(&signed_in("ann", "ann@x.example", &[])));
        assert!(!by_address.allow(&signed_in("ann", "A@X.example", &[])));
    }

    #[test]
    fn paths_and_domains() {
        let path = |pattern: &str, path: &str| {
            let inputs = Inputs {
                path: path.as_bytes(),
                ..signed_in("ann", "", &[])
            };
            levels(&format!(r#"[[{{"paths":["{pattern}"]}}]]"#)).allow(&inputs)
        };
        assert!(path("/*", "/a") && path("/a/*", "/a") && path("/a/*", "/a/") && path("/a", "/a"));
        assert!(!path("/a/*", "/ab") && !path("/a", "/a/") && !path("/a*", "/ab"));
        let domain = levels(r#"[[{"email_domains":["X.example"]}]]"#);
        assert!(domain.allow(&signed_in("ann", "a@b@x.EXAMPLE", &[])));
        assert!(!domain.allow(&signed_in("ann", "a@y.x.example", &[])));
        assert!(!domain.allow(&signed_in("ann", "x.example", &[])));
    }
}
