use proptest::prelude::*;

use super::slow::Tree;
use super::{JsonError, Kind, OwnedDocument, slow};
use crate::codec::pointer::ClaimPath;

fn tree(json: &[u8]) -> Result<Tree, JsonError> {
    OwnedDocument::parse(json).map(|d| Tree::from(d.root()))
}

#[track_caller]
fn agrees(json: &[u8]) {
    assert_eq!(tree(json).ok(), slow::parse(json), "{:?}", String::from_utf8_lossy(json));
}

#[test]
fn values_are_read_as_written() {
    let document = OwnedDocument::parse(
        br#" { "a" : [ 1 , -2.5e3, true, false, null, "\u00e9\ud83d\ude00\n" ] , "b":{"c":{}} ,"":[] } "#,
    )
    .expect("valid");
    let root = document.root();
    let items: Vec<_> = root.member("a").and_then(|a| a.items()).expect("array").collect();
    assert_eq!(items.len(), 6);
    assert_eq!(items[0].as_i64(), Some(1));
    assert_eq!(items[1].as_i64(), None);
    assert_eq!(items[1].as_f64(), Some(-2500.0));
    assert_eq!(items[2].as_bool(), Some(true));
    assert_eq!(items[3].as_bool(), Some(false));
    assert!(items[4].is_null());
    assert_eq!(items[5].as_str(), Some("é😀\n"));
    let at = |path: &str| root.at(&ClaimPath::new(path).expect("path"));
    assert_eq!(at("/b/c").map(|v| v.kind()), Some(Kind::Object));
    assert_eq!(at("/a/0").and_then(|v| v.as_u64()), Some(1));
    assert!(at("/a/00").is_none() && at("/a/6").is_none() && at("/a/+0").is_none() && at("/a/0/x").is_none());
    assert_eq!(root.to_string(), r#"{"a":[1,-2.5e3,true,false,null,"é😀\n"],"b":{"c":{}},"":[]}"#);
}

#[test]
fn duplicate_names_are_refused_at_every_level_and_however_they_are_spelled() {
    for json in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"x":{"alg":1,"b":2,"\u0061lg":3}}"#,
        r#"[{"":1,"":1}]"#,
        r#"{"longer-than-eight-1":1,"longer-than-eight-2":2,"longer-than-eight-1":3}"#,
    ] {
        assert_eq!(tree(json.as_bytes()), Err(JsonError::DuplicateMember), "{json}");
    }
    // The same name on different levels, and names that share their hash, are no duplicates.
    let mut many = String::from("{\"a\":{\"a\":{\"a\":1}}");
    for i in 0..200 {
        many.push_str(&format!(",\"name-{i}\":[{{\"a\":1}}]"));
    }
    many.push('}');
    assert!(tree(many.as_bytes()).is_ok());
    let again = many.replace("\"name-199\"", "\"name-7\"");
    assert_eq!(tree(again.as_bytes()), Err(JsonError::DuplicateMember));
}

#[test]
fn limits_hold() {
    let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
    assert!(tree(&nested(32)).is_ok());
    assert_eq!(tree(&nested(33)), Err(JsonError::TooLarge));
    assert_eq!(tree(&nested(10_000)), Err(JsonError::TooLarge));
    let members = |n: usize| {
        let list: Vec<String> = (0..n).map(|i| format!("\"{i}\":0")).collect();
        format!("{{{}}}", list.join(",")).into_bytes()
    };
    assert!(tree(&members(256)).is_ok());
    assert_eq!(tree(&members(257)), Err(JsonError::TooLarge));
    let mut long = vec![b'"'];
    long.resize(1 << 20, b'x');
    long.push(b'"');
    assert_eq!(tree(&long), Err(JsonError::TooLarge));
}

#[test]
fn malformed_documents_are_refused_like_the_twin_refuses_them() {
    for json in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "-",
        "-01",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "Infinity",
        "tru",
        "truex",
        "nul",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\\u0000\"",
        "\"\u{1}\"",
        "\"\n\"",
        "1 2",
        "{} {}",
        "//x\n1",
        "[1 2]",
        "{\"a\" 1}",
        "\u{feff}1",
        "nulll",
        "\"\\u+123\"",
        "[\"a\"x]",
        "\0",
        "1\0",
    ] {
        agrees(json.as_bytes());
        assert_eq!(slow::parse(json.as_bytes()), None, "{json:?}");
    }
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc3\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc3\\n\xa9\"",
        b"\xef\xbb\xbf1",
    ] {
        agrees(bytes);
        assert_eq!(slow::parse(bytes), None, "{bytes:?}");
    }
}

#[test]
fn well_formed_documents_are_read_like_the_twin_reads_them() {
    for json in [
        "0",
        "-0",
        "1e400",
        "123456789012345678901234567890",
        "0.000",
        "1E-7",
        "\"\"",
        "[]",
        "{}",
        " \t\r\n1 ",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00\"",
        "\"\u{7f}é€😀\"",
        "[[],[[]],{}]",
        "{\"a\\u0062\":\"\\u0061b\\n\",\"\":1}",
        "\"\\u001f\"",
        "\"a\\nb\\nc\\nd 0123456789abcdef0123456789abcdef\"",
    ] {
        agrees(json.as_bytes());
        assert!(slow::parse(json.as_bytes()).is_some(), "{json:?}");
    }
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(|n| Tree::Number(n.to_string())),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?".prop_map(Tree::Number),
        "[^\0]{0,40}".prop_map(Tree::String),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Tree::Array),
            proptest::collection::btree_map("[^\0]{0,12}", inner, 0..8)
                .prop_map(|m| Tree::Object(m.into_iter().collect())),
        ]
    })
}

