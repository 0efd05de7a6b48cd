//! Texts in `SecLang`, read into directives in their order.

pub(crate) mod action;
pub(crate) mod ctl;
mod directive;
pub mod files;
mod lines;
pub(crate) mod target;
pub(crate) mod template;
pub(crate) mod variable;

use std::fmt;

use crate::operators::Operator;
use action::Actions;
use ctl::Which;
use files::{Files, Source};
use target::Target;

/// What is wrong with a rule file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name.
    pub file: String,
    /// The line the directive starts at, from 1.
    pub line: usize,
    /// What is wrong, in words.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// A rule as it is written; `SecAction` has no operator.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub at: (usize, usize),
    pub targets: Vec<Target>,
    pub operator: Option<Operator>,
    pub negated: bool,
    pub actions: Actions,
}

/// A directive that rules or the plan need.
#[derive(Clone, Debug)]
pub(crate) enum Directive {
    Rule(Box<Written>),
    Marker(String),
    Default(Box<Actions>),
    Remove(Which),
    UpdateTargets(Which, Vec<Target>),
    UpdateActions(u32, usize, Box<Actions>),
    Set(Knob),
}

/// A setting of the engine in a rule file.
#[derive(Clone, Debug)]
pub(crate) enum Knob {
    Engine(crate::plan::settings::Mode),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
    RequestBodyLimit(usize),
    ResponseBodyLimit(usize),
    RejectLongBodies(bool),
    ResponseTypes(Vec<String>),
    ArgumentsLimit(usize),
    JsonDepth(usize),
}

/// Rules that were read without a fault.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub(crate) files: Vec<String>,
    pub(crate) directives: Vec<(Directive, (usize, usize))>,
}

/// How deep `Include` may go.
const DEPTH: usize = 8;

impl RuleSet {
    /// Read the sources in their order; all faults of all files are returned together.
    pub fn parse(sources: &[Source], files: &dyn Files) -> Result<Self, Vec<Fault>> {
        let mut set = Self::default();
        let mut faults = Vec::new();
        for source in sources {
            set.read(source, files, &mut faults, 0);
        }
        if faults.is_empty() {
            Ok(set)
        } else {
            Err(faults)
        }
    }

    /// How many rules there are, links of chains included.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.directives
            .iter()
            .filter(|(directive, _)| matches!(directive, Directive::Rule(_)))
            .count()
    }

    fn read(&mut self, source: &Source, files: &dyn Files, faults: &mut Vec<Fault>, depth: usize) {
        let file = self.files.len();
        self.files.push(source.name.clone());
        let fault = |line, message| Fault {
            file: source.name.clone(),
            line,
            message,
        };
        let lines = match lines::split(&source.text) {
            Ok(lines) => lines,
            Err((line, message)) => return faults.push(fault(line, message)),
        };
        for line in lines {
            if line.words[0].eq_ignore_ascii_case("include") {
                let path = line.words.get(1).map_or("", String::as_str);
                match files.include(&source.name, path) {
                    Some(included) if depth < DEPTH => {
                        for source in &included {
                            self.read(source, files, faults, depth + 1);
                        }
                    }
                    Some(_) => faults.push(fault(
                        line.number,
                        format!("Include goes deeper than {DEPTH}"),
                    )),
                    None => faults.push(fault(line.number, format!("no file {path}"))),
                }
                continue;
            }
            let data = |path: &str| files.data(&source.name, path);
            match directive::read(&line.words, &data) {
                Ok(Some(mut directive)) => {
                    if let Directive::Rule(rule) = &mut directive {
                        rule.at = (file, line.number);
                    }
                    self.directives.push((directive, (file, line.number)));
                }
                Ok(None) => {}
                Err(message) => faults.push(fault(line.number, message)),
            }
        }
    }

    /// A fault at a place of this set.
    pub(crate) fn fault(&self, at: (usize, usize), message: impl Into<String>) -> Fault {
        Fault {
            file: self.files[at.0].clone(),
            line: at.1,
            message: message.into(),
        }
    }
}
