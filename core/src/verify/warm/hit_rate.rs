//! How often the warm table helps, on made-up traces, next to a plain LRU list of the same memory.
//!
//! `cargo test -p libtoken --lib warm::hit_rate -- --nocapture` prints the table. Requests follow Zipf's law, as
//! users of a service do more or less; the flood is one-time tokens (each verified, none seen again) mixed
//! among them.

use std::collections::{BTreeMap, HashMap};

use super::{Keying, WarmConfig, WarmTable};

const TOKEN_BYTES: usize = 675;
const VALUE_WORDS: usize = 40;
const TABLE_BYTES: usize = 1 << 20;
const USERS: u32 = 10_000;
const REQUESTS: u64 = 200_000;

/// A simple generator is enough here: splitmix64 (Steele, Lea, Flood, 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Each word tells one user's token from another's, or one flood token from the next.
fn token(number: u64) -> Vec<u8> {
    let words = (0..).flat_map(|at| mix(number << 10 | at).to_le_bytes());
    words.take(TOKEN_BYTES).collect()
}

/// Users by rank, the most active first.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(exponent: f64) -> Zipf {
        let mut sum = 0.0;
        let weights = (1..=USERS).map(|rank| f64::from(rank).powf(-exponent));
        Zipf {
            cumulative: weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        }
    }

    fn user(&self, random: u64) -> usize {
        let [.., a, b, c, d] = random.to_le_bytes();
        let part = f64::from(u32::from_le_bytes([a, b, c, d])) / 2_f64.powi(32);
        let last = self.cumulative.len() - 1;
        self.cumulative.partition_point(|sum| *sum < part * self.cumulative[last]).min(last)
    }
}

/// The plain cache: a map and an order of use, with no memory of its own counted.
#[derive(Default)]
struct Lru {
    used: HashMap<u64, u64>,
    order: BTreeMap<u64, u64>,
    clock: u64,
}

impl Lru {
    fn request(&mut self, number: u64) -> bool {
        self.clock += 1;
        let before = self.used.insert(number, self.clock);
        before.map(|before| self.order.remove(&before));
        self.order.insert(self.clock, number);
        if self.used.len() * (TOKEN_BYTES + VALUE_WORDS * 8) > TABLE_BYTES
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.used.remove(&oldest);
        }
        before.is_some()
    }
}

/// Hit rates of users' requests in the second half of a trace, in percent: the warm table's and the list's.
fn simulate(exponent: f64, flood_percent: u64) -> (f64, f64) {
    let config = WarmConfig { bytes: TABLE_BYTES, entries: None, keying: Keying::WholeToken, seed: [5; 16] };
    let table = WarmTable::new(&config).unwrap();
    let zipf = Zipf::new(exponent);
    let tokens: Vec<Vec<u8>> = (0..u64::from(USERS)).map(token).collect();
    let (mut lru, mut requests, mut hits, mut lru_hits) = (Lru::default(), 0_u32, 0_u32, 0_u32);
    for at in 0..REQUESTS {
        // So many one-time tokens to a hundred requests of users.
        for flood in 0..flood_percent / 100 + u64::from(mix(at << 20) % 100 < flood_percent % 100) {
            let number = (1 << 40) + (at << 4) + flood;
            table.insert(&token(number), &[0; VALUE_WORDS]);
            lru.request(number);
        }
        let user = zipf.user(mix(at << 20 | 1));
        let is_hit = table.find(&tokens[user], &mut [0; 12]).is_some();
        if !is_hit {
            table.insert(&tokens[user], &[0; VALUE_WORDS]);
        }
        let is_lru_hit = lru.request(user as u64);
        if at >= REQUESTS / 2 {
            requests += 1;
            hits += u32::from(is_hit);
            lru_hits += u32::from(is_lru_hit);
        }
    }
    let percent = |hits| f64::from(hits) * 100.0 / f64::from(requests);
    (percent(hits), percent(lru_hits))
}

#[test]
fn a_flood_of_one_time_tokens_costs_few_hits() {
    println!("{USERS} users, {TOKEN_BYTES} B tokens, {TABLE_BYTES} B table; hits in percent");
    println!("Zipf  one-time tokens  warm table  plain LRU");
    for exponent in [0.9, 1.0] {
        let mut quiet = 0.0;
        for flood_percent in [0, 100, 400] {
            let (warm, lru) = simulate(exponent, flood_percent);
            println!("{exponent:4.1}  {flood_percent:13} %  {warm:8.1} %  {lru:7.1} %");
            if flood_percent == 0 {
                quiet = warm;
                assert!(warm > lru, "{warm} {lru}");
            } else {
                assert!(warm > lru + 10.0, "{warm} {lru}");
            }
            assert!(warm > quiet - 5.0, "{warm} {quiet}");
        }
    }
}
