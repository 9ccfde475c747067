//! Schemas, and answers that match them or do not.

use outwork_api::output_schema::{Mismatch, OutputSchema, SchemaError};
use serde_json::{Value, json};

#[track_caller]
fn schema(schema: Value) -> OutputSchema {
    OutputSchema::of(schema).expect("a schema")
}

fn holds(wanted: &Value, answer: &Value) -> bool {
    schema(wanted.clone()).check(&answer.to_string()).is_ok()
}

/// A schema, what matches it, and what does not.
type Case = (Value, Vec<Value>, Vec<Value>);

fn kinds() -> Vec<Case> {
    vec![
        (json!({}), vec![json!(null), json!({"a": 1})], vec![]),
        (
            json!({"type": "integer"}),
            vec![json!(1), json!(-2), json!(3.0)],
            vec![json!(1.5), json!("1"), json!(true)],
        ),
        (
            json!({"type": "number"}),
            vec![json!(1), json!(1.5)],
            vec![json!("1"), json!(null)],
        ),
        (
            json!({"type": ["string", "null"]}),
            vec![json!("x"), json!(null)],
            vec![json!(0), json!([])],
        ),
        (
            json!({"type": "boolean"}),
            vec![json!(false)],
            vec![json!(0), json!("false")],
        ),
        (
            json!({"enum": ["low", 2]}),
            vec![json!("low"), json!(2.0)],
            vec![json!("high"), json!("2")],
        ),
        (
            json!({"const": {"a": [1]}}),
            vec![json!({"a": [1.0]})],
            vec![json!({"a": [1, 1]}), json!({})],
        ),
        (
            json!({"minLength": 2, "maxLength": 3}),
            vec![json!("äö"), json!("abc"), json!(1)],
            vec![json!("ä"), json!("abcd")],
        ),
        (
            json!({"pattern": "^v[0-9]+$"}),
            vec![json!("v12"), json!(1)],
            vec![json!("v"), json!("xv1")],
        ),
        (
            json!({"minimum": 1, "exclusiveMaximum": 3}),
            vec![json!(1), json!(2.9)],
            vec![json!(0), json!(3)],
        ),
        (
            json!({"exclusiveMinimum": 1, "maximum": 3}),
            vec![json!(1.1), json!(3)],
            vec![json!(1), json!(3.1)],
        ),
        (
            json!({"multipleOf": 0.1}),
            vec![json!(0.3), json!(7)],
            vec![json!(0.35)],
        ),
    ]
}

fn collections() -> Vec<Case> {
    let closed = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": false,
    });
    vec![
        (
            closed,
            vec![json!({"a": "x"})],
            vec![
                json!({}),
                json!({"a": 1}),
                json!({"a": "x", "b": 1}),
                json!([]),
            ],
        ),
        (
            json!({"additionalProperties": {"type": "integer"}, "properties": {"a": {}}}),
            vec![json!({"a": "x", "b": 1})],
            vec![json!({"b": "x"})],
        ),
        (
            json!({"minProperties": 1, "maxProperties": 2}),
            vec![json!({"a": 1})],
            vec![json!({}), json!({"a": 1, "b": 2, "c": 3})],
        ),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            vec![json!({"a": 1})],
            vec![json!({"ab": 1})],
        ),
        (
            json!({"items": {"type": "integer"}, "minItems": 1, "maxItems": 2}),
            vec![json!([1]), json!([1, 2])],
            vec![json!([]), json!([1, 2, 3]), json!(["x"])],
        ),
        (
            json!({"prefixItems": [{"type": "string"}], "items": false}),
            vec![json!(["x"]), json!([])],
            vec![json!([1]), json!(["x", 1])],
        ),
        (
            json!({"uniqueItems": true}),
            vec![json!([1, 2])],
            vec![json!([1, 1.0])],
        ),
        (
            json!({"contains": {"type": "null"}}),
            vec![json!([1, null])],
            vec![json!([1]), json!([])],
        ),
    ]
}

