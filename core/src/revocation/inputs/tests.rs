use super::*;
use crate::codec::json::{Document, PADDING, Tape};
use crate::jose::claims::{Claims, Registered};
use crate::revocation::event::Event;

const AT: i64 = 1_700_000_000;
const LOGOUT: &str = r#""events":{"http://schemas.openid.net/event/backchannel-logout":{}}"#;
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type";

fn with<T>(json: &str, use_claims: impl FnOnce(Claims<'_>) -> T) -> T {
    let mut buffer = [json.as_bytes(), &[0; PADDING]].concat();
    let mut tape = Tape::with_capacity(200);
    tape.scan(&mut buffer, json.len()).expect("JSON");
    let document = Document::new(&buffer, json.len(), &tape).expect("the same bytes");
    use_claims(Claims::new(document, Registered::locate(document).expect("claims")))
}

fn order(scope: &str, issuer: &str, values: &[&str], at: i64) -> Order {
    let values = values.iter().map(|v| (*v).to_owned()).collect();
    Order { scope: scope.into(), issuer: issuer.into(), values, at, until: None }
}

fn logout(claims: &str) -> Result<Vec<Order>, InputError> {
    with(&format!(r#"{{"iss":"i","iat":{AT},"jti":"x",{claims}}}"#), logout_token)
}

#[test]
fn logout_tokens_end_a_session_or_all_of_a_subject() {
    assert_eq!(
        logout(&format!(r#""sid":"s","sub":"u",{LOGOUT}"#)),
        Ok(vec![order("session", "i", &["s"], AT)])
    );
    assert_eq!(logout(&format!(r#""sub":"u",{LOGOUT}"#)), Ok(vec![order("subject", "i", &["u"], AT)]));
}

#[test]
fn malformed_logout_tokens_are_refused() {
    for (claims, expected) in [
        (LOGOUT.to_owned(), InputError::Missing("sub")),
        (format!(r#""sub":"u","nonce":"n",{LOGOUT}"#), InputError::Forbidden("nonce")),
        (format!(r#""sub":"u","nonce":null,{LOGOUT}"#), InputError::Forbidden("nonce")),
        (r#""sub":"u""#.to_owned(), InputError::Missing("events")),
        (r#""sub":"u","events":[]"#.to_owned(), InputError::Invalid("events")),
        (r#""sub":"u","events":{}"#.to_owned(), InputError::Invalid("events")),
        (
            r#""sub":"u","events":{"http://schemas.openid.net/event/backchannel-logout":true}"#.to_owned(),
            InputError::Invalid("events"),
        ),
        (format!(r#""sid":7,{LOGOUT}"#), InputError::Invalid("sid")),
        (format!(r#""sid":"","sub":"u",{LOGOUT}"#), InputError::Invalid("sid")),
        (format!(r#""sub":"",{LOGOUT}"#), InputError::Invalid("sub")),
    ] {
        assert_eq!(logout(&claims), Err(expected), "{claims}");
    }
}

fn set(claims: &str, subjects: &SubjectScopes) -> Result<SecurityEventOutcome, InputError> {
    with(&format!(r#"{{"iss":"https://idp","iat":{AT},"jti":"x",{claims}}}"#), |c| {
        security_event(c, subjects)
    })
}

#[test]
fn security_events_revoke_what_their_subject_names() {
    let subjects = SubjectScopes::standard()
        .with(&["tenant", "user"], "user_in_tenant")
        .with(&["tenant"], "tenant")
        .with(&["tenant", "org_unit"], "department")
        .with(&["device"], "device")
        .with(&["user", "device"], "user_device");
    let opaque = |id: &str| format!(r#"{{"format":"opaque","id":"{id}"}}"#);
    let user = r#"{"format":"iss_sub","iss":"https://other","sub":"u"}"#;
    for (subject, expected) in [
        (user.to_owned(), order("subject", "https://other", &["u"], AT)),
        (opaque("u"), order("subject", "https://idp", &["u"], AT)),
        (
            r#"{"format":"email","email":"u@example.com"}"#.to_owned(),
            order("subject", "https://idp", &["u@example.com"], AT),
        ),
        (
            r#"{"format":"jwt_id","iss":"https://other","jti":"t"}"#.to_owned(),
            order("token", "https://other", &["t"], AT),
        ),
        (
            format!(r#"{{"format":"complex","session":{}}}"#, opaque("s")),
            order("session", "https://idp", &["s"], AT),
        ),
        // An absent field is a wildcard; a session is one user's anyway.
        (
            format!(r#"{{"format":"complex","user":{user},"session":{}}}"#, opaque("s")),
            order("session", "https://idp", &["s"], AT),
        ),
        (
            format!(r#"{{"format":"complex","tenant":{}}}"#, opaque("t")),
            order("tenant", "https://idp", &["t"], AT),
        ),
        (
            format!(r#"{{"format":"complex","user":{user},"tenant":{}}}"#, opaque("t")),
            order("user_in_tenant", "https://other", &["t", "u"], AT),
        ),
        (
            format!(r#"{{"format":"complex","org_unit":{},"tenant":{}}}"#, opaque("d"), opaque("t")),
            order("department", "https://idp", &["t", "d"], AT),
        ),
        (
            format!(r#"{{"format":"complex","device":{},"user":{user}}}"#, opaque("d")),
            order("user_device", "https://other", &["u", "d"], AT),
        ),
    ] {
        let claims = format!(r#""sub_id":{subject},"events":{{"{CAEP}/session-revoked":{{}}}}"#);
        assert_eq!(set(&claims, &subjects).map(|o| o.orders), Ok(vec![expected]), "{subject}");
    }
    let aliases = format!(r#"{{"format":"aliases","identifiers":[{},{user}]}}"#, opaque("a"));
    let claims = format!(r#""sub_id":{aliases},"events":{{"{RISC}/account-disabled":{{}}}}"#);
    let both =
        vec![order("subject", "https://idp", &["a"], AT), order("subject", "https://other", &["u"], AT)];
    assert_eq!(set(&claims, &subjects).map(|o| o.orders), Ok(both));
}

#[test]
fn event_types_and_times_count() {
    let subjects = SubjectScopes::standard();
    let subject = r#""sub_id":{"format":"opaque","id":"u"}"#;
    let revoking = |at| {
        Ok(SecurityEventOutcome {
            orders: vec![order("subject", "https://idp", &["u"], at)],
            ignored: vec![],
        })
    };
    for uri in [
        format!("{CAEP}/token-claims-change"),
        format!("{RISC}/account-purged"),
        format!("{RISC}/credential-compromise"),
        format!("{RISC}/sessions-revoked"),
    ] {
        let claims = format!(r#"{subject},"events":{{"{uri}":{{"event_timestamp":{}}}}}"#, AT - 60);
        assert_eq!(set(&claims, &subjects), revoking(AT - 60));
    }
    for (change, revokes) in [("revoke", true), ("update", true), ("delete", true), ("create", false)] {
        let uri = format!("{CAEP}/credential-change");
        let claims = format!(r#"{subject},"events":{{"{uri}":{{"change_type":"{change}"}}}}"#);
        let ignored = Ok(SecurityEventOutcome { orders: vec![], ignored: vec![uri] });
        assert_eq!(set(&claims, &subjects), if revokes { revoking(AT) } else { ignored }, "{change}");
    }
    let other = format!(r#"{subject},"events":{{"https://example.com/other":{{}}}}"#);
    assert_eq!(set(&other, &subjects).map(|o| o.ignored), Ok(vec!["https://example.com/other".to_owned()]));
    // Before SSF 1.0 the subject stood in the event.
    let old =
        format!(r#""events":{{"{CAEP}/session-revoked":{{"subject":{{"format":"opaque","id":"u"}}}}}}"#);
    assert_eq!(set(&old, &subjects), revoking(AT));
}

#[test]
fn security_events_that_cannot_be_carried_out_in_full_are_refused() {
    let subjects = SubjectScopes::standard();
    let revoked = format!(r#""events":{{"{CAEP}/session-revoked":{{}}}}"#);
    let tenant = r#"{"format":"opaque","id":"t"}"#;
    for (claims, expected) in [
        (revoked.clone(), InputError::Missing("sub_id")),
        (format!(r#""sub":"u","sub_id":{tenant},{revoked}"#), InputError::Forbidden("sub")),
        (format!(r#""exp":{AT},"sub_id":{tenant},{revoked}"#), InputError::Forbidden("exp")),
        (format!(r#""sub_id":{tenant},"events":{{}}"#), InputError::Invalid("events")),
        (format!(r#""sub_id":{tenant},"events":[]"#), InputError::Invalid("events")),
        (format!(r#""sub_id":{tenant},"events":{{"x":1}}"#), InputError::Invalid("events")),
        (format!(r#""sub_id":"u",{revoked}"#), InputError::Missing("format")),
        (format!(r#""sub_id":{{"format":"shoe_size","id":"1"}},{revoked}"#), InputError::Invalid("format")),
        (format!(r#""sub_id":{{"format":"opaque"}},{revoked}"#), InputError::Missing("id")),
        (format!(r#""sub_id":{{"format":"opaque","id":""}},{revoked}"#), InputError::Invalid("id")),
        (
            format!(r#""sub_id":{{"format":"aliases","identifiers":[]}},{revoked}"#),
            InputError::Invalid("identifiers"),
        ),
        (format!(r#""sub_id":{{"format":"complex"}},{revoked}"#), InputError::Missing("sub_id")),
        (
            format!(r#""sub_id":{{"format":"complex","shoe":{tenant}}},{revoked}"#),
            InputError::Invalid("sub_id"),
        ),
        (
            format!(r#""sub_id":{{"format":"complex","user":{tenant},"tenant":{tenant}}},{revoked}"#),
            InputError::NoScope { fields: "tenant+user".into() },
        ),
        (
            format!(r#""sub_id":{tenant},"events":{{"{CAEP}/credential-change":{{}}}}"#),
            InputError::Missing("change_type"),
        ),
        (
            format!(r#""sub_id":{tenant},"events":{{"{CAEP}/session-revoked":{{"event_timestamp":"now"}}}}"#),
            InputError::Invalid("event_timestamp"),
        ),
    ] {
        assert_eq!(set(&claims, &subjects), Err(expected), "{claims}");
    }
}

#[test]
fn requests_revoke_one_token_or_a_subject() {
    let one = with(&format!(r#"{{"iss":"i","jti":"t","exp":{}}}"#, AT + 60), |c| revoked_token(c, AT));
    assert_eq!(one, Ok(vec![Order { until: Some(AT + 60), ..order("token", "i", &["t"], AT) }]));
    assert_eq!(with(r#"{"iss":"i"}"#, |c| revoked_token(c, AT)), Err(InputError::Missing("jti")));
    let subjects = SubjectScopes::standard();
    let global = |body: &str| global_token_revocation(body.as_bytes(), &subjects, "i", AT);
    assert_eq!(
        global(r#"{"sub_id":{"format":"opaque","id":"u"}}"#),
        Ok(vec![order("subject", "i", &["u"], AT)])
    );
    assert_eq!(global("{}"), Err(InputError::Missing("sub_id")));
    assert_eq!(global("[]"), Err(InputError::Json));
    assert_eq!(global("{"), Err(InputError::Json));
}

#[test]
fn keycloak_actions() {
    let act = |json: &str| keycloak_action(json.as_bytes(), "https://kc/realms/r", "app", AT);
    let action = |kind: &str, more: &str| {
        format!(r#"{{"id":"1","expiration":{},"resource":"app","action":"{kind}"{more}}}"#, AT + 60)
    };
    assert_eq!(
        act(&action("PUSH_NOT_BEFORE", &format!(r#","notBefore":{AT}"#))),
        Ok(vec![order("issuer", "https://kc/realms/r", &[], AT - 1)])
    );
    assert_eq!(
        act(&action("LOGOUT", r#","keycloakSessionIds":["a","b"],"notBefore":0"#)),
        Ok(vec![
            order("session", "https://kc/realms/r", &["a"], AT),
            order("session", "https://kc/realms/r", &["b"], AT)
        ])
    );
    assert_eq!(
        act(&action("LOGOUT", &format!(r#","keycloakSessionIds":null,"notBefore":{AT}"#))),
        Ok(vec![order("issuer", "https://kc/realms/r", &[], AT - 1)])
    );
    for (json, expected) in [
        (action("PUSH_NOT_BEFORE", r#","notBefore":0"#), InputError::Invalid("notBefore")),
        (action("PUSH_NOT_BEFORE", ""), InputError::Missing("notBefore")),
        (action("VERSION", ""), InputError::Invalid("action")),
        (action("LOGOUT", r#","keycloakSessionIds":[1]"#), InputError::Invalid("keycloakSessionIds")),
        (
            format!(r#"{{"expiration":{AT},"resource":"app","action":"LOGOUT"}}"#),
            InputError::Invalid("expiration"),
        ),
        (
            format!(r#"{{"expiration":{},"resource":"b","action":"LOGOUT"}}"#, AT + 1),
            InputError::Invalid("resource"),
        ),
    ] {
        assert_eq!(act(&json), Err(expected), "{json}");
    }
}

#[test]
fn orders_become_events_of_their_scope() {
    let subject = Scope::standard("subject").expect("standard");
    let session = Scope::standard("session").expect("standard");
    let event = |order: Order, scope: &Scope| {
        order.into_event(scope, OperationId::new(1), AT + 5, "why", "who").map(Event::into_fields)
    };
    let made = event(order("subject", "i", &["u"], AT), &subject).expect("an event");
    assert_eq!(made.effect, Effect::NotBefore { time: AT, until: AT + 30 * 86_400 });
    assert_eq!((made.recorded_at, made.reason.as_str(), made.actor.as_str()), (AT + 5, "why", "who"));
    let made = event(Order { until: Some(AT + 9), ..order("session", "i", &["s"], AT) }, &session)
        .expect("an event");
    assert_eq!(made.effect, Effect::Id { until: AT + 9 });
    let wrong = |order: Order, scope: &Scope| event(order, scope).expect_err("refused");
    assert_eq!(
        wrong(order("subject", "i", &["u"], AT), &session),
        InputError::UnknownScope("subject".into())
    );
    assert_eq!(
        wrong(order("subject", "i", &["t", "u"], AT), &subject),
        InputError::UnknownScope("subject".into())
    );
    assert!(matches!(wrong(order("subject", "i", &["u"], 5), &subject), InputError::Event(_)));
}
