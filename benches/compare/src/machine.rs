//! Names the machine, since figures without it mean nothing.

use std::thread::available_parallelism;

/// One line: the CPU, how many of it, what matters of its features, the compiler's target.
pub fn description() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|n| n.trim() == name));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let flags = field("flags");
    let has = |flag: &str| flags.split_whitespace().any(|f| f == flag);
    let features: Vec<&str> =
        ["avx2", "adx", "sha_ni", "avx512f", "avx512ifma"].into_iter().filter(|flag| has(flag)).collect();
    let virtual_machine = if has("hypervisor") { ", virtual machine" } else { "" };
    format!(
        "{} family {} model {} ({}), {} cores{virtual_machine}; {} {}",
        field("model name"),
        field("cpu family"),
        field("model"),
        features.join(" "),
        available_parallelism().map_or(0, usize::from),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
}