fn combinations() -> Vec<Case> {
    let list = json!({
        "$ref": "#/$defs/list",
        "$defs": {"list": {"anyOf": [
            {"type": "null"},
            {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/$defs/list"}}},
        ]}},
    });
    vec![
        (
            list,
            vec![json!(null), json!({"next": {"next": null}})],
            vec![json!(1), json!({"next": {"next": 1}}), json!({"next": {}})],
        ),
        (
            json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}),
            vec![json!(1)],
            vec![json!(0), json!(3)],
        ),
        (
            json!({"oneOf": [{"minimum": 1}, {"maximum": 2}]}),
            vec![json!(0), json!(3)],
            vec![json!(1)],
        ),
        (
            json!({"not": {"type": "string"}}),
            vec![json!(1)],
            vec![json!("x")],
        ),
        (
            json!({"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"type": "integer"}}),
            vec![json!("x"), json!(1)],
            vec![json!(""), json!(1.5)],
        ),
    ]
}

#[test]
fn each_keyword_takes_what_it_should_and_nothing_else() {
    for (wanted, right, wrong) in [kinds(), collections(), combinations()].concat() {
        for answer in right {
            assert!(holds(&wanted, &answer), "{answer} must match {wanted}");
        }
        for answer in wrong {
            assert!(!holds(&wanted, &answer), "{answer} must not match {wanted}");
        }
    }
}

#[test]
fn a_mismatch_says_where_and_what() {
    let report = schema(json!({
        "type": "object",
        "properties": {
            "files": {"type": "array", "items": {"type": "string"}},
            "risk": {"enum": ["low", "high"]},
        },
        "required": ["files", "risk"],
        "additionalProperties": false,
    }));
    let told = |answer: &str| report.check(answer).expect_err("no match").to_string();
    insta::assert_snapshot!(
        [
            told(""),
            told("Done, all tests pass."),
            told("[]"),
            told(r#"{"files": []}"#),
            told(r#"{"files": ["a", 1], "risk": "low"}"#),
            told(r#"{"files": [], "risk": "none"}"#),
            told(r#"{"files": [], "risk": "low", "more": 1}"#),
        ]
        .join("\n"),
        @r##"
        it is empty
        it is not JSON: expected value at line 1 column 1
        at the top: is []; it must be of type object
        at the top: has no `risk`, which is required
        /files/1: is 1; it must be of type string
        /risk: is "none"; it must be one of "low", "high"
        at the top: has `more`, which the schema does not allow
        "##
    );
}

#[test]
fn a_block_of_code_is_taken_for_what_is_in_it() {
    let any = schema(json!({"type": "object"}));
    for answer in ["{}", " {}\n", "```json\n{}\n```", "```\n{}\n```\n"] {
        assert_eq!(any.check(answer), Ok(json!({})), "{answer}");
    }
    for answer in ["```json\n{}", "Here it is:\n```json\n{}\n```", "{} {}"] {
        let checked = any.check(answer);
        assert!(matches!(checked, Err(Mismatch::NotJson(_))), "{answer}");
    }
}

#[test]
fn what_cannot_be_checked_is_no_schema() {
    let told = |text: &str| {
        OutputSchema::parse(text)
            .expect_err("no schema")
            .to_string()
    };
    insta::assert_snapshot!(
        [
            told("type: object"),
            told("[]"),
            told("true"),
            told(r#"{"type": "objekt"}"#),
            told(r#"{"properties": {"a/b": {"required": "x"}}}"#),
            told(r#"{"items": [{}]}"#),
            told(r#"{"anyOf": []}"#),
            told(r#"{"patternProperties": {}}"#),
            told(r#"{"pattern": "(?=a)b"}"#),
            told(r#"{"$ref": "https://example.com/schema"}"#),
            told(r##"{"$ref": "#/$defs/none"}"##),
            told(r##"{"$ref": "#/enum/0", "enum": [{"x": 1}]}"##),
        ]
        .join("\n"),
        @r##"
        it is not JSON: expected ident at line 1 column 2
        it is not a JSON Schema, which is an object such as {"type": "object"}
        it is not a JSON Schema, which is an object such as {"type": "object"}
        /type: must be the name of a type, or a list of them
        /properties/a~1b/required: must be a list of names
        /items: a schema is an object, true or false
        /anyOf: must be a list of schemas
        at the top: the keyword `patternProperties` cannot be checked; leave it out
        /pattern: is no pattern that can be checked: it is wrong, too large, or looks around
        /$ref: must point into the schema itself, such as `#/$defs/name`
        /$ref: there is no `#/$defs/none`
        /enum/0: the keyword `x` cannot be checked; leave it out
        "##
    );
    let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(64 * 1024));
    let fault = OutputSchema::parse(&long).expect_err("too long");
    assert!(matches!(fault, SchemaError::TooLarge { .. }), "{fault}");
}

#[test]
fn no_schema_and_no_answer_takes_for_ever() {
    let endless = [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"anyOf": [{"not": {"$ref": "#"}}, {"not": {"$ref": "#"}}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
    ];
    for wanted in endless {
        assert_eq!(
            schema(wanted.clone()).check("1"),
            Err(Mismatch::TooMuch),
            "{wanted}"
        );
    }
    let unique = schema(json!({"uniqueItems": true}));
    let many: Vec<u32> = (0..20_000).collect();
    assert_eq!(
        unique.check(&json!(many).to_string()),
        Err(Mismatch::TooMuch)
    );
    let pattern = schema(json!({"pattern": "^(a+)+$"}));
    let text = json!(format!("{}b", "a".repeat(50_000)));
    assert!(pattern.check(&text.to_string()).is_err());
    // Deeper than any reader of JSON goes.
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(
        schema(json!({})).check(&deep),
        Err(Mismatch::NotJson(_))
    ));
}
