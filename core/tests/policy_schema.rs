//! docs/policy.schema.json describes what `Policy::from_json` reads: the same fields, ranges, words and defaults.

use std::collections::BTreeSet;

use libtoken::jose::algorithm::Algorithm;
use libtoken::limits::{MAX_CLAIM_PATH_BYTES, MAX_ISSUERS, MAX_POLICY_LIST};
use libtoken::verify::{
    ISSUER_FIELDS, POLICY_FIELDS, Policy, PolicyProblem, REVOCATION_FIELDS, SCOPE_FIELDS,
};
use serde_json::{Value, json};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../docs/policy.schema.json")).expect("JSON")
}

fn problem(policy: &Value) -> Option<PolicyProblem> {
    Policy::from_json(policy.to_string().as_bytes()).err().map(|e| e.problem)
}

/// A policy whose only issuer has one more field.
fn with(field: &str, value: Value) -> Value {
    let mut policy = json!({"issuers": [{"issuer": "i", "audiences": ["a"]}]});
    if POLICY_FIELDS.contains(&field) {
        policy[field] = value;
    } else {
        policy["issuers"][0][field] = value;
    }
    policy
}

/// Every field: its name and its schema.
fn fields() -> Vec<(String, Value)> {
    let schema = schema();
    let objects = [&schema["properties"], &schema["$defs"]["issuer"]["properties"]];
    objects
        .iter()
        .flat_map(|o| o.as_object().expect("properties"))
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, field)| (name.clone(), field.clone()))
        .collect()
}

#[test]
fn the_fields_are_the_same() {
    let documented: BTreeSet<String> = fields().into_iter().map(|(name, _)| name).collect();
    let known: BTreeSet<String> =
        POLICY_FIELDS.iter().chain(ISSUER_FIELDS).map(|name| (*name).to_owned()).collect();
    assert_eq!(documented, known);
    for (name, field) in fields() {
        assert!(field["description"].as_str().is_some_and(|d| d.len() > 20), "{name} is described");
    }
}

#[test]
fn the_ranges_are_the_same() {
    let mut ranges = 0;
    for (name, field) in fields() {
        let (Some(min), Some(max)) = (field["minimum"].as_i64(), field["maximum"].as_i64()) else { continue };
        ranges += 1;
        assert_eq!(problem(&with(&name, json!(min))), None, "{name}");
        assert_eq!(problem(&with(&name, json!(max))), None, "{name}");
        for outside in [min - 1, max + 1] {
            let refused = problem(&with(&name, json!(outside)));
            assert!(matches!(refused, Some(PolicyProblem::OutOfRange { .. })), "{name} {outside}");
        }
    }
    assert_eq!(ranges, 3);
    let schema = schema();
    let issuer = &schema["$defs"]["issuer"]["properties"];
    for list in ["audiences", "types", "required_claims", "status_lists"] {
        assert_eq!(issuer[list]["maxItems"], MAX_POLICY_LIST, "{list}");
        let entries = |n: usize| json!((0..n).map(|i| format!("e{i}")).collect::<Vec<_>>());
        assert_eq!(problem(&with(list, entries(MAX_POLICY_LIST))), None, "{list}");
        let refused = problem(&with(list, entries(MAX_POLICY_LIST + 1)));
        assert_eq!(refused, Some(PolicyProblem::TooMany { max: MAX_POLICY_LIST }), "{list}");
    }
    assert_eq!(schema["properties"]["issuers"]["maxItems"], MAX_ISSUERS);
    assert_eq!(schema["$defs"]["claim_path"]["maxLength"], MAX_CLAIM_PATH_BYTES);
}

#[test]
fn the_words_are_the_same() {
    for (name, words) in [
        ("profile", &["jwt", "rfc9068", "logout_token", "security_event"][..]),
        ("audience_check", &["any_of", "none"]),
    ] {
        let field = fields().into_iter().find(|(n, _)| n == name).expect("the field").1;
        assert_eq!(field["enum"], json!(words));
        let refused = problem(&with(name, json!("another")));
        assert!(
            matches!(&refused, Some(PolicyProblem::UnknownValue { known, .. }) if *known == words.join(", "))
        );
    }
    let algorithms: Vec<&str> = Algorithm::ALL.iter().flat_map(|a| a.names()).copied().collect();
    assert_eq!(schema()["$defs"]["issuer"]["properties"]["algorithms"]["items"]["enum"], json!(algorithms));
}

