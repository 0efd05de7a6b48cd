//! Microseconds a request with a rule set at paranoia 1: `waf_bench RULES_FOLDER`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ostiary_waf::{Files, Mode, Plan, RequestHead, RuleSet, Settings, Source, Transaction};

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
    text.split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok())
        .unwrap_or(0)
        * 4
}

fn load(folder: &Path) -> Arc<Plan> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    names.retain(|name| name.extension().is_some_and(|kind| kind == "conf"));
    names.sort();
    let sources: Vec<Source> = names
        .iter()
        .map(|name| {
            Source::new(
                name.to_string_lossy(),
                std::fs::read_to_string(name).expect("text"),
            )
        })
        .collect();
    let start = Instant::now();
    let rules = RuleSet::parse(&sources, &Folder(folder.to_owned())).expect("rules");
    let settings = Settings {
        mode: Some(Mode::Block),
        paranoia: Some(1),
        ..Settings::default()
    };
    let plan = Plan::compile(&rules, settings).expect("plan");
    println!("{} rules loaded in {:?}", plan.rules(), start.elapsed());
    plan
}

fn json() -> String {
    let item = |index: usize| {
        format!(
            r#"{{"id":{index},"name":"Item number {index}","price":{index}.95,"tags":["new","blue"],"text":"A fine thing, well made; ask for it"}}"#
        )
    };
    let items: Vec<String> = (0..17).map(item).collect();
    format!(r#"{{"order":"A-1001","items":[{}]}}"#, items.join(","))
}

fn measure(plan: &Arc<Plan>, name: &str, method: &str, uri: &str, kind: &str, body: &str) {
    let headers: [(&[u8], &[u8]); 10] = [
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
        (
            b"Cookie",
            b"sid=0a1b2c3d4e5f60718293a4b5c6d7e8f9; theme=dark; seen=1732492800",
        ),
        (b"Content-Type", kind.as_bytes()),
        (b"Content-Length", b"900"),
        (b"X-Request-Id", b"7f0c2a52-0d6e-4bd3-8f0e-2f5f5ad0a0f1"),
    ];
    let headers = if body.is_empty() {
        [&headers[..7], &headers[9..]].concat()
    } else {
        headers.to_vec()
    };
    let head = RequestHead {
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        remote: "192.0.2.7",
        id: "bench",
    };
    let once = || {
        let mut transaction = Transaction::new(plan);
        transaction.request_head(&head);
        transaction.request_body(body.as_bytes());
        transaction
    };
    for _ in 0..200 {
        once();
    }
    let outcome = once().verdict();
    let rounds = 2000;
    let start = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(once());
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
    println!(
        "{name}: {micros:.1} us, stopped {}, rules {:?}",
        outcome.interrupted,
        outcome.rules()
    );
}

fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        println!("SKIPPED: no rules given; waf_bench RULES_FOLDER");
        return;
    };
    let before = resident();
    let plan = load(Path::new(&folder));
    let field = |index: usize| {
        format!(
            "field{index}=Some+text+that+people+write%2C+with+a+comma+and+an+end.+Number+{index}"
        )
    };
    let form = (0..11).map(field).collect::<Vec<_>>().join("&");
    measure(
        &plan,
        "GET",
        "GET",
        "/things/42?page=2&sort=date&q=blue+chair",
        "text/plain",
        "",
    );
    measure(
        &plan,
        "JSON",
        "POST",
        "/orders",
        "application/json",
        &json(),
    );
    measure(
        &plan,
        "form",
        "POST",
        "/contact",
        "application/x-www-form-urlencoded",
        &form,
    );
    let attack = "/things?id=1%20UNION%20SELECT%20user,password%20FROM%20users--";
    measure(&plan, "attack", "GET", attack, "text/plain", "");
    println!(
        "memory: {} KiB more than before loading",
        resident() - before
    );
}
