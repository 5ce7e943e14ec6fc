//! Prints tables of libtoken beside other validators: the same tokens, one run, interleaved rounds, CPU time
//! of the thread, allocations counted. Every validator checks the signature, `exp`, `iss` and `aud`, and must
//! refuse a token that is wrong in any of them before it is measured.
//!
//! `cargo run --release --manifest-path benches/compare/Cargo.toml` compares what is written in Rust;
//! benches/peers.sh adds Node's jose and fast-jwt and Python's PyJWT.

mod allocations;
mod cpu_time;
mod machine;
mod peers;
mod rounds;
mod table;
mod tokens;

use std::process::ExitCode;

use peers::other_process::OtherProcess;
use rounds::Group;
use tokens::Tokens;

const USAGE: &str = "usage: compare [--rounds N] [--only TEXT] [--peer COMMAND]...
  --rounds N      rounds per case (default 41)
  --only TEXT     only the groups whose name contains TEXT
  --peer COMMAND  a validator in another process, see peers/other_process.rs";

struct Options {
    rounds: usize,
    only: String,
    peers: Vec<String>,
}

fn main() -> ExitCode {
    match options().and_then(|options| compare(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("compare: {message}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { rounds: 41, only: String::new(), peers: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--rounds" => options.rounds = value.parse().map_err(|_| USAGE)?,
            "--only" => options.only = value,
            "--peer" => options.peers.push(value),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn compare(options: &Options) -> Result<(), String> {
    let all = tokens::all();
    let mut processes = Vec::new();
    for command in &options.peers {
        processes.push(OtherProcess::start(command, &all)?);
    }
    println!("{}\n", machine::description());
    let mut summary = Vec::new();
    for tokens in &all {
        run(&mut summary, options, whole_tokens(tokens, &processes)?);
    }
    run(&mut summary, options, peers::libtoken::all_but_the_signature());
    for tokens in &all {
        if let Some(group) = peers::primitives::group(tokens) {
            run(&mut summary, options, group);
        }
    }
    table::print_summary(&summary);
    Ok(())
}

fn run(summary: &mut Vec<table::Line>, options: &Options, group: Group<'_>) {
    if group.name.contains(&options.only) {
        let measured = rounds::measure(group, options.rounds);
        table::print(&measured);
        summary.extend(table::line(&measured));
    }
}

fn whole_tokens<'t>(tokens: &'t Tokens, processes: &'t [OtherProcess]) -> Result<Group<'t>, String> {
    let mut group = Group::new(format!("{} token, {} bytes", tokens.name(), tokens.good.len()));
    for case in peers::libtoken::cases(tokens)? {
        group.add(case);
    }
    for case in peers::jsonwebtoken::cases(tokens)? {
        group.add(case);
    }
    group.add(peers::jwt_simple::case(tokens)?);
    for process in processes {
        group.cases.extend(process.cases(tokens)?);
    }
    Ok(group)
}
