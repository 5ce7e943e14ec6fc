//! The memory of one verification: allocated once, reused for every token, owned by one thread at a time.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::verifier::State;
use crate::codec::base64url;
use crate::codec::json::{Buffer, JsonError};
use crate::error::{Code, Reason, Rejection};
use crate::jose::claims::{Claims, Registered};
use crate::jose::header::{Header, Parameters};
use crate::limits::{MAX_CLAIM_NODES, MAX_HEADER_BYTES, MAX_SIGNATURE_BYTES, MAX_TOKEN_BYTES};

/// The memory of one verification at a time, to be kept by a thread and reused.
///
/// It also holds on to the verifier's keys and policy as they were at its last verification, so that looking
/// whether they changed is all that the next one needs. A scratch that lies idle keeps them alive.
pub struct Scratch {
    pub(super) known: KnownState,
    pub(super) work: Workspace,
}

/// The state of the verifier that was asked last.
#[derive(Default)]
pub(super) struct KnownState(Option<Cache<Arc<ArcSwap<State>>, Arc<State>>>);

impl KnownState {
    /// The state in `current` as it is now: one load and a comparison, unless it has changed.
    #[inline]
    pub(super) fn load(&mut self, current: &Arc<ArcSwap<State>>) -> &State {
        let known = self.0.take_if(|cache| !core::ptr::eq(cache.arc_swap(), Arc::as_ptr(current)));
        // Another verifier's state, if it was one, is let go here.
        drop(known);
        self.0.get_or_insert_with(|| Cache::new(Arc::clone(current))).load()
    }
}

/// Buffers for decoding one token, and a small cache of headers.
///
/// The headers of an issuer's tokens are nearly all the same bytes, so the last few that were decoded are
/// kept: comparing costs a few nanoseconds, decoding and scanning sixty. A header's meaning depends on its
/// bytes alone, so an entry can never be out of date.
pub(super) struct Workspace {
    pub(super) max_token_bytes: usize,
    headers: [HeaderSlot; HEADER_SLOTS],
    /// Which slot the next new header goes into.
    next_header: usize,
    payload: Buffer,
    signature: Box<[u8]>,
}

/// One decoded header.
struct HeaderSlot {
    encoded: Box<[u8]>,
    encoded_len: usize,
    decoded: Buffer,
    /// `None` as long as the slot is empty.
    parameters: Option<Parameters>,
}

/// Slot 0 takes headers of any size and is overwritten by each; the others keep small ones.
const HEADER_SLOTS: usize = 9;

/// Longest encoded header that is kept, in bytes: `alg`, `typ`, a `kid` of 256 bytes, and more.
const MAX_KEPT_HEADER_BYTES: usize = 512;

/// Most JSON nodes in a header: two per member, and `x5c` arrays.
const MAX_HEADER_NODES: usize = 256;

impl Scratch {
    /// Scratch memory for tokens of up to `max_token_bytes` bytes (at most [`MAX_TOKEN_BYTES`]; a larger
    /// value counts as that). Takes about 60 KiB plus three quarters of `max_token_bytes`.
    #[must_use]
    pub fn for_tokens_up_to(max_token_bytes: usize) -> Scratch {
        Scratch { known: KnownState::default(), work: Workspace::for_tokens_up_to(max_token_bytes) }
    }

    /// Longest token it can take, in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.work.max_token_bytes
    }
}

impl Workspace {
    /// As [`Scratch::for_tokens_up_to`].
    pub(super) fn for_tokens_up_to(max_token_bytes: usize) -> Workspace {
        let max_token_bytes = max_token_bytes.min(MAX_TOKEN_BYTES);
        let headers = core::array::from_fn(|slot| {
            HeaderSlot::new(if slot == 0 { MAX_HEADER_BYTES } else { MAX_KEPT_HEADER_BYTES })
        });
        Workspace {
            max_token_bytes,
            headers,
            next_header: 1,
            payload: Buffer::with_capacity(
                base64url::buffer_len(max_token_bytes),
                MAX_CLAIM_NODES.min(max_token_bytes),
            ),
            signature: vec![0; base64url::buffer_len(base64url::encoded_len(MAX_SIGNATURE_BYTES))].into(),
        }
    }

    /// Decodes the header, or finds it decoded, and returns the slot it is in.
    pub(super) fn load_header(&mut self, encoded: &[u8]) -> Result<usize, Rejection> {
        if let Some(found) = self.headers.iter().position(|slot| slot.holds(encoded)) {
            return Ok(found);
        }
        self.load_new_header(encoded)
    }

    #[inline(never)]
    fn load_new_header(&mut self, encoded: &[u8]) -> Result<usize, Rejection> {
        // Decoded into slot 0 first, so that a refused header never pushes out a good one.
        let Some((first, kept)) = self.headers.split_first_mut() else { return Err(internal()) };
        first.load(encoded)?;
        if encoded.len() > MAX_KEPT_HEADER_BYTES {
            return Ok(0);
        }
        let slot = self.next_header;
        self.next_header = if slot + 1 < HEADER_SLOTS { slot + 1 } else { 1 };
        let target = kept.get_mut(slot - 1).ok_or(internal())?;
        target.load(encoded)?;
        Ok(slot)
    }