#[test]
fn the_defaults_are_the_same() {
    let written = Policy::from_json(
        with("max_token_bytes", schema()["properties"]["max_token_bytes"]["default"].clone())
            .to_string()
            .as_bytes(),
    );
    let bare = Policy::from_json(br#"{"issuers":[{"issuer":"i","audiences":["a"]}]}"#).expect("a policy");
    assert_eq!(written.expect("a policy").to_json(), bare.to_json());
    let shown: Value = serde_json::from_str(&bare.to_json()).expect("JSON");
    let mut defaults = 0;
    for (name, field) in fields() {
        let Some(default) = field.get("default") else { continue };
        defaults += 1;
        // Writing the default out changes nothing.
        let explicit =
            Policy::from_json(with(&name, default.clone()).to_string().as_bytes()).expect("a policy");
        assert_eq!(explicit.to_json(), bare.to_json(), "{name}");
        let place = if POLICY_FIELDS.contains(&name.as_str()) { &shown } else { &shown["issuers"][0] };
        // `audience_check` is shown as the list of audiences.
        if name != "audience_check" {
            assert_eq!(place[&name], *default, "{name}");
        }
    }
    assert_eq!(defaults, 8);
}

#[test]
fn what_the_code_reads_the_schema_allows() {
    let mut seen = 0;
    for file in libtoken_vectors::load().expect("data") {
        for (name, policy) in &file.policies {
            seen += 1;
            assert_eq!(problem(policy), None, "{name}");
            assert!(allows(&schema(), &schema(), policy), "{name}: {policy}");
        }
    }
    assert!(seen > 20);
    let written = Policy::from_json(with("tenant_claim", json!("/a/b")).to_string().as_bytes());
    let written: Value = serde_json::from_str(&written.expect("a policy").to_json()).expect("JSON");
    assert!(allows(&schema(), &schema(), &written));
}

#[test]
fn what_the_schema_refuses_the_code_refuses() {
    for policy in [
        json!({}),
        json!([]),
        json!({"issuers": []}),
        json!({"issuers": [{"issuer": "i"}]}),
        json!({"issuers": [{"audiences": ["a"]}]}),
        with("leeway", json!(1)),
        with("audience_check", json!("none")),
        with("audiences", json!([])),
        with("audiences", json!([""])),
        with("audiences", json!("a")),
        with("algorithms", json!([])),
        with("algorithms", json!(["none"])),
        with("profile", json!("oidc")),
        with("types", json!([7])),
        with("require_exp", json!("true")),
        with("leeway_seconds", json!(1.5)),
        with("required_claims", json!(["x".repeat(257)])),
        with("tenant_claim", json!("")),
        with("jwks", json!({"keys": []})),
        with("jwks_file", json!("")),
        with("jwks_uri", json!("http://i")),
    ] {
        assert!(!allows(&schema(), &schema(), &policy), "{policy}");
        assert!(problem(&policy).is_some(), "{policy}");
    }
}

/// JSON Schema 2020-12, as far as the policy's schema uses it; a keyword that is not known here fails.
fn allows(root: &Value, schema: &Value, value: &Value) -> bool {
    let rules = match schema {
        Value::Bool(verdict) => return *verdict,
        Value::Object(rules) => rules,
        other => panic!("no schema: {other}"),
    };
    let size = |rule: &Value| rule.as_u64().and_then(|n| usize::try_from(n).ok()).expect("a size");
    rules.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$id" | "title" | "description" | "default" | "$defs" => true,
        "$ref" => {
            let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).expect("a reference");
            allows(root, root.pointer(pointer).expect("a definition"), value)
        }
        "type" => match rule.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            other => panic!("type {other:?}"),
        },
        "enum" => rule.as_array().expect("a list").contains(value),
        "minimum" => value.as_i64().is_none_or(|v| Some(v) >= rule.as_i64()),
        "maximum" => value.as_i64().is_none_or(|v| Some(v) <= rule.as_i64()),
        "minLength" => value.as_str().is_none_or(|v| v.chars().count() >= size(rule)),
        "maxLength" => value.as_str().is_none_or(|v| v.chars().count() <= size(rule)),
        "minItems" => value.as_array().is_none_or(|v| v.len() >= size(rule)),
        "maxItems" => value.as_array().is_none_or(|v| v.len() <= size(rule)),
        "pattern" => {
            let prefix = rule.as_str().and_then(|r| r.strip_prefix('^')).expect("a pattern");
            value.as_str().is_none_or(|v| v.starts_with(prefix))
        }
        "items" => value.as_array().is_none_or(|v| v.iter().all(|item| allows(root, rule, item))),
        "required" => {
            let names = rule.as_array().expect("a list").iter().filter_map(Value::as_str);
            value.as_object().is_none_or(|v| names.into_iter().all(|name| v.contains_key(name)))
        }
        "properties" => value.as_object().is_none_or(|v| {
            v.iter().all(|(name, member)| rule.get(name).is_none_or(|rule| allows(root, rule, member)))
        }),
        "additionalProperties" => {
            assert_eq!(*rule, json!(false));
            let known = rules.get("properties").and_then(Value::as_object).expect("properties");
            value.as_object().is_none_or(|v| v.keys().all(|name| known.contains_key(name)))
        }
        "anyOf" => rule.as_array().expect("a list").iter().any(|rule| allows(root, rule, value)),
        other => panic!("keyword {other}"),
    })
}

