//! One directive out of its words.

use super::action::Actions;
use super::ctl::{Which, switch};
use super::{Directive, Knob, Written, target};
use crate::operators;
use crate::plan::settings::Mode;

/// Directives of audit and debug logs, folders and engines that mean nothing here.
const IGNORED: &[&str] = &[
    "seccomponentsignature",
    "secauditengine",
    "secauditlog",
    "secauditlog2",
    "secauditlogformat",
    "secauditlogparts",
    "secauditlogtype",
    "secauditlogrelevantstatus",
    "secauditlogstoragedir",
    "secauditlogdirmode",
    "secauditlogfilemode",
    "secdebuglog",
    "secdebugloglevel",
    "secdatadir",
    "sectmpdir",
    "secuploaddir",
    "secuploadkeepfiles",
    "secuploadfilemode",
    "secuploadfilelimit",
    "secrequestbodyinmemorylimit",
    "secrequestbodynofileslimit",
    "secresponsebodylimitaction",
    "seccollectiontimeout",
    "seccookieformat",
    "secunicodemapfile",
    "secstatusengine",
    "secwebappid",
    "secserversignature",
    "secsensorid",
    "sectmpsaveuploadedfiles",
    "secpcrematchlimit",
    "secpcrematchlimitrecursion",
    "sechttpblkey",
    "secgeolookupdb",
    "secinterceptonerror",
    "secxmlexternalentity",
    "secrxprefilter",
    "secconnengine",
    "secresponsebodymimetypesclear",
    "secauditlogprefix",
    "seccachetransformations",
    "seccontentinjection",
    "secdisablebackendcompression",
    "secguardianlog",
    "secchrootdir",
    "secruleperftime",
    "secunicodecodepage",
    "secreadstatelimit",
    "secwritestatelimit",
    "secconnreadstatelimit",
    "secconnwritestatelimit",
];

type Data<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Read a directive; nothing for one that means nothing here (audit log, paths).
pub(crate) fn read(words: &[String], data: Data<'_>) -> Result<Option<Directive>, String> {
    let name = words[0].to_ascii_lowercase();
    let first = words.get(1).map_or("", String::as_str);
    Ok(Some(match name.as_str() {
        "secrule" => rule(words, data)?,
        "secaction" => action(first)?,
        "secmarker" => Directive::Marker(first.to_owned()),
        "secdefaultaction" => Directive::Default(Box::new(Actions::parse(first)?)),
        "secruleremovebyid" => Directive::Remove(Which::ids(&words[1..].join(" "))?),
        "secruleremovebytag" => Directive::Remove(Which::Tag(first.to_owned())),
        "secruleremovebymsg" => Directive::Remove(Which::Message(first.to_owned())),
        "secruleupdatetargetbyid" => update(Which::ids(first)?, words)?,
        "secruleupdatetargetbytag" => update(Which::Tag(first.to_owned()), words)?,
        "secruleupdatetargetbymsg" => update(Which::Message(first.to_owned()), words)?,
        "secruleupdateactionbyid" => update_actions(words)?,
        _ => return knob(&name, first, words).map(|found| found.map(Directive::Set)),
    }))
}

fn rule(words: &[String], data: Data<'_>) -> Result<Directive, String> {
    let [_, targets, operator, rest @ ..] = words else {
        return Err("SecRule wants targets, an operator and actions".to_owned());
    };
    if rest.len() > 1 {
        return Err(format!("SecRule has a word too many: {:?}", rest[1]));
    }
    let actions = Actions::parse(rest.first().map_or("", String::as_str))?;
    let (operator, negated) = operators::parse(operator, data)?;
    let targets = target::parse(targets)?;
    Ok(Directive::Rule(Box::new(Written {
        at: (0, 0),
        targets,
        operator: Some(operator),
        negated,
        actions,
    })))
}

fn action(text: &str) -> Result<Directive, String> {
    let actions = Actions::parse(text)?;
    Ok(Directive::Rule(Box::new(Written {
        at: (0, 0),
        targets: Vec::new(),
        operator: None,
        negated: false,
        actions,
    })))
}

fn update(which: Which, words: &[String]) -> Result<Directive, String> {
    let text = words.get(2).ok_or("wants rules and targets")?;
    Ok(Directive::UpdateTargets(which, target::parse(text)?))
}

fn update_actions(words: &[String]) -> Result<Directive, String> {
    let [_, rule, text] = words else {
        return Err("wants a rule and actions".to_owned());
    };
    let (id, link) = rule.split_once(':').unwrap_or((rule, "0"));
    let id = id
        .parse()
        .map_err(|_| format!("not a rule number: {id:?}"))?;
    let link = link
        .parse()
        .map_err(|_| format!("not a link of a chain: {link:?}"))?;
    Ok(Directive::UpdateActions(
        id,
        link,
        Box::new(Actions::parse(text)?),
    ))
}

fn knob(name: &str, value: &str, words: &[String]) -> Result<Option<Knob>, String> {
    let size = || {
        value
            .parse::<usize>()
            .map_err(|_| format!("wants a number, not {value:?}"))
    };
    Ok(Some(match name {
        "secruleengine" => Knob::Engine(Mode::parse(value)?),
        "secrequestbodyaccess" => Knob::RequestBodyAccess(switch(value)?),
        "secresponsebodyaccess" => Knob::ResponseBodyAccess(switch(value)?),
        "secrequestbodylimit" => Knob::RequestBodyLimit(size()?),
        "secresponsebodylimit" => Knob::ResponseBodyLimit(size()?),
        "secrequestbodylimitaction" => {
            Knob::RejectLongBodies(!value.eq_ignore_ascii_case("processpartial"))
        }
        "secresponsebodymimetype" => Knob::ResponseTypes(
            words[1..]
                .iter()
                .map(|word| word.to_ascii_lowercase())
                .collect(),
        ),
        "secargumentslimit" => Knob::ArgumentsLimit(size()?),
        "secrequestbodyjsondepthlimit" => Knob::JsonDepth(size()?),
        "secargumentseparator" if value == "&" => return Ok(None),
        "secargumentseparator" => return Err("forms are read with & between arguments".to_owned()),
        "secparsexmlintoargs" if value.eq_ignore_ascii_case("off") => return Ok(None),
        "secparsexmlintoargs" => {
            return Err("XML makes no arguments here: write XML:/* beside ARGS".to_owned());
        }
        _ if IGNORED.contains(&name) => return Ok(None),
        _ => return Err(format!("unknown directive {}", words[0])),
    }))
}
