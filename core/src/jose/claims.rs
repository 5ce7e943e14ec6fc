//! The claims of a token: registered ones typed (RFC 7519 §4.1), any other by path, all borrowed.

use crate::codec::json::{Document, Items, Kind, Value};
use crate::codec::pointer::ClaimPath;
use crate::error::{Code, Reason, Rejection};
use crate::jose::numeric_date::NumericDate;

/// The claims of one token.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    document: Document<'a>,
    registered: Registered,
}

/// Where the registered claims stand in a document, and the times among them. Belongs to one scanned
/// document; plain data, so that it can be kept beside it.
#[derive(Clone, Copy, Default)]
pub struct Registered {
    issuer: Position,
    subject: Position,
    audience: Position,
    token_id: Position,
    expires_at: Option<NumericDate>,
    not_before: Option<NumericDate>,
    issued_at: Option<NumericDate>,
}

/// The audiences of a token: a single string counts as an array of one (RFC 7519 §4.1.3).
#[derive(Clone)]
pub enum Audiences<'a> {
    /// `aud` is a string, or absent.
    One(Option<&'a str>),
    /// `aud` is an array of strings.
    Many(Items<'a>),
}

/// Index of a value in its document; 0, the root, stands for 'absent'.
type Position = usize;

impl Registered {
    /// Finds the registered claims among the members of the payload, in one pass, and checks their types.
    ///
    /// # Errors
    /// [`Code::MalformedClaims`] if the payload is no object, [`Code::InvalidClaim`] if a registered claim has
    /// the wrong type or a time cannot be represented. A wrong type never counts as 'absent'.
    pub fn locate(document: Document<'_>) -> Result<Registered, Rejection> {
        let members =
            document.root().members().ok_or(Rejection::new(Code::MalformedClaims, Reason::WrongType))?;
        let mut found = Registered::default();
        for (name, value) in members {
            // Registered names have three letters each; as an array they are told apart letter by letter.
            let Ok(name) = <&[u8; 3]>::try_from(name.as_bytes()) else { continue };
            match name {
                b"iss" => found.issuer = string(value, "iss")?,
                b"sub" => found.subject = string(value, "sub")?,
                b"jti" => found.token_id = string(value, "jti")?,
                b"aud" => found.audience = string_or_strings(value, "aud")?,
                b"exp" => found.expires_at = Some(date(value, "exp")?),
                b"nbf" => found.not_before = Some(date(value, "nbf")?),
                b"iat" => found.issued_at = Some(date(value, "iat")?),
                _ => {}
            }
        }
        Ok(found)
    }
}

impl<'a> Claims<'a> {
    /// The claims of a document, where `registered` was located in that same document.
    #[must_use]
    pub fn new(document: Document<'a>, registered: Registered) -> Claims<'a> {
        Claims { document, registered }
    }

    /// `iss`
    #[must_use]
    pub fn issuer(self) -> Option<&'a str> {
        self.string(self.registered.issuer)
    }

    /// `sub`
    #[must_use]
    pub fn subject(self) -> Option<&'a str> {
        self.string(self.registered.subject)
    }

    /// `jti`
    #[must_use]
    pub fn token_id(self) -> Option<&'a str> {
        self.string(self.registered.token_id)
    }

    /// `aud`
    #[must_use]
    pub fn audiences(self) -> Audiences<'a> {
        match self.registered.audience {
            0 => Audiences::One(None),
            position => {
                let value = Value::at_index(self.document, position);
                value.items().map_or(Audiences::One(value.as_str()), Audiences::Many)
            }
        }
    }

    /// `exp`
    #[must_use]
    pub fn expires_at(self) -> Option<NumericDate> {
        self.registered.expires_at
    }

    /// `nbf`
    #[must_use]
    pub fn not_before(self) -> Option<NumericDate> {
        self.registered.not_before
    }

    /// `iat`
    #[must_use]
    pub fn issued_at(self) -> Option<NumericDate> {
        self.registered.issued_at
    }

    /// Any claim, by name or JSON pointer.
    #[must_use]
    pub fn at(self, path: &ClaimPath) -> Option<Value<'a>> {
        self.document.root().at(path)
    }

    /// The top-level claim `name`.
    #[must_use]
    pub fn claim(self, name: &str) -> Option<Value<'a>> {
        self.document.root().member(name)
    }

    /// The whole payload, an object.
    #[must_use]
    pub fn root(self) -> Value<'a> {
        self.document.root()
    }

    fn string(self, position: Position) -> Option<&'a str> {
        if position == 0 { None } else { Value::at_index(self.document, position).as_str() }
    }
}

