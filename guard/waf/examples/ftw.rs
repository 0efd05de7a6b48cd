//! Runs a CRS regression corpus in process: `ftw RULES_FOLDER CASES.json`.
//!
//! The rules folder holds the set-up file first by name and the rules; the
//! cases are one JSON array of `{id, head..., body, expect, refuse}`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ostiary_waf::{
    Files, Mode, Plan, RequestHead, ResponseHead, RuleSet, Settings, Source, Transaction,
};
use serde_json::Value;

struct Folder(PathBuf);

impl Files for Folder {
    fn data(&self, _from: &str, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(path)).ok()
    }
    fn include(&self, _from: &str, _path: &str) -> Option<Vec<Source>> {
        None
    }
}

fn load(folder: &Path, paranoia: u8, mode: Mode) -> Arc<Plan> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    names.sort();
    names.retain(|name| name.extension().is_some_and(|kind| kind == "conf"));
    let source = |name: &PathBuf| {
        let short = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Source::new(short, std::fs::read_to_string(name).expect("text"))
    };
    let sources: Vec<Source> = names.iter().map(source).collect();
    let start = Instant::now();
    let rules = RuleSet::parse(&sources, &Folder(folder.to_owned())).unwrap_or_else(|faults| {
        for fault in &faults {
            eprintln!("{fault}");
        }
        panic!("{} faults", faults.len())
    });
    let settings = Settings {
        mode: Some(mode),
        paranoia: Some(paranoia),
        ..Settings::default()
    };
    let plan = Plan::compile(&rules, settings).expect("plan");
    let (words, gates, memory) = plan.gate_sizes();
    println!(
        "{} rules, {words} words, {gates} gates, {} KiB automaton, loaded in {:?}",
        plan.rules(),
        memory / 1024,
        start.elapsed()
    );
    plan
}

fn bytes(value: &Value) -> Vec<u8> {
    value
        .as_str()
        .unwrap_or_default()
        .chars()
        .map(|char| char as u8)
        .collect()
}

fn run(plan: &Arc<Plan>, case: &Value) -> Vec<u32> {
    let pairs = |name: &str| -> Vec<(Vec<u8>, Vec<u8>)> {
        let list = case[name].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|pair| (bytes(&pair[0]), bytes(&pair[1])))
            .collect()
    };
    let (headers, reply) = (pairs("headers"), pairs("reply_headers"));
    let borrow = |pairs: &'_ [(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> { pairs.to_vec() };
    let (headers, reply) = (borrow(&headers), borrow(&reply));
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let reply: Vec<(&[u8], &[u8])> = reply
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let (method, uri, protocol) = (
        bytes(&case["method"]),
        bytes(&case["uri"]),
        bytes(&case["protocol"]),
    );
    let mut transaction = Transaction::new(plan);
    let head = RequestHead {
        method: &method,
        uri: &uri,
        protocol: &protocol,
        headers: &headers,
        remote: "127.0.0.1",
        id: "ftw",
    };
    transaction.request_head(&head);
    transaction.request_body(&bytes(&case["body"]));
    let status = u16::try_from(case["reply_status"].as_u64().unwrap_or(200)).unwrap_or(200);
    transaction.response_head(&ResponseHead {
        status,
        protocol: b"HTTP/1.1",
        headers: &reply,
    });
    transaction.response_body(&bytes(&case["reply_body"]));
    transaction.verdict().rules()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, cases, ..] = arguments.as_slice() else {
        println!("SKIPPED: no corpus given; ftw RULES_FOLDER CASES.json");
        return;
    };
    let plan = load(Path::new(folder), 4, Mode::Shadow);
    let cases: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(cases).expect("cases")).expect("JSON");
    let start = Instant::now();
    let mut passed = 0;
    for case in &cases {
        let found = run(&plan, case);
        let ids = |name: &str| -> Vec<u32> {
            let list = case[name].as_array().cloned().unwrap_or_default();
            list.iter()
                .filter_map(Value::as_u64)
                .map(|id| u32::try_from(id).unwrap_or(0))
                .collect()
        };
        let missing: Vec<u32> = ids("expect")
            .into_iter()
            .filter(|id| !found.contains(id))
            .collect();
        let extra: Vec<u32> = ids("refuse")
            .into_iter()
            .filter(|id| found.contains(id))
            .collect();
        if missing.is_empty() && extra.is_empty() {
            passed += 1;
        } else {
            println!(
                "FAILED {} missing {missing:?} extra {extra:?}",
                case["id"].as_str().unwrap_or("?")
            );
        }
    }
    println!(
        "{passed} of {} passed in {:?}",
        cases.len(),
        start.elapsed()
    );
}
