//! Microseconds a request with a rule set at paranoia 1: `waf_bench RULES_FOLDER [CASE]`.
//!
//! "seen" asks the same request again and again; "fresh" changes what differs from visitor to
//! visitor (cookies, arguments, texts), and the headers of a browser stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ostiary_waf::{
    Files, Mode, Plan, RequestHead, ResponseHead, RuleSet, Settings, Source, Transaction,
};

/// Processor time of a batch in nanoseconds.
const BATCH: f64 = 100e6;

struct Folder(PathBuf);

impl Files for Folder {
    fn data(&self, _from: &str, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(path)).ok()
    }
    fn include(&self, _from: &str, _path: &str) -> Option<Vec<Source>> {
        None
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0usize) * 4
}

fn load(folder: &Path) -> Arc<Plan> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    names.retain(|name| name.extension().is_some_and(|kind| kind == "conf"));
    names.sort();
    let source = |name: &PathBuf| {
        let text = std::fs::read_to_string(name).expect("text");
        Source::new(name.to_string_lossy(), text)
    };
    let sources: Vec<Source> = names.iter().map(source).collect();
    let start = Instant::now();
    let rules = RuleSet::parse(&sources, &Folder(folder.to_owned())).expect("rules");
    let settings = Settings {
        mode: Some(Mode::Block),
        paranoia: Some(1),
        ..Settings::default()
    };
    let plan = Plan::compile(&rules, settings).expect("plan");
    let took = start.elapsed().as_secs_f64() * 1e3;
    let (words, gates, memory) = plan.gate_sizes();
    let (count, memory) = (plan.rules(), memory / 1024);
    println!("{count} rules, {words} words, {gates} gates, {memory} KiB automata: {took:.0} ms");
    plan
}

/// What one request is made of; `n` tells visitors apart.
struct Case {
    name: &'static str,
    method: &'static str,
    uri: fn(usize) -> String,
    kind: &'static str,
    body: fn(usize) -> String,
}

fn nothing(_: usize) -> String {
    String::new()
}

fn json(n: usize) -> String {
    let item = |index: usize| {
        let id = n * 31 + index;
        format!(
            r#"{{"id":{id},"name":"Item number {id}","price":{id}.95,"tags":["new","b{n}"],"text":"A fine thing {id}, well made; ask for it"}}"#
        )
    };
    let items: Vec<String> = (0..17).map(item).collect();
    format!(r#"{{"order":"A-{n}","items":[{}]}}"#, items.join(","))
}

fn leaves(n: usize) -> String {
    let leaf = |index: usize| format!(r#""key{index}":"v {n}-{index} it's"#);
    let leaves: Vec<String> = (0..900).map(leaf).collect();
    format!("{{{}\"}}", leaves.join("\","))
}

fn form(n: usize) -> String {
    let field = |index: usize| {
        format!(
            "field{index}=Some+text+that+people+write%2C+with+a+comma+and+an+end.+Number+{n}{index}"
        )
    };
    (0..11).map(field).collect::<Vec<_>>().join("&")
}

fn one_field(n: usize) -> String {
    format!(
        "text={}",
        format!("word%20{n}+of+a+long+text%2C+").repeat(3600)
    )
}

/// Begins of attacks without their ends: they open the gates of most rules and match few.
fn soup(n: usize) -> String {
    let words = "select union from where sleep exec system eval base64 script onload style href src \
        javascript import passwd etc cat wget curl bash sh id ls php http file data expression \
        concat char insert update delete drop table information_schema version benchmark waitfor \
        java runtime process class lang proto constructor require child cmd powershell set echo";
    let mut out = String::from("q=");
    let mut seed = n + 1;
    while out.len() < 100_000 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_013_904_223);
        let word = words
            .split_whitespace()
            .nth((seed >> 33) % 60)
            .unwrap_or("x");
        let mark = b" .,-_;'\"(<=/*|$#@!\\`{"[(seed >> 43) % 21];
        out.extend([word, &format!("%{mark:02x}")]);
    }
    out
}

fn shop(_: usize) -> String {
    "/orders".to_owned()
}

const CASES: [Case; 7] = [
    Case {
        name: "GET",
        method: "GET",
        uri: |n| format!("/things/{n}?page={}&sort=date&q=blue+chair+{n}", n % 9),
        kind: "",
        body: nothing,
    },
    Case {
        name: "JSON 2 KB, 104 leaves",
        method: "POST",
        uri: shop,
        kind: "application/json",
        body: json,
    },
    Case {
        name: "form 0.9 KB, 11 fields",
        method: "POST",
        uri: shop,
        kind: "application/x-www-form-urlencoded",
        body: form,
    },
    Case {
        name: "attack",
        method: "GET",
        uri: |n| format!("/things?n={n}&id=1%20UNION%20SELECT%20user,password%20FROM%20users--"),
        kind: "",
        body: nothing,
    },
    Case {
        name: "JSON 27 KB, 900 leaves",
        method: "POST",
        uri: shop,
        kind: "application/json",
        body: leaves,
    },
    Case {
        name: "form 97 KB, one field",
        method: "POST",
        uri: shop,
        kind: "application/x-www-form-urlencoded",
        body: one_field,
    },
    Case {
        name: "soup of 100 KB",
        method: "POST",
        uri: shop,
        kind: "application/x-www-form-urlencoded",
        body: soup,
    },
];

