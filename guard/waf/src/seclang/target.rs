//! The first word of a rule: what it looks at.

use std::fmt;

use super::variable::Variable;
use crate::operators::pattern::Pattern;

/// Which members of a collection are meant.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    All,
    /// A name in lower case.
    Name(Box<[u8]>),
    Like(Pattern),
}

/// A variable with its selector; counted or excluded.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub variable: Variable,
    pub selector: Selector,
    pub count: bool,
    pub exclude: bool,
    /// Where a stored value of this name is.
    pub slot: Option<u32>,
}

impl Selector {
    /// Whether a member of this name is meant.
    pub fn admits(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Name(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Like(pattern) => pattern.is_match(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.variable.name())?;
        match &self.selector {
            Selector::All => Ok(()),
            Selector::Name(name) => write!(out, ":{}", String::from_utf8_lossy(name)),
            Selector::Like(_) => out.write_str(":/…/"),
        }
    }
}

impl Target {
    /// Whether an exclusion of this target covers that variable's member.
    pub fn covers(&self, variable: Variable, name: &[u8]) -> bool {
        self.reaches(variable) && self.selector.admits(name)
    }

    /// Whether the variable's values are among those of the target's variable.
    pub fn reaches(&self, variable: Variable) -> bool {
        self.variable == variable || self.variable.parts().contains(&variable)
    }
}

/// Read `A|!B:name|&C:/re/`.
pub(crate) fn parse(text: &str) -> Result<Vec<Target>, String> {
    pieces(text)
        .into_iter()
        .map(|piece| one(piece.trim()))
        .collect()
}

/// Split at `|` and `,` outside of `/…/` and quotes.
fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut inside, mut before) = (0, None, ' ');
    for (at, char) in text.char_indices() {
        match (char, inside) {
            ('/', None)
                if (before == ':' && !text[start..at].ends_with("XML:"))
                    || (before == '\'' && text[start..at].ends_with(":'")) =>
            {
                inside = Some('/');
            }
            ('/', Some('/')) if before != '\\' => inside = None,
            ('|' | ',', None) => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = char;
    }
    found.push(&text[start..]);
    found.retain(|piece| !piece.trim().is_empty());
    found
}

/// Read one target.
pub(crate) fn one(text: &str) -> Result<Target, String> {
    let (exclude, text) = text
        .strip_prefix('!')
        .map_or((false, text), |rest| (true, rest));
    let (count, text) = text
        .strip_prefix('&')
        .map_or((false, text), |rest| (true, rest));
    let (name, selector) = match text.split_once([':', '.']) {
        Some((name, selector)) => (name, Some(selector.trim())),
        None => (text, None),
    };
    let variable = Variable::find(name.trim()).ok_or_else(|| format!("unknown variable {name}"))?;
    let (variable, selector) = if variable == Variable::Xml {
        (xml(selector)?, None)
    } else {
        (variable, selector)
    };
    Ok(Target {
        variable,
        selector: select(selector)?,
        count,
        exclude,
        slot: None,
    })
}

fn xml(selector: Option<&str>) -> Result<Variable, String> {
    match selector {
        None | Some("/*" | "//*") => Ok(Variable::Xml),
        Some("//@*") => Ok(Variable::XmlAttributes),
        Some(other) => Err(format!(
            "XML:{other} is not supported; XML:/* and XML://@* are"
        )),
    }
}

fn select(text: Option<&str>) -> Result<Selector, String> {
    let Some(text) = text else {
        return Ok(Selector::All);
    };
    let text = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or(text);
    let like = text
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
        .filter(|rest| !rest.is_empty());
    match like {
        Some(pattern) => Ok(Selector::Like(Pattern::compile(&format!("(?i){pattern}"))?)),
        None => Ok(Selector::Name(
            text.to_ascii_lowercase().into_bytes().into_boxed_slice(),
        )),
    }
}
