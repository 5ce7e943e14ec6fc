//! `libtoken verify`: a verdict for each token.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use libtoken::error::{Code, Rejection};
use libtoken::verify::{Request, Scratch, Verified, Verifier};

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::json_line::JsonLine;
use crate::lines::{Line, Lines};
use crate::progress::{self, TOKENS_PER_UPDATE, Unit};
use crate::show::{self, Tone, Visible};
use crate::state::Followed;
use crate::verifier_args::VerifierArgs;

/// Tokens are read from the arguments, else from --tokens, else from standard input. In a file, blank lines
/// and lines that begin with # are skipped. The exit code is 0 only if every token is accepted, 1 if one is
/// refused, and 2 if tokens, policy or keys cannot be read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tokens; other users of this machine may see them in its list of processes
    #[arg(value_name = "TOKEN", conflicts_with = "tokens")]
    token: Vec<String>,

    /// File with one token per line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,

    #[command(flatten)]
    verifier: VerifierArgs,

    /// The audience that this request needs, besides the policy's
    #[arg(long, value_name = "AUDIENCE")]
    require_audience: Option<String>,

    /// The tenant that this request addresses; needs a tenant claim in the policy
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Verify as if it were this time: Unix seconds or RFC 3339 (default: the clock)
    #[arg(long, value_name = "TIME", value_parser = clock::parse, allow_negative_numbers = true)]
    now: Option<i64>,

    /// Print one JSON object per token
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Print the summary only
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let verifier = args.verifier.verifier()?;
    let followed = args.verifier.follow(&verifier)?;
    let mut run = Run::new(args, &verifier, followed);
    if !args.token.is_empty() {
        for (place, token) in (1..).zip(&args.token) {
            let bytes = token.as_bytes();
            run.verify(&Line { number: place, bytes, hash: blake3::hash(bytes) })?;
        }
        return run.finish("the arguments");
    }
    match args.tokens.as_ref().filter(|path| !files::is_stdio(path)) {
        Some(path) => {
            let file = files::open(path)?;
            let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
            let bar = progress::bar(Unit::Bytes(size), run.prints_rows());
            run.verify_lines(file, &bar, &files::name(path))
        }
        None => {
            let stdin = io::stdin().lock();
            if stdin.is_terminal() {
                let _ =
                    writeln!(io::stderr(), "reading tokens from the terminal, one per line, up to Ctrl-D");
            }
            let bar = progress::bar(Unit::Bytes(None), run.prints_rows());
            run.verify_lines(stdin, &bar, "standard input")
        }
    }
}

/// One run: what verifies, where the verdicts go, and the tally.
struct Run<'a> {
    args: &'a Args,
    verifier: &'a Verifier,
    /// Revocation state, if the policy has revocation.
    followed: Option<Followed>,
    request: Request<'a>,
    scratch: Scratch,
    max_token_bytes: usize,
    out: Box<dyn Write>,
    colors: bool,
    tally: Tally,
}

/// Counts and the time that they took.
struct Tally {
    started: Instant,
    accepted: u64,
    refused: BTreeMap<u16, (Code, u64)>,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, verifier: &'a Verifier, followed: Option<Followed>) -> Run<'a> {
        let mut request = Request::new();
        request.audience = args.require_audience.as_deref();
        request.tenant = args.tenant.as_deref();
        let stdout = io::stdout();
        Run {
            args,
            verifier,
            followed,
            request,
            scratch: verifier.scratch(),
            max_token_bytes: verifier.policy().max_token_bytes(),
            colors: show::colors() && !args.json,
            out: if stdout.is_terminal() {
                Box::new(io::LineWriter::new(stdout))
            } else {
                Box::new(io::BufWriter::with_capacity(OUTPUT_BUFFER, stdout))
            },
            tally: Tally { started: Instant::now(), accepted: 0, refused: BTreeMap::new() },
        }
    }

    fn prints_rows(&self) -> bool {
        !self.args.quiet
    }

    fn verify_lines<R: Read>(mut self, input: R, bar: &ProgressBar, place: &str) -> Result<Outcome, Failure> {
        let mut lines = Lines::new(input, self.max_token_bytes);
        loop {
            if lines.may_wait() {
                // Whoever reads our output gets the verdicts so far before we wait for more tokens.
                self.out.flush()?;
            }
            let line = lines.next().map_err(|e| {
                Failure::new(place, format_args!("cannot be read ({e})"), "check the file or the sender")
            })?;
            let Some(line) = line else { break };
            if line.bytes.is_empty() || line.bytes.starts_with(b"#") {
                continue;
            }
            self.verify(&line)?;
            if self.tally.total().is_multiple_of(TOKENS_PER_UPDATE) {
                bar.set_position(lines.bytes_read);
                let (accepted, refused) = (self.tally.accepted, self.tally.refused_total());
                bar.set_message(format!(
                    "{} accepted, {} refused",
                    show::grouped(accepted),
                    show::grouped(refused)
                ));
            }
        }
        bar.finish_and_clear();
        self.finish(place)
    }