#[test]
fn revocation_and_its_scopes_are_described() {
    let schema = schema();
    for (name, known) in [("revocation", REVOCATION_FIELDS), ("scope", SCOPE_FIELDS)] {
        let described = schema["$defs"][name]["properties"].as_object().expect("properties");
        let described: BTreeSet<&str> =
            described.keys().map(String::as_str).filter(|n| !n.starts_with('$')).collect();
        assert_eq!(described, known.iter().copied().collect(), "{name}");
    }
    let with = |revocation: Value| {
        let mut policy = json!({"issuers": [{"issuer": "i", "audiences": ["a"]}]});
        policy["revocation"] = revocation;
        Policy::from_json(policy.to_string().as_bytes())
    };
    // Every word that the schema lists is read, and another one refused.
    let revocation = &schema["$defs"]["revocation"]["properties"];
    let scope = &schema["$defs"]["scope"]["properties"];
    for word in revocation["scopes"]["items"]["anyOf"][0]["enum"].as_array().expect("names") {
        assert!(with(json!({"scopes": [word]})).is_ok(), "{word}");
    }
    for name in ["on_stale", "on_maybe"] {
        for word in revocation[name]["enum"].as_array().expect("words") {
            assert!(with(json!({"scopes": ["token"], name: word})).is_ok(), "{name} {word}");
        }
        assert!(with(json!({"scopes": ["token"], name: "another"})).is_err());
    }
    for name in ["kind", "values", "namespace", "missing"] {
        for word in scope[name]["enum"].as_array().expect("words") {
            assert!(
                with(json!({"scopes": [{"name": "x", "claims": ["x"], name: word}]})).is_ok(),
                "{name} {word}"
            );
        }
        assert!(with(json!({"scopes": [{"name": "x", "claims": ["x"], name: "another"}]})).is_err());
    }
    for word in scope["of"]["enum"].as_array().expect("words") {
        assert!(with(json!({"scopes": [{"name": "x", "of": word}]})).is_ok(), "{word}");
    }
    // Defaults and ranges.
    let bare = with(json!({"scopes": [{"name": "x", "claims": ["x"]}]})).expect("a policy");
    let shown: Value = serde_json::from_str(&bare.to_json()).expect("JSON");
    for (described, shown) in [(revocation, &shown["revocation"]), (scope, &shown["revocation"]["scopes"][0])]
    {
        for (name, field) in described.as_object().expect("properties") {
            if let Some(default) = field.get("default") {
                assert_eq!(shown[name], *default, "{name}");
            }
        }
    }
    let most = scope["max_lifetime_seconds"]["maximum"].as_u64().expect("a maximum");
    for (value, ok) in [(0, false), (1, true), (most, true), (most + 1, false)] {
        let scopes = json!({"scopes": [{"name": "x", "claims": ["x"], "max_lifetime_seconds": value}]});
        assert_eq!(with(scopes).is_ok(), ok, "{value}");
        let stale = json!({"scopes": ["token"], "max_staleness_seconds": value});
        assert_eq!(with(stale).is_ok(), ok, "{value}");
    }
}