fn ask(plan: &Arc<Plan>, case: &Case, n: usize) -> Transaction {
    let (uri, body) = ((case.uri)(n), (case.body)(n));
    let cookie = format!("sid=0a1b2c3d4e5f60718293a4b5c6d7{n:04}; theme=dark; seen=17324{n:05}");
    let length = body.len().to_string();
    let id = format!("7f0c2a52-0d6e-4bd3-8f0e-2f5f5ad0{n:04}");
    let mut headers: Vec<(&[u8], &[u8])> = vec![
        (b"Host", b"shop.example.com"),
        (
            b"User-Agent",
            b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        (
            b"Accept",
            b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        (b"Accept-Language", b"en-GB,en;q=0.7,de;q=0.3"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Referer", b"https://shop.example.com/things?page=2"),
        (b"Cookie", cookie.as_bytes()),
        (b"X-Request-Id", id.as_bytes()),
    ];
    if !body.is_empty() {
        headers.push((b"Content-Type", case.kind.as_bytes()));
        headers.push((b"Content-Length", length.as_bytes()));
    }
    let mut transaction = Transaction::new(plan);
    transaction.request_head(&RequestHead {
        method: case.method.as_bytes(),
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        remote: "192.0.2.7",
        id: &id,
    });
    transaction.request_body(body.as_bytes());
    transaction
}

/// Nanoseconds this thread was on a processor.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0.0)
}

/// Mean microseconds of processor time a round takes in the best of five batches: other work on
/// the machine disturbs that least.
fn time(mut round: impl FnMut(usize)) -> f64 {
    let mut batch = || {
        let (start, mut count) = (cpu(), 0u16);
        while cpu() - start < BATCH {
            for _ in 0..10 {
                round(usize::from(count) % 5000);
                count += 1;
            }
        }
        (cpu() - start) / 1e3 / f64::from(count)
    };
    (0..5).map(|_| batch()).fold(f64::MAX, f64::min)
}

fn measure(plan: &Arc<Plan>, case: &Case) {
    let verdict = ask(plan, case, 1).verdict();
    let cold = verdict.work;
    let rules = verdict.rules();
    for n in 0..20 {
        ask(plan, case, n);
    }
    let work = ask(plan, case, 700).verdict().work;
    let make = |n: usize| drop(std::hint::black_box(((case.uri)(n), (case.body)(n))));
    let making = time(make);
    let seen = time(|_| drop(ask(plan, case, 1)));
    let fresh = time(|n| drop(ask(plan, case, 100 + n)));
    let (seen, fresh) = (seen - making, fresh - making);
    println!(
        "{}: fresh {fresh:.1} us, seen {seen:.1} us, {work} units (cold {cold}), rules {rules:?}",
        case.name
    );
}

fn respond(plan: &Arc<Plan>) {
    let row = |n: usize| {
        format!(
            "<tr class=\"row\"><td>{n}</td><td><a href=\"/things/{n}\">Thing number {n}</a></td><td>It is a fine thing, made of wood &amp; steel.</td></tr>\n"
        )
    };
    let page: String = (0..180).map(row).collect();
    let page = format!("<!doctype html><html><body><table>{page}</table></body></html>");
    let headers: [(&[u8], &[u8]); 2] = [(b"content-type", b"text/html"), (b"server", b"notes")];
    let mut rules = Vec::new();
    let asking = time(|n| drop(ask(plan, &CASES[0], n)));
    let both = time(|n| {
        let mut transaction = ask(plan, &CASES[0], n);
        transaction.response_head(&ResponseHead {
            status: 200,
            protocol: b"HTTP/1.1",
            headers: &headers,
        });
        transaction.response_body(page.as_bytes());
        rules = transaction.verdict().rules();
    });
    let (micros, size) = (both - asking, page.len() / 1024);
    println!("response {size} KB HTML: {micros:.1} us, rules {rules:?}");
}

fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        println!("SKIPPED: no rules given; waf_bench RULES_FOLDER");
        return;
    };
    let before = resident();
    let plan = load(Path::new(&folder));
    let only = std::env::args().nth(2).unwrap_or_default();
    for case in CASES.iter().filter(|case| case.name.contains(&only)) {
        measure(&plan, case);
    }
    if "response".contains(&only) {
        respond(&plan);
    }
    println!("memory: {} KiB more than before", resident() - before);
}
