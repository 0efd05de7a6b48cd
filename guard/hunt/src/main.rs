//! Mutates bytes that are right and looks for a reader that panics, hangs, or breaks its word.
//!
//! `hunt SECONDS [SEED]`: the time is shared by all targets. It ends with 1 at the first find, and
//! leaves the bytes in `hunt-TARGET.bin`. The fuzzers of `fuzz/` are led by coverage and find more,
//! but need nightly Rust; this runs wherever the guard is built.

mod mutate;
mod targets;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mutate::{Dice, mutate};
use targets::{ALL, Target};

/// No input may keep a reader busy for longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(5);
/// Inputs that are kept to go on from, beside the seeds.
const KEPT: usize = 256;

fn main() -> ExitCode {
    let mut told = std::env::args().skip(1).filter_map(|one| one.parse().ok());
    let seconds = told.next().unwrap_or(60);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = told.next().unwrap_or(since.map_or(1, |one| one.as_secs()));
    println!("hunt: {seconds} s, seed {seed}");
    let each = Duration::from_secs(seconds) / u32::try_from(ALL.len()).unwrap_or(1);
    for target in &ALL {
        let begun = Instant::now();
        match hunt(target, &mut Dice::new(seed), begun + each) {
            Ok(count) => println!("{}: {count} inputs", target.name),
            Err(input) => {
                let file = format!("hunt-{}.bin", target.name);
                let kept = std::fs::write(&file, &input);
                eprintln!("{}: FOUND, {file} ({kept:?}), seed {seed}", target.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// How many inputs did no harm, or the first that did.
fn hunt(target: &'static Target, dice: &mut Dice, end: Instant) -> Result<usize, Vec<u8>> {
    let mut pool = (target.seeds)();
    let seeds = pool.len();
    let mut count = 0;
    while Instant::now() < end {
        let input = if count < seeds {
            pool[count].clone()
        } else {
            let (one, other) = (dice.below(pool.len()), dice.below(pool.len()));
            mutate(&pool[one], &pool[other], dice)
        };
        let begun = Instant::now();
        let fine = catch_unwind(|| (target.run)(&input)).is_ok();
        if !fine || begun.elapsed() > LONGEST {
            return Err(input);
        }
        count += 1;
        if pool.len() < seeds + KEPT {
            pool.push(input);
        } else if dice.below(8) == 0 {
            let at = seeds + dice.below(KEPT);
            pool[at] = input;
        }
    }
    Ok(count)
}
