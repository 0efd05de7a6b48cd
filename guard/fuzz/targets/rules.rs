#![no_main]

#[path = "waf_entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::rules(bytes));