/// Writes a tree with escapes and spaces chosen by `noise`.
fn write(tree: &Tree, noise: &mut impl Iterator<Item = u8>, out: &mut String) {
    let mut n = || noise.next().unwrap_or(0);
    let string = |s: &str, n: &mut dyn FnMut() -> u8, out: &mut String| {
        out.push('"');
        for c in s.chars() {
            if c < ' ' || matches!(c, '"' | '\\') || n().is_multiple_of(5) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                out.push(c);
            }
        }
        out.push('"');
    };
    let space = |n: &mut dyn FnMut() -> u8, out: &mut String| {
        if n().is_multiple_of(4) {
            out.push_str([" ", "\n", "\t\r", "  "][usize::from(n() % 4)]);
        }
    };
    space(&mut n, out);
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Bool(b) => out.push_str(&b.to_string()),
        Tree::Number(text) => out.push_str(text),
        Tree::String(s) => string(s, &mut n, out),
        Tree::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, noise, out);
            }
            out.push(']');
        }
        Tree::Object(members) => {
            out.push('{');
            for (i, (name, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                let mut n = || noise.next().unwrap_or(0);
                space(&mut n, out);
                string(name, &mut n, out);
                space(&mut n, out);
                out.push(':');
                write(value, noise, out);
            }
            out.push('}');
        }
    }
    out.push_str(["", " ", "", "\n"][usize::from(noise.next().unwrap_or(0) % 4)]);
}

proptest! {
    #[test]
    fn written_trees_are_read_back(tree_in in any_tree(), noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut json = String::new();
        write(&tree_in, &mut noise.into_iter(), &mut json);
        prop_assert_eq!(slow::parse(json.as_bytes()), Some(tree_in.clone()));
        let document = OwnedDocument::parse(json.as_bytes()).expect("valid");
        prop_assert_eq!(&Tree::from(document.root()), &tree_in);
        // What is written out reads back as the same tree.
        let compact = document.root().to_string();
        prop_assert_eq!(slow::parse(compact.as_bytes()), Some(tree_in));
    }

    #[test]
    fn mutated_documents_agree_with_the_twin(
        tree_in in any_tree(),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let mut json = String::new();
        write(&tree_in, &mut noise.into_iter(), &mut json);
        let mut bytes = json.into_bytes();
        for (at, byte, how) in changes {
            let at = at % bytes.len().max(1);
            match how {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 if !bytes.is_empty() => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        prop_assert_eq!(tree(&bytes).ok(), slow::parse(&bytes));
    }

    #[test]
    fn text_near_json_agrees_with_the_twin(json in r#"[\[\]{}:,"\\a\-01e. utrueflsn]{0,30}"#) {
        prop_assert_eq!(tree(json.as_bytes()).ok(), slow::parse(json.as_bytes()));
    }

    /// simd-json is the third opinion: it accepts whatever we accept, and reads the same.
    #[test]
    fn simd_json_reads_the_same(tree_in in any_tree()) {
        let mut json = String::new();
        write(&tree_in, &mut core::iter::empty(), &mut json);
        let ours = tree(json.as_bytes());
        if let Ok(theirs) = simd_json::to_owned_value(&mut json.clone().into_bytes()) {
            prop_assert_eq!(ours.map(|t| shape(&t)), Ok(simd_shape(&theirs)));
        }
    }
}

/// A tree without the spelling of its numbers, for comparison with a parser that converts them.
fn shape(tree: &Tree) -> String {
    match tree {
        Tree::Null => "null".into(),
        Tree::Bool(b) => b.to_string(),
        Tree::Number(_) => "number".into(),
        Tree::String(s) => format!("{s:?}"),
        Tree::Array(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(",")),
        Tree::Object(members) => {
            let mut list: Vec<_> = members.iter().map(|(n, v)| format!("{n:?}:{}", shape(v))).collect();
            list.sort();
            format!("{{{}}}", list.join(","))
        }
    }
}

fn simd_shape(value: &simd_json::OwnedValue) -> String {
    use simd_json::OwnedValue as V;
    match value {
        V::Static(simd_json::StaticNode::Null) => "null".into(),
        V::Static(simd_json::StaticNode::Bool(b)) => b.to_string(),
        V::Static(_) => "number".into(),
        V::String(s) => format!("{s:?}"),
        V::Array(items) => format!("[{}]", items.iter().map(simd_shape).collect::<Vec<_>>().join(",")),
        V::Object(members) => {
            let mut list: Vec<_> = members.iter().map(|(n, v)| format!("{n:?}:{}", simd_shape(v))).collect();
            list.sort();
            format!("{{{}}}", list.join(","))
        }
    }
}
