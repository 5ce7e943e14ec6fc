//! Runs the body of a fuzz target on pseudo-random inputs, without libFuzzer: more executions per second,
//! on stable Rust. `differential <target> <executions> <seed>`; prints how often each outcome occurred and
//! stops with a panic, after naming the input, at the first disagreement.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use libtoken_fuzz::{ed25519, p256, rsa};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, executions, seed] = &arguments[..] else { return usage() };
    let (Ok(executions), Ok(seed)) = (executions.parse(), seed.parse()) else { return usage() };
    match target.as_str() {
        "ed25519" => run(executions, seed, |data| format!("{:?}", ed25519::run(data))),
        "p256" => run(executions, seed, |data| format!("{:?}", p256::run(data))),
        "rsa" => run(executions, seed, |data| format!("{:?}", rsa::run(data))),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: differential <ed25519|p256|rsa> <executions> <seed>");
    ExitCode::FAILURE
}

fn run(executions: u64, seed: u64, body: impl Fn(&[u8]) -> String + std::panic::RefUnwindSafe) {
    let start = Instant::now();
    let mut random = SplitMix64(seed);
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for execution in 0..executions {
        let data: Vec<u8> = (0..40).flat_map(|_| random.next().to_le_bytes()).collect();
        match std::panic::catch_unwind(|| body(&data)) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(panic) => {
                eprintln!("execution {execution} of seed {seed}: {data:02x?}");
                std::panic::resume_unwind(panic);
            }
        }
        if (execution + 1) % (executions / 20).max(1) == 0 {
            println!("{} executions, {:.0} s: {outcomes:?}", execution + 1, start.elapsed().as_secs_f64());
        }
    }
    println!("{executions} executions with seed {seed}, no disagreement: {outcomes:?}");
}

/// Steele, Lea and Flood's generator (2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
