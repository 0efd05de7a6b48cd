//! What a filter of each name does, and the settings it reads.

use std::sync::Arc;

use ostiary_policy::Levels;
use serde::Deserialize;

use crate::abi::Config;
use crate::stream::VerdictStream;

/// What `trust` says about a route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    pub stale_after_ms: u64,
    pub then: Then,
}

/// What happens once the table is stale.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    Deny,
    Keep,
}

/// What a filter must know about its route.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RouteSettings {
    /// `*` or the host of the route; the rules compare it.
    pub host: String,
    /// Cookies of ours can exist here: they are taken out in both directions.
    pub cookies: bool,
    /// A rule reads the score.
    pub risk: bool,
    /// The rules of all levels, where the guard asks them.
    pub rules: Option<Levels>,
    /// The set of group names that today's rules are about.
    pub group_set: String,
    /// A limit counts by user.
    pub user: bool,
    /// What programs may show here.
    pub credentials: Option<crate::machine::Accepted>,
    pub trust: Option<Trust>,
}

impl RouteSettings {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map_err(|why| why.to_string())
    }
}

/// `address`: nobody signs in here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressSettings {
    pub prefix: String,
    #[serde(default)]
    pub route: RouteSettings,
}

/// What a route says to one filter.
pub(crate) enum Route {
    Trust(RouteSettings),
    Firewall(Arc<crate::waf::Route>),
}

impl Route {
    pub(crate) fn read(role: &str, text: &str) -> Result<Self, String> {
        match role {
            "waf_head" | "waf_body" => {
                crate::waf::Route::read(text, role == "waf_head").map(Self::Firewall)
            }
            _ => RouteSettings::read(text).map(Self::Trust),
        }
    }
}

static NOTHING: RouteSettings = RouteSettings {
    host: String::new(),
    cookies: false,
    risk: false,
    rules: None,
    group_set: String::new(),
    user: false,
    credentials: None,
    trust: None,
};

/// One filter configuration.
pub(crate) enum Role {
    Verdicts(VerdictStream),
    Address(AddressSettings),
    Who(Box<crate::credential::Who>),
    Handover(Box<crate::credential::Handover>),
    Assertion(Box<crate::credential::Assertion>),
    WafHead(Box<crate::waf::HeadRole>),
    WafBody,
}

impl Role {
    pub(crate) fn new(config: Config, name: &str, settings: &str) -> Result<Self, String> {
        let read = |why: serde_json::Error| format!("settings of {name}: {why}");
        match name {
            "verdicts" => VerdictStream::new(config, settings).map(Self::Verdicts),
            "address" => serde_json::from_str(settings)
                .map(Self::Address)
                .map_err(read),
            "who" => crate::credential::Who::read(settings).map(|one| Self::Who(Box::new(one))),
            "handover" => {
                crate::credential::Handover::read(settings).map(|one| Self::Handover(Box::new(one)))
            }
            "assertion" => crate::credential::Assertion::read(settings)
                .map(|one| Self::Assertion(Box::new(one))),
            "waf_head" => {
                crate::waf::HeadRole::read(settings).map(|one| Self::WafHead(Box::new(one)))
            }
            "waf_body" => crate::waf::check_body_settings(settings).map(|()| Self::WafBody),
            other => Err(format!("there is no role {other:?}")),
        }
    }

    /// What holds where the route itself says nothing.
    pub(crate) fn route(&self) -> &RouteSettings {
        match self {
            Self::Address(one) => &one.route,
            Self::Assertion(one) => &one.route,
            _ => &NOTHING,
        }
    }

    /// How cookies of ours begin, where this filter takes them out.
    pub(crate) fn prefix(&self) -> Option<&str> {
        match self {
            Self::Address(one) => Some(&one.prefix),
            Self::Handover(one) => Some(&one.prefix),
            _ => None,
        }
    }

    pub(crate) fn woken(&self, _event: u64) {
        if let Self::Verdicts(stream) = self {
            stream.woken();
        }
    }

    pub(crate) fn stream_headers<'a>(
        &self,
        stream: u64,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        if let Self::Verdicts(line) = self {
            line.headers(stream, headers);
        }
    }

    pub(crate) fn stream_data(&self, stream: u64, bytes: &[u8]) {
        if let Self::Verdicts(line) = self {
            line.data(stream, bytes);
        }
    }

    pub(crate) fn stream_broken(&self, stream: u64) {
        if let Self::Verdicts(line) = self {
            line.broken(stream);
        }
    }

    pub(crate) fn stream_over(&self, stream: u64) {
        if let Self::Verdicts(line) = self {
            line.over(stream);
        }
    }
}
