//! What a rule compares a value with.

mod check;
pub(crate) mod class;
mod dialect;
pub(crate) mod meter;
mod network;
pub(crate) mod pattern;

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use crate::injection;
use crate::seclang::template::Template;
use class::Class;
use meter::Meter;
use network::Network;
use pattern::{Answer, Pattern};

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    AtLeast,
    Greater,
    AtMost,
    Less,
}

/// How a text contains another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Same,
    Contains,
    Word,
    Begins,
    Ends,
    Within,
}

/// Phrases found in any case.
#[derive(Clone, Debug)]
pub(crate) struct Phrases {
    pub words: Arc<[Box<[u8]>]>,
    pub automaton: Arc<AhoCorasick>,
}

/// The operator of a rule.
#[derive(Clone, Debug)]
pub(crate) enum Operator {
    Pattern(Pattern),
    Phrases(Phrases),
    Number(Order, Template),
    Text(Relation, Template),
    Networks(Arc<[Network]>),
    Bytes(Class),
    UrlEncoding,
    Utf8Encoding,
    Sqli,
    Xss,
    Always,
    Never,
}

/// What a test costs beside its bytes.
const TEST: u64 = 32;

/// What a capturing rule keeps: the match and its groups.
pub(crate) type Groups = Vec<Option<Vec<u8>>>;

type Data<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Read the second word of a rule; whether it is negated.
pub(crate) fn parse(text: &str, data: Data<'_>) -> Result<(Operator, bool), String> {
    let text = text.trim_start();
    let (negated, text) = text
        .strip_prefix('!')
        .map_or((false, text), |rest| (true, rest.trim_start()));
    let Some(named) = text.strip_prefix('@') else {
        return Ok((Operator::Pattern(Pattern::compile(text)?), negated));
    };
    let (name, argument) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
    Ok((
        named_operator(&name.to_ascii_lowercase(), argument.trim_start(), data)?,
        negated,
    ))
}

fn named_operator(name: &str, argument: &str, data: Data<'_>) -> Result<Operator, String> {
    let number =
        |order| Template::parse(argument.trim()).map(|value| Operator::Number(order, value));
    let text = |relation| Template::parse(argument).map(|value| Operator::Text(relation, value));
    match name {
        "rx" => Ok(Operator::Pattern(Pattern::compile(argument.trim_end())?)),
        "pm" => phrases(
            argument
                .split_whitespace()
                .map(|word| word.as_bytes().into())
                .collect(),
        ),
        "pmf" | "pmfromfile" => from_files(argument, data),
        "eq" => number(Order::Equal),
        "ge" => number(Order::AtLeast),
        "gt" => number(Order::Greater),
        "le" => number(Order::AtMost),
        "lt" => number(Order::Less),
        "streq" => text(Relation::Same),
        "contains" | "strmatch" => text(Relation::Contains),
        "containsword" => text(Relation::Word),
        "beginswith" => text(Relation::Begins),
        "endswith" => text(Relation::Ends),
        "within" => text(Relation::Within),
        "ipmatch" => Ok(Operator::Networks(network::parse(argument)?.into())),
        "ipmatchf" | "ipmatchfromfile" => {
            let bytes = data(argument.trim()).ok_or_else(|| gone(argument))?;
            Ok(Operator::Networks(
                network::parse(&String::from_utf8_lossy(&bytes))?.into(),
            ))
        }
        "validatebyterange" => ranges(argument).map(Operator::Bytes),
        "validateurlencoding" => Ok(Operator::UrlEncoding),
        "validateutf8encoding" => Ok(Operator::Utf8Encoding),
        "detectsqli" => Ok(Operator::Sqli),
        "detectxss" => Ok(Operator::Xss),
        "unconditionalmatch" => Ok(Operator::Always),
        "nomatch" | "rbl" | "geolookup" => Ok(Operator::Never),
        _ => Err(format!("unknown operator @{name}")),
    }
}

fn gone(path: &str) -> String {
    format!("the file {path} is not beside this file of rules")
}

fn phrases(words: Vec<Box<[u8]>>) -> Result<Operator, String> {
    let automaton = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(&words)
        .map_err(|fault| fault.to_string())?;
    Ok(Operator::Phrases(Phrases {
        words: words.into(),
        automaton: Arc::new(automaton),
    }))
}

