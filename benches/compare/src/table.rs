//! The tables, in Markdown.

use crate::rounds::{Kind, MeasuredGroup};

/// One line of the summary: libtoken beside the best of its peers that verify the signature each time.
pub struct Line {
    group: String,
    own: f64,
    best_rust: Option<(String, f64)>,
    best_other: Option<(String, f64)>,
}

/// Prints one group.
pub fn print(group: &MeasuredGroup) {
    println!("### {}\n", group.name);
    println!("| | median ns | quartiles | per second | allocations | time / first |");
    println!("|---|---:|---:|---:|---:|---:|");
    let first = group.cases.first().map_or(1.0, |case| case.median);
    for case in &group.cases {
        let allocations = case.allocations.map_or("-".to_owned(), |count| format!("{count:.0}"));
        println!(
            "| {} | {:.0} | {:.0}-{:.0} | {:.0} | {allocations} | {:.2} |",
            case.name,
            case.median,
            case.quartiles.0,
            case.quartiles.1,
            1e9 / case.median,
            case.median / first,
        );
    }
    println!();
}

/// The group's line in the summary; none if it compares nothing.
pub fn line(group: &MeasuredGroup) -> Option<Line> {
    let own = group.cases.first().filter(|case| case.name.starts_with("libtoken"))?;
    let best = |kind: Kind| {
        let peers = group.cases.iter().filter(|case| case.kind == kind && !case.name.starts_with("libtoken"));
        let best = peers.min_by(|a, b| a.median.total_cmp(&b.median));
        best.map(|case| (case.name.clone(), case.median))
    };
    let (best_rust, best_other) = (best(Kind::Rust), best(Kind::Other));
    (best_rust.is_some() || best_other.is_some()).then(|| Line {
        group: group.name.clone(),
        own: own.median,
        best_rust,
        best_other,
    })
}

/// Prints the summary.
pub fn print_summary(lines: &[Line]) {
    println!("### Summary\n");
    println!("| | libtoken ns | best Rust peer | peer / libtoken | best other peer | peer / libtoken |");
    println!("|---|---:|---|---:|---|---:|");
    for line in lines {
        let peer = |best: &Option<(String, f64)>| match best {
            Some((name, median)) => format!("{name} | **{:.2}**", median / line.own),
            None => "- | -".to_owned(),
        };
        println!(
            "| {} | {:.0} | {} | {} |",
            line.group,
            line.own,
            peer(&line.best_rust),
            peer(&line.best_other)
        );
    }
}
