//! Whether something is a schema, all of whose keywords can be checked.

use std::collections::{HashMap, HashSet};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::SchemaError;

/// Of a compiled pattern, in bytes.
const PATTERN_BYTES: usize = 1024 * 1024;
pub(super) const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// Goes through all of it; the patterns of its strings, compiled.
pub(super) fn patterns(root: &Value) -> Result<HashMap<String, Regex>, SchemaError> {
    if !root.is_object() {
        return Err(SchemaError::NotAnObject);
    }
    let mut reader = Reader {
        root,
        seen: HashSet::new(),
        patterns: HashMap::new(),
    };
    reader.schema(root, "")?;
    Ok(reader.patterns)
}

struct Reader<'a> {
    root: &'a Value,
    /// Places that a reference named.
    seen: HashSet<&'a str>,
    patterns: HashMap<String, Regex>,
}

impl<'a> Reader<'a> {
    fn schema(&mut self, schema: &'a Value, at: &str) -> Result<(), SchemaError> {
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(keywords) => keywords
                .iter()
                .try_for_each(|(keyword, value)| self.keyword(keyword, value, at)),
            _ => Err(fault(at, "a schema is an object, true or false")),
        }
    }

    fn keyword(&mut self, keyword: &str, value: &'a Value, at: &str) -> Result<(), SchemaError> {
        let here = format!("{at}/{keyword}");
        let wants = |is_right: bool, what: &str| match is_right {
            true => Ok(()),
            false => Err(fault(&here, &format!("must be {what}"))),
        };
        match keyword {
            "title" | "description" | "default" | "examples" | "format" | "deprecated"
            | "readOnly" | "writeOnly" | "$comment" | "$schema" | "const" => Ok(()),
            // References elsewhere would be relative to it.
            "$id" => wants(at.is_empty(), "at the top of the schema only"),
            "properties" | "$defs" | "definitions" => {
                let schemas = value.as_object();
                wants(schemas.is_some(), "an object of schemas")?;
                self.each(schemas.into_iter().flatten(), &here)
            }
            "items"
            | "additionalProperties"
            | "propertyNames"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else" => self.schema(value, &here),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                let schemas = value.as_array().map(Vec::as_slice).unwrap_or_default();
                wants(!schemas.is_empty(), "a list of schemas")?;
                let mut schemas = schemas.iter().enumerate();
                schemas.try_for_each(|(n, schema)| self.schema(schema, &format!("{here}/{n}")))
            }
            "type" => wants(is_type(value), "the name of a type, or a list of them"),
            "enum" => wants(value.is_array(), "a list"),
            "required" => {
                let names = value.as_array();
                let are_names = names.is_some_and(|names| names.iter().all(Value::is_string));
                wants(are_names, "a list of names")
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => wants(value.is_u64(), "a whole number, 0 or more"),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                wants(value.is_number(), "a number")
            }
            "multipleOf" => {
                let is_positive = value.as_f64().is_some_and(|number| number > 0.0);
                wants(is_positive, "a number above 0")
            }
            "uniqueItems" => wants(value.is_boolean(), "true or false"),
            "pattern" => self.pattern(value, &here),
            "$ref" => self.reference(value, &here),
            _ => {
                let what = format!("the keyword `{keyword}` cannot be checked; leave it out");
                Err(fault(at, &what))
            }
        }
    }

    fn each(
        &mut self,
        schemas: impl Iterator<Item = <&'a Map<String, Value> as IntoIterator>::Item>,
        at: &str,
    ) -> Result<(), SchemaError> {
        for (name, schema) in schemas {
            self.schema(schema, &format!("{at}/{}", escaped(name)))?;
        }
        Ok(())
    }

    fn pattern(&mut self, value: &Value, at: &str) -> Result<(), SchemaError> {
        let text = value
            .as_str()
            .ok_or_else(|| fault(at, "must be a pattern"))?;
        let pattern = RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
        let pattern = pattern.map_err(|_| {
            fault(
                at,
                "is no pattern that can be checked: it is wrong, too large, or looks around",
            )
        })?;
        self.patterns.insert(text.to_owned(), pattern);
        Ok(())
    }

    fn reference(&mut self, value: &'a Value, at: &str) -> Result<(), SchemaError> {
        let target = value.as_str().unwrap_or_default();
        let place = target.strip_prefix('#').ok_or_else(|| {
            fault(
                at,
                "must point into the schema itself, such as `#/$defs/name`",
            )
        })?;
        if !self.seen.insert(place) {
            return Ok(());
        }
        let schema = self
            .root
            .pointer(place)
            .ok_or_else(|| fault(at, &format!("there is no `{target}`")))?;
        self.schema(schema, place)
    }
}

fn is_type(value: &Value) -> bool {
    let is_name = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    match value {
        Value::Array(names) => !names.is_empty() && names.iter().all(is_name),
        name => is_name(name),
    }
}

fn fault(pointer: &str, fault: &str) -> SchemaError {
    SchemaError::Part {
        pointer: pointer.to_owned(),
        fault: fault.to_owned(),
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