    /// The header in a slot that [`Workspace::load_header`] returned.
    pub(super) fn header(&self, slot: usize) -> Result<Header<'_>, Rejection> {
        self.headers.get(slot).ok_or(internal())?.header()
    }

    /// Decodes and scans the payload.
    pub(super) fn load_claims(&mut self, encoded: &[u8]) -> Result<Registered, Rejection> {
        decode_json(encoded, &mut self.payload).map_err(|e| match e {
            None => Rejection::of(Code::InvalidEncoding, "payload", Reason::Syntax),
            Some(JsonError::DuplicateMember) => {
                Rejection::of(Code::DuplicateMember, "payload", Reason::CheckFailed)
            }
            Some(JsonError::TooLarge) => Rejection::new(Code::MalformedClaims, Reason::OutOfRange),
            Some(JsonError::Syntax { .. } | JsonError::Text) => {
                Rejection::new(Code::MalformedClaims, Reason::Syntax)
            }
        })?;
        Registered::locate(self.payload.document())
    }

    /// The claims that [`Workspace::load_claims`] has found.
    pub(super) fn claims(&self, registered: Registered) -> Claims<'_> {
        Claims::new(self.payload.document(), registered)
    }

    /// Decodes the signature.
    pub(super) fn load_signature(&mut self, encoded: &[u8]) -> Result<usize, Rejection> {
        let too_long = Rejection::new(Code::InvalidSignature, Reason::OutOfRange);
        if base64url::decoded_len(encoded.len()) > MAX_SIGNATURE_BYTES {
            return Err(too_long);
        }
        base64url::decode(encoded, &mut self.signature)
            .map_err(|_| Rejection::of(Code::InvalidEncoding, "signature", Reason::Syntax))
    }

    /// The signature of that length.
    pub(super) fn signature(&self, len: usize) -> &[u8] {
        self.signature.get(..len).unwrap_or(&[])
    }
}

/// What it holds belongs to tokens, so none of it is shown.
impl core::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scratch").field("max_token_bytes", &self.max_token_bytes()).finish_non_exhaustive()
    }
}

impl HeaderSlot {
    fn new(encoded_len: usize) -> HeaderSlot {
        HeaderSlot {
            encoded: vec![0; encoded_len].into(),
            encoded_len: 0,
            decoded: Buffer::with_capacity(base64url::buffer_len(encoded_len), MAX_HEADER_NODES),
            parameters: None,
        }
    }

    fn holds(&self, encoded: &[u8]) -> bool {
        self.encoded_len == encoded.len() && self.encoded.get(..self.encoded_len) == Some(encoded)
    }

    fn load(&mut self, encoded: &[u8]) -> Result<(), Rejection> {
        self.encoded_len = 0;
        self.parameters = None;
        decode_json(encoded, &mut self.decoded).map_err(|e| match e {
            None => Rejection::of(Code::InvalidEncoding, "header", Reason::Syntax),
            Some(JsonError::DuplicateMember) => {
                Rejection::of(Code::DuplicateMember, "header", Reason::CheckFailed)
            }
            Some(JsonError::TooLarge) => Rejection::new(Code::MalformedHeader, Reason::OutOfRange),
            Some(JsonError::Syntax { .. } | JsonError::Text) => {
                Rejection::new(Code::MalformedHeader, Reason::Syntax)
            }
        })?;
        self.parameters = Some(Parameters::locate(self.decoded.document().root())?);
        if let Some(copy) = self.encoded.get_mut(..encoded.len()) {
            copy.copy_from_slice(encoded);
            self.encoded_len = encoded.len();
        }
        Ok(())
    }

    fn header(&self) -> Result<Header<'_>, Rejection> {
        let parameters = self.parameters.ok_or(internal())?;
        Ok(Header::new(self.decoded.document(), parameters))
    }
}

/// Decodes base64url JSON into `buffer` and scans it; `None` as the error stands for the encoding.
fn decode_json(encoded: &[u8], buffer: &mut Buffer) -> Result<(), Option<JsonError>> {
    let room = buffer.room(base64url::buffer_len(encoded.len())).ok_or(Some(JsonError::TooLarge))?;
    let len = base64url::decode(encoded, room).map_err(|_| None)?;
    buffer.scan(len).map_err(Some)
}

/// A state that the code above never produces; refusing is the only safe answer to it.
fn internal() -> Rejection {
    Rejection::new(Code::Internal, Reason::CheckFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_header_is_refused_every_time() {
        let mut scratch = Workspace::for_tokens_up_to(1000);
        for json in [r#"{"alg":"none"}"#, r#"{"alg":"ES256","crit":["x"]}"#, "[]", "{"] {
            let encoded = base64url::encode(json.as_bytes());
            let first = scratch.load_header(encoded.as_bytes());
            assert!(first.is_err(), "{json}");
            assert_eq!(scratch.load_header(encoded.as_bytes()), first, "{json}");
        }
    }

    #[test]
    fn many_headers_in_turn_are_each_read_as_themselves() {
        let mut scratch = Workspace::for_tokens_up_to(20_000);
        let headers: Vec<String> = (0..3 * HEADER_SLOTS)
            .map(|n| {
                // Every fourth is too long to be kept.
                let filler = "x".repeat(if n % 4 == 0 { MAX_KEPT_HEADER_BYTES } else { 0 });
                base64url::encode(format!(r#"{{"alg":"ES256","kid":"{n}","x":"{filler}"}}"#).as_bytes())
            })
            .collect();
        for round in 0..3 {
            for (n, encoded) in headers.iter().enumerate() {
                let slot = scratch.load_header(encoded.as_bytes()).expect("a header");
                let header = scratch.header(slot).expect("a header");
                assert_eq!(header.kid, Some(n.to_string().as_str()), "round {round}");
            }
        }
    }
}