impl<'a> Iterator for Audiences<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match self {
            Audiences::One(one) => one.take(),
            Audiences::Many(items) => items.next()?.as_str(),
        }
    }
}

fn string(value: Value<'_>, name: &'static str) -> Result<Position, Rejection> {
    match value.kind() {
        Kind::String => Ok(value.index()),
        Kind::Null | Kind::Bool | Kind::Integer | Kind::Number | Kind::Array | Kind::Object => {
            Err(Rejection::of(Code::InvalidClaim, name, Reason::WrongType))
        }
    }
}

fn string_or_strings(value: Value<'_>, name: &'static str) -> Result<Position, Rejection> {
    match value.items() {
        None => string(value, name),
        Some(mut items) => {
            if items.all(|item| item.kind() == Kind::String) {
                Ok(value.index())
            } else {
                Err(Rejection::of(Code::InvalidClaim, name, Reason::WrongType))
            }
        }
    }
}

fn date(value: Value<'_>, name: &'static str) -> Result<NumericDate, Rejection> {
    NumericDate::read(value).map_err(|reason| Rejection::of(Code::InvalidClaim, name, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{PADDING, Tape};

    fn with_claims<T>(json: &str, check: impl FnOnce(Result<Claims<'_>, Rejection>) -> T) -> T {
        let mut buffer = [json.as_bytes(), &[0; PADDING]].concat();
        let mut tape = Tape::with_capacity(100);
        tape.scan(&mut buffer, json.len()).expect("JSON");
        let document = Document::new(&buffer, json.len(), &tape).expect("the same bytes");
        check(Registered::locate(document).map(|r| Claims::new(document, r)))
    }

    #[test]
    fn registered_claims_are_typed_and_others_found_by_path() {
        let json =
            r#"{"iss":"i","sub":"s","aud":["a","b"],"exp":3,"nbf":1.5,"iat":2,"jti":"t","x":{"y":[7]}}"#;
        with_claims(json, |claims| {
            let c = claims.expect("claims");
            assert_eq!((c.issuer(), c.subject(), c.token_id()), (Some("i"), Some("s"), Some("t")));
            assert_eq!(c.audiences().collect::<Vec<_>>(), ["a", "b"]);
            assert_eq!(c.expires_at().map(NumericDate::floor), Some(3));
            assert_eq!(c.not_before().map(NumericDate::ceil), Some(2));
            assert_eq!(c.issued_at().map(NumericDate::floor), Some(2));
            let path = ClaimPath::new("/x/y/0").expect("path");
            assert_eq!(c.at(&path).and_then(Value::as_i64), Some(7));
        });
        with_claims(r#"{"aud":"a"}"#, |claims| {
            let c = claims.expect("claims");
            assert_eq!(c.audiences().collect::<Vec<_>>(), ["a"]);
            assert!(c.issuer().is_none() && c.expires_at().is_none());
        });
        with_claims("{}", |claims| assert_eq!(claims.expect("claims").audiences().count(), 0));
    }

    #[test]
    fn a_wrong_type_is_never_absent() {
        for name in ["iss", "sub", "jti", "aud", "exp", "nbf", "iat"] {
            for value in ["null", "true", "{}", "[1]", "[null]"] {
                let json = format!("{{\"{name}\":{value}}}");
                let rejection = with_claims(&json, |claims| claims.err()).expect("refused");
                assert_eq!(
                    rejection,
                    Rejection::of(Code::InvalidClaim, rejection.claim.unwrap(), Reason::WrongType)
                );
                assert_eq!(rejection.claim, Some(name));
            }
        }
        for json in ["[]", "null", "\"x\"", "1"] {
            assert_eq!(with_claims(json, |c| c.err().map(|r| r.code)), Some(Code::MalformedClaims));
        }
    }
}
