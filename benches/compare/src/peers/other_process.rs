//! Validators in other languages: a process that answers lines on its standard output. It is given the keys
//! first, as one line of JSON, and answers with one line, its cases as a JSON array of
//! `{"name", "algorithm", "cache_hit"}`. Then, with cases numbered from 0:
//!
//! - `check CASE TOKEN` -> the `exp` of an accepted token, or `refused`;
//! - `run CASE TIMES TOKEN` -> the nanoseconds of CPU time of that many verifications, each of which it has
//!   compared with the `exp` of the first.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtoken_benches::{AUDIENCE, ISSUER};
use serde::Deserialize;
use serde_json::json;

use crate::rounds::{Case, Kind};
use crate::tokens::Tokens;

/// A running process. It ends when its input does.
pub struct OtherProcess {
    pipe: RefCell<Pipe>,
    cases: Vec<OtherCase>,
}

struct Pipe {
    command: String,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    child: Child,
}

#[derive(Deserialize)]
struct OtherCase {
    name: String,
    algorithm: String,
    /// Whether it answers from a cache of verified tokens.
    cache_hit: bool,
}

impl OtherProcess {
    /// Starts `command`, a program and its arguments separated by spaces.
    pub fn start(command: &str, all: &[Tokens]) -> Result<OtherProcess, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{command}: {why}");
        let mut words = command.split_whitespace();
        let program = words.next().ok_or("--peer: no command")?;
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| failed(&e))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| failed(&"no output"))?;
        let mut pipe = Pipe { command: command.to_owned(), input, output: BufReader::new(output), child };
        let keys: serde_json::Map<String, serde_json::Value> = all
            .iter()
            .map(|tokens| {
                let jwk = serde_json::from_str(&tokens.fixture.key.public_jwk());
                jwk.map(|jwk| (tokens.name().to_owned(), jwk))
            })
            .collect::<Result<_, _>>()
            .map_err(|e| failed(&e))?;
        let setup = json!({ "issuer": ISSUER, "audience": AUDIENCE, "keys": keys });
        let answer = pipe.ask(&setup.to_string())?;
        let cases = serde_json::from_str(&answer).map_err(|e| failed(&format!("{e}: {answer}")))?;
        Ok(OtherProcess { pipe: RefCell::new(pipe), cases })
    }

    /// Its cases for this algorithm, each already checked.
    pub fn cases<'t>(&'t self, tokens: &'t Tokens) -> Result<Vec<Case<'t>>, String> {
        let fitting = self.cases.iter().enumerate().filter(|(_, case)| case.algorithm == tokens.name());
        fitting.map(|(index, case)| self.case(index, case, tokens)).collect()
    }

    fn case<'t>(&'t self, index: usize, case: &OtherCase, tokens: &'t Tokens) -> Result<Case<'t>, String> {
        tokens.check(&case.name, |token| {
            let answer = self.pipe.borrow_mut().ask(&format!("check {index} {token}"))?;
            match answer.as_str() {
                "refused" => Ok(None),
                exp => exp.parse().map(Some).map_err(|_| format!("{}: {exp}", case.name)),
            }
        })?;
        let run = move |times| {
            let answer = self.pipe.borrow_mut().ask(&format!("run {index} {times} {}", tokens.good));
            answer.and_then(|ns| ns.parse().map_err(|_| ns)).expect("nanoseconds")
        };
        let kind = if case.cache_hit { Kind::OtherCacheHit } else { Kind::Other };
        Ok(Case { name: case.name.clone(), kind, run: Box::new(run) })
    }
}

impl Pipe {
    fn ask(&mut self, line: &str) -> Result<String, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", self.command);
        let input = self.input.as_mut().ok_or_else(|| failed(&"no input"))?;
        writeln!(input, "{line}").and_then(|()| input.flush()).map_err(|e| failed(&e))?;
        let mut answer = String::new();
        match self.output.read_line(&mut answer) {
            Ok(0) => Err(failed(&"ended")),
            Ok(_) => Ok(answer.trim_end().to_owned()),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // The end of its input is the sign to stop.
        self.input = None;
        let _ = self.child.wait();
    }
}
