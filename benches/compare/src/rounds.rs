//! The measurement: each round runs every case of a group for a slice of time, in an order that changes from
//! round to round, so that what disturbs the machine disturbs all cases alike. The median of the rounds counts.

use crate::{allocations, cpu_time};

/// What a case is compared as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Written in Rust, in this process.
    Rust,
    /// In another process.
    Other,
    /// In another process, where it finds the token among those it has verified before.
    OtherCacheHit,
}

/// One validator on one token.
pub struct Case<'t> {
    /// Its name.
    pub name: String,
    /// What it is compared as.
    pub kind: Kind,
    /// Verifies that many times and returns the nanoseconds of CPU time that it took.
    pub run: Box<dyn FnMut(u64) -> u64 + 't>,
}

/// Cases that are compared with the first of them.
pub struct Group<'t> {
    /// Its name.
    pub name: String,
    /// The cases; the first is libtoken's, or what it uses.
    pub cases: Vec<Case<'t>>,
}

/// What was measured of a case, per verification.
pub struct Measured {
    /// The case's name.
    pub name: String,
    /// What it is compared as.
    pub kind: Kind,
    /// Median of the rounds, in nanoseconds.
    pub median: f64,
    /// First and third quartile, in nanoseconds.
    pub quartiles: (f64, f64),
    /// Allocations, where they can be counted.
    pub allocations: Option<f64>,
}

/// A measured group.
pub struct MeasuredGroup {
    /// Its name.
    pub name: String,
    /// In the order of the group.
    pub cases: Vec<Measured>,
}

/// Length of a slice, in nanoseconds.
const SLICE: u64 = 4_000_000;

/// Verifications over which allocations are counted.
const COUNTED: u64 = 64;

impl<'t> Case<'t> {
    /// A case in this process: `verify` is called again and again and must assert its result.
    pub fn new(name: impl Into<String>, mut verify: impl FnMut() + 't) -> Case<'t> {
        let run = move |times| {
            let start = cpu_time::nanoseconds();
            for _ in 0..times {
                verify();
            }
            cpu_time::nanoseconds() - start
        };
        Case { name: name.into(), kind: Kind::Rust, run: Box::new(run) }
    }
}

impl<'t> Group<'t> {
    /// A group without cases.
    pub fn new(name: impl Into<String>) -> Group<'t> {
        Group { name: name.into(), cases: Vec::new() }
    }

    /// Adds a case.
    pub fn add(&mut self, case: Case<'t>) {
        self.cases.push(case);
    }
}

/// Measures a group in that many rounds.
pub fn measure(mut group: Group<'_>, rounds: usize) -> MeasuredGroup {
    let times: Vec<u64> = group.cases.iter_mut().map(|case| calibrate(&mut case.run)).collect();
    let allocations: Vec<Option<f64>> = group.cases.iter_mut().map(count_allocations).collect();
    let count = group.cases.len();
    let mut samples = vec![Vec::with_capacity(rounds); count];
    for round in 0..rounds {
        for step in 0..count {
            // Every other round runs backwards, and each starts at another case.
            let step = if round % 2 == 0 { step } else { count - 1 - step };
            let place = (step + round / 2) % count;
            let nanoseconds = (group.cases[place].run)(times[place]);
            samples[place].push(nanoseconds as f64 / times[place] as f64);
        }
    }
    let cases = group.cases.into_iter().zip(samples).zip(allocations);
    let cases = cases.map(|((case, mut samples), allocations)| {
        samples.sort_by(f64::total_cmp);
        let at = |part: usize| samples[(samples.len() - 1) * part / 4];
        Measured { name: case.name, kind: case.kind, median: at(2), quartiles: (at(1), at(3)), allocations }
    });
    MeasuredGroup { name: group.name, cases: cases.collect() }
}

/// How many verifications fill a slice, after some that warm caches and compilers up.
fn calibrate(run: &mut dyn FnMut(u64) -> u64) -> u64 {
    let mut times = 1;
    loop {
        let nanoseconds = run(times);
        if nanoseconds >= SLICE {
            return (times * SLICE / nanoseconds).max(1);
        }
        times *= 2;
    }
}

fn count_allocations(case: &mut Case<'_>) -> Option<f64> {
    if case.kind != Kind::Rust {
        return None;
    }
    let before = allocations::count()?;
    (case.run)(COUNTED);
    Some((allocations::count()? - before) as f64 / COUNTED as f64)
}