    fn verify(&mut self, token: &Line<'_>) -> Result<(), Failure> {
        let now = self.args.now.unwrap_or_else(clock::now);
        if let Some(followed) = &mut self.followed {
            followed.now_and_then(self.verifier);
        }
        let mut verdict = self.verifier.verify(token.bytes, &self.request, now, &mut self.scratch);
        if matches!(&verdict, Err(rejection) if rejection.code == Code::Stale)
            && self.followed.as_mut().is_some_and(|followed| followed.move_on(self.verifier))
        {
            // The writer had to make its files anew.
            verdict = self.verifier.verify(token.bytes, &self.request, now, &mut self.scratch);
        }
        match &verdict {
            Ok(_) => self.tally.accepted += 1,
            Err(rejection) => self.tally.refuse(rejection.code),
        }
        if self.args.quiet {
            return Ok(());
        }
        if self.args.json {
            writeln!(self.out, "{}", json_row(token, &verdict))?;
            return Ok(());
        }
        if self.tally.total() == 1 {
            writeln!(
                self.out,
                "{:>6}  {:8}  {:16}  CODE  CLAIMS OR REASON",
                "LINE", "VERDICT", "FINGERPRINT"
            )?;
        }
        writeln!(self.out, "{}", row(token, &verdict, self.colors))?;
        Ok(())
    }

    /// Prints the summary.
    fn finish(mut self, place: &str) -> Result<Outcome, Failure> {
        self.out.flush()?;
        if self.tally.total() == 0 {
            return Err(Failure::new(place, "no tokens", "give at least one, one per line"));
        }
        // If standard error is gone, the exit code still tells.
        let _ = io::stderr().write_all(self.tally.summary().as_bytes());
        Ok(if self.tally.refused.is_empty() { Outcome::Good } else { Outcome::Bad })
    }
}

impl Tally {
    fn refuse(&mut self, code: Code) {
        self.refused.entry(code.number()).or_insert((code, 0)).1 += 1;
    }

    fn refused_total(&self) -> u64 {
        self.refused.values().map(|(_, count)| count).sum()
    }

    fn total(&self) -> u64 {
        self.accepted + self.refused_total()
    }

    fn summary(&self) -> String {
        let elapsed = self.started.elapsed();
        let (total, refused) = (self.total(), self.refused_total());
        let mut text = format!(
            "{}: {} accepted, {} refused; {} tokens/s\n",
            show::counted(total, "token"),
            show::grouped(self.accepted),
            show::grouped(refused),
            show::grouped(per_second(total, elapsed)),
        );
        for (code, count) in self.refused.values() {
            text += &format!("{:>10}  {} {}\n", show::grouped(*count), code.number(), code.name());
        }
        text
    }
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let nanoseconds = elapsed.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
}

fn row(token: &Line<'_>, verdict: &Result<Verified<'_>, Rejection>, colors: bool) -> String {
    let fingerprint = show::fingerprint(&token.hash);
    let short = fingerprint.get(..SHORT_FINGERPRINT).unwrap_or_default();
    let line = token.number;
    match verdict {
        Ok(verified) => {
            let word = show::toned("ACCEPTED", Tone::Good, colors);
            let claims = verified.claims().root().to_string();
            format!("{line:>6}  {word}  {short}  {:>4}  {}", "-", Visible(&claims))
        }
        Err(rejection) => {
            let word = show::toned("REFUSED ", Tone::Bad, colors);
            format!("{line:>6}  {word}  {short}  {:>4}  {rejection}", rejection.code.number())
        }
    }
}

fn json_row(token: &Line<'_>, verdict: &Result<Verified<'_>, Rejection>) -> String {
    let mut row = JsonLine::new();
    row.json("line", token.number).string("fingerprint", &show::fingerprint(&token.hash));
    match verdict {
        Ok(verified) => {
            let header = verified.header();
            row.string("verdict", "accepted")
                .string("algorithm", header.algorithm.name())
                .optional("kid", header.kid)
                .json("claims", verified.claims().root());
        }
        Err(rejection) => {
            row.string("verdict", "refused")
                .json("code", rejection.code.number())
                .string("name", rejection.code.name())
                .optional("claim", rejection.claim)
                .string("reason", rejection.reason.name())
                .string("message", rejection.code.message())
                .json("http_status", rejection.code.http_status());
        }
    }
    row.finish()
}

/// Hex digits of the fingerprint in the table; `--json` has all of them.
const SHORT_FINGERPRINT: usize = 16;

/// Bytes of output that are collected before they are written.
const OUTPUT_BUFFER: usize = 64 * 1024;
