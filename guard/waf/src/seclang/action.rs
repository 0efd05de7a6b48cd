//! The last word of a rule: what happens when it matches.

use super::ctl::Ctl;
use super::template::Template;
use super::variable::Variable;
use crate::transforms::Transform;

/// What a matching rule does to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disruptive {
    Pass,
    Block,
    Deny,
    Drop,
    Redirect,
    Allow,
    AllowPhase,
    AllowRequest,
}

/// How a variable of the transaction changes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set(Template),
    Add(Template),
    Subtract(Template),
    Unset,
}

/// One `setvar`.
#[derive(Clone, Debug)]
pub(crate) struct SetVar {
    pub variable: Variable,
    pub name: Template,
    /// Where the value is kept, when the name is fixed.
    pub slot: Option<u32>,
    pub change: Change,
}

/// Everything in the action word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actions {
    pub id: Option<u32>,
    pub phase: Option<u8>,
    pub disruptive: Option<Disruptive>,
    pub status: Option<u16>,
    pub msg: Option<Template>,
    pub logdata: Option<Template>,
    pub severity: Option<u8>,
    pub tags: Vec<String>,
    pub chain: bool,
    pub capture: bool,
    pub multi_match: bool,
    pub log: Option<bool>,
    pub skip: usize,
    pub skip_after: Option<String>,
    pub transforms: Option<Vec<Transform>>,
    pub setvars: Vec<SetVar>,
    pub ctls: Vec<Ctl>,
}

impl Actions {
    /// Read `a,b:c,d:'e,f'`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut actions = Self::default();
        for piece in pieces(text) {
            let (name, value) = piece
                .split_once(':')
                .map_or((piece, ""), |(name, value)| (name, value.trim()));
            actions.take(&name.trim().to_ascii_lowercase(), unquote(value))?;
        }
        Ok(actions)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "id" => self.id = Some(number(name, value)?),
            "phase" => self.phase = Some(phase(value)?),
            "status" => self.status = Some(number(name, value)?),
            "msg" => self.msg = Some(Template::parse(value)?),
            "logdata" => self.logdata = Some(Template::parse(value)?),
            "severity" => self.severity = Some(severity(value)?),
            "tag" => self.tags.push(value.to_owned()),
            "chain" => self.chain = true,
            "capture" => self.capture = true,
            "multimatch" => self.multi_match = true,
            "log" => self.log = Some(true),
            "nolog" => self.log = Some(false),
            "skip" => self.skip = number(name, value)?,
            "skipafter" => self.skip_after = Some(value.to_owned()),
            "t" => self.transform(value)?,
            "setvar" => self.setvars.push(setvar(value)?),
            "ctl" => self.ctls.extend(Ctl::parse(value)?),
            "auditlog"
            | "noauditlog"
            | "rev"
            | "ver"
            | "maturity"
            | "accuracy"
            | "initcol"
            | "expirevar"
            | "deprecatevar"
            | "sanitisearg"
            | "sanitiserequestheader"
            | "sanitiseresponseheader"
            | "sanitisematched"
            | "sanitisematchedbytes"
            | "setenv"
            | "setuid"
            | "setsid"
            | "setrsc" => {}
            _ => self.disruptive = Some(disruptive(name, value)?),
        }
        Ok(())
    }

    fn transform(&mut self, value: &str) -> Result<(), String> {
        if value.eq_ignore_ascii_case("none") {
            self.transforms = Some(Vec::new());
            return Ok(());
        }
        let transform =
            Transform::find(value).ok_or_else(|| format!("unknown transformation {value}"))?;
        self.transforms.get_or_insert_default().push(transform);
        Ok(())
    }

    /// Replace what a later word says otherwise (`SecRuleUpdateActionById`).
    pub fn update(&mut self, other: &Self) {
        self.disruptive = other.disruptive.or(self.disruptive);
        self.status = other.status.or(self.status);
        self.severity = other.severity.or(self.severity);
        self.log = other.log.or(self.log);
        if other.msg.is_some() {
            self.msg.clone_from(&other.msg);
        }
        if other.logdata.is_some() {
            self.logdata.clone_from(&other.logdata);
        }
        if other.transforms.is_some() {
            self.transforms.clone_from(&other.transforms);
        }
        if other.skip_after.is_some() {
            self.skip_after.clone_from(&other.skip_after);
        }
        self.tags.extend(other.tags.iter().cloned());
        self.setvars.extend(other.setvars.iter().cloned());
        self.ctls.extend(other.ctls.iter().cloned());
    }
}

fn disruptive(name: &str, value: &str) -> Result<Disruptive, String> {
    Ok(match (name, value) {
        ("pass", _) => Disruptive::Pass,
        ("block", _) => Disruptive::Block,
        ("deny", _) => Disruptive::Deny,
        ("drop", _) => Disruptive::Drop,
        ("redirect", _) => Disruptive::Redirect,
        ("allow", "") => Disruptive::Allow,
        ("allow", "phase") => Disruptive::AllowPhase,
        ("allow", "request") => Disruptive::AllowRequest,
        _ => return Err(format!("unknown action {name}")),
    })
}

/// Split at commas outside of single quotes.
fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, char) in text.char_indices() {
        match char {
            '\'' if !escaped => quoted = !quoted,
            ',' if !quoted => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        escaped = char == '\\' && !escaped;
    }
    found.push(text[start..].trim());
    found.retain(|piece| !piece.is_empty());
    found
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or(value)
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, String> {
    value
        .trim()
        .parse()
        .map_err(|_| format!("{name} wants a number, not {value:?}"))
}

fn phase(value: &str) -> Result<u8, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" => Ok(1),
        "2" | "request" => Ok(2),
        "3" => Ok(3),
        "4" | "response" => Ok(4),
        "5" | "logging" => Ok(5),
        _ => Err(format!("unknown phase {value:?}")),
    }
}

const SEVERITIES: [&str; 8] = [
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "info",
    "debug",
];

fn severity(value: &str) -> Result<u8, String> {
    let lower = value.to_ascii_lowercase();
    if let Some(at) = SEVERITIES.iter().position(|name| *name == lower) {
        return Ok(at as u8);
    }
    value
        .parse()
        .ok()
        .filter(|level| *level < 8)
        .ok_or_else(|| format!("unknown severity {value:?}"))
}

fn setvar(value: &str) -> Result<SetVar, String> {
    let (unset, value) = value
        .strip_prefix('!')
        .map_or((false, value), |rest| (true, rest));
    let (place, amount) = value
        .split_once('=')
        .map_or((value, None), |(place, amount)| (place, Some(amount)));
    let (collection, name) = place
        .split_once('.')
        .ok_or_else(|| format!("setvar wants collection.name, not {place:?}"))?;
    let change = match amount {
        _ if unset => Change::Unset,
        None => Change::Set(Template::parse("1")?),
        Some(amount) => match amount.as_bytes().first() {
            Some(b'+') => Change::Add(Template::parse(&amount[1..])?),
            Some(b'-') => Change::Subtract(Template::parse(&amount[1..])?),
            _ => Change::Set(Template::parse(amount)?),
        },
    };
    let variable = Variable::find(collection.trim())
        .filter(|variable| variable.is_stored())
        .ok_or_else(|| format!("setvar cannot change {collection}"))?;
    Ok(SetVar {
        variable,
        slot: None,
        name: Template::parse(&name.trim().to_ascii_lowercase())?,
        change,
    })
}
