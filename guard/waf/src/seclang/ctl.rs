//! `ctl:` actions: settings a rule changes for one request.

use super::target::{Target, one};

/// Which rules an exclusion means.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// Rule numbers from the first to the last, both included.
    Ids(Vec<(u32, u32)>),
    Tag(String),
    Message(String),
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Ctl {
    Remove(Which),
    RemoveTarget(Which, Target),
    BodyProcessor(String),
    ForceBodyVariable(bool),
    Engine(crate::plan::settings::Mode),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
}

impl Ctl {
    /// Read `name=value`; changes of the audit log mean nothing here.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("ctl wants name=value, not {text:?}"))?;
        let value = value.trim();
        Ok(Some(match name.trim().to_ascii_lowercase().as_str() {
            "ruleremovebyid" => Self::Remove(Which::ids(value)?),
            "ruleremovebytag" => Self::Remove(Which::Tag(value.to_owned())),
            "ruleremovebymsg" => Self::Remove(Which::Message(value.to_owned())),
            "ruleremovetargetbyid" => Self::target(value, Which::ids)?,
            "ruleremovetargetbytag" => Self::target(value, |tag| Ok(Which::Tag(tag.to_owned())))?,
            "ruleremovetargetbymsg" => {
                Self::target(value, |msg| Ok(Which::Message(msg.to_owned())))?
            }
            "requestbodyprocessor" => Self::BodyProcessor(value.to_ascii_uppercase()),
            "forcerequestbodyvariable" => Self::ForceBodyVariable(switch(value)?),
            "ruleengine" => Self::Engine(crate::plan::settings::Mode::parse(value)?),
            "requestbodyaccess" => Self::RequestBodyAccess(switch(value)?),
            "responsebodyaccess" => Self::ResponseBodyAccess(switch(value)?),
            "auditengine" | "auditlogparts" | "debugloglevel" => return Ok(None),
            other => return Err(format!("unknown ctl {other}")),
        }))
    }

    fn target(value: &str, which: impl Fn(&str) -> Result<Which, String>) -> Result<Self, String> {
        let (rules, target) = value
            .split_once(';')
            .ok_or_else(|| format!("ctl wants rules;target, not {value:?}"))?;
        Ok(Self::RemoveTarget(
            which(rules.trim())?,
            one(target.trim())?,
        ))
    }
}

impl Which {
    /// Read `1`, `1-9`, several by comma or space.
    pub fn ids(text: &str) -> Result<Self, String> {
        let pieces = text.split([',', ' ']).filter(|piece| !piece.is_empty());
        let ranges = pieces.map(range).collect::<Result<Vec<_>, _>>()?;
        if ranges.is_empty() {
            Err("no rule number".to_owned())
        } else {
            Ok(Self::Ids(ranges))
        }
    }
}

fn range(piece: &str) -> Result<(u32, u32), String> {
    let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
    let number = |text: &str| {
        text.trim()
            .parse::<u32>()
            .map_err(|_| format!("not a rule number: {text:?}"))
    };
    Ok((number(first)?, number(last)?))
}

/// `On` or `Off`.
pub(crate) fn switch(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("wants On or Off, not {value:?}")),
    }
}