fn from_files(argument: &str, data: Data<'_>) -> Result<Operator, String> {
    let mut words = Vec::new();
    for path in argument.split_whitespace() {
        let bytes = data(path).ok_or_else(|| gone(path))?;
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        words.extend(
            lines
                .filter(|line| !line.is_empty() && line[0] != b'#')
                .map(Into::into),
        );
    }
    phrases(words)
}

/// Read `9,32-126`: the bytes that are allowed.
fn ranges(argument: &str) -> Result<Class, String> {
    let mut class = Class::default();
    for piece in argument.split(',').map(str::trim) {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let byte = |text: &str| {
            text.trim()
                .parse::<u8>()
                .map_err(|_| format!("not a byte: {text:?}"))
        };
        class = class.with_range(byte(first)?, byte(last)?);
    }
    Ok(class)
}

impl Operator {
    /// Whether the operator holds for a value, and what a capturing rule keeps where that is known
    /// with it; `argument` is the operator's text with all `%{…}` looked up.
    pub fn test(
        &self,
        value: &[u8],
        argument: &[u8],
        meter: &mut Meter,
    ) -> (Answer, Option<Groups>) {
        meter.spend(TEST + value.len() as u64 * self.weight());
        if meter.is_empty() {
            return (Answer::Uncertain, None);
        }
        let holds = match self {
            Self::Pattern(pattern) => return (pattern.test(value, meter), None),
            Self::Phrases(phrases) => phrases.automaton.is_match(value),
            Self::Number(order, _) => order.holds(integer(value), integer(argument)),
            Self::Text(relation, _) => relation.holds(value, argument),
            Self::Networks(networks) => network::contains(networks, value),
            Self::Bytes(allowed) => value.iter().any(|byte| !allowed.has(*byte)),
            Self::UrlEncoding => check::bad_url_encoding(value),
            Self::Utf8Encoding => check::bad_utf8(value),
            Self::Sqli => {
                return match injection::sqli(value, meter) {
                    Ok(None) => (Answer::No, None),
                    Ok(found) => (Answer::Yes, Some(vec![found])),
                    Err(_) => (Answer::Uncertain, None),
                };
            }
            Self::Xss => injection::xss(value),
            Self::Always => true,
            Self::Never => false,
        };
        (if holds { Answer::Yes } else { Answer::No }, None)
    }

    /// What looking at a byte costs; a pattern counts by itself.
    fn weight(&self) -> u64 {
        match self {
            Self::Xss => 16,
            Self::Sqli | Self::Phrases(_) => 4,
            Self::Pattern(_) | Self::Always | Self::Never => 0,
            _ => 1,
        }
    }

    /// What a capturing rule keeps: the match and its groups.
    pub fn groups(&self, value: &[u8], meter: &mut Meter) -> Groups {
        match self {
            Self::Pattern(pattern) => pattern.groups(value, meter),
            Self::Phrases(phrases) => {
                meter.spend(value.len() as u64 * self.weight());
                let found = phrases.automaton.find(value);
                found
                    .map(|found| vec![Some(value[found.range()].to_vec())])
                    .unwrap_or_default()
            }
            _ => vec![Some(value.to_vec())],
        }
    }

    /// The operator's text, when it has one with something to look up.
    pub fn argument(&self) -> Option<&Template> {
        match self {
            Self::Number(_, template) | Self::Text(_, template) => Some(template),
            _ => None,
        }
    }
}

impl Order {
    fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::AtLeast => left >= right,
            Self::Greater => left > right,
            Self::AtMost => left <= right,
            Self::Less => left < right,
        }
    }
}

impl Relation {
    fn holds(self, value: &[u8], argument: &[u8]) -> bool {
        match self {
            Self::Same => value == argument,
            Self::Contains => memchr::memmem::find(value, argument).is_some(),
            Self::Begins => value.starts_with(argument),
            Self::Ends => value.ends_with(argument),
            Self::Within => memchr::memmem::find(argument, value).is_some(),
            Self::Word => memchr::memmem::find_iter(value, argument).any(|at| {
                let free = |byte: Option<&u8>| {
                    byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
                };
                free(at.checked_sub(1).and_then(|before| value.get(before)))
                    && free(value.get(at + argument.len()))
            }),
        }
    }
}

/// The number a text begins with, as C reads it; zero when there is none.
pub(crate) fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text.first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    sign * digits.fold(0i64, |sum, byte| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(byte - b'0'))
    })
}
