//! Whether a document is as its schema wants it.

use serde_json::{Map, Number, Value};

use super::read::escaped;
use super::{Mismatch, OutputSchema};

/// Schemas within schemas; a schema that refers to itself comes to an end here.
const DEPTH: u32 = 200;
/// Schemas that are looked at, for one answer.
const STEPS: u32 = 500_000;
/// Of a value in a message, in bytes.
const SHOWN_BYTES: usize = 60;

pub(super) fn matches(schema: &OutputSchema, answer: &Value) -> Result<(), Mismatch> {
    let mut check = Check { schema, steps: 0 };
    check.schema(&schema.root, answer, "", 0)
}

struct Check<'a> {
    schema: &'a OutputSchema,
    steps: u32,
}

/// One schema and one value, with what is needed to look further.
struct Here<'a> {
    keywords: &'a Map<String, Value>,
    value: &'a Value,
    at: &'a str,
    depth: u32,
}

impl Check<'_> {
    fn step(&mut self) -> Result<(), Mismatch> {
        self.steps += 1;
        match self.steps > STEPS {
            true => Err(Mismatch::TooMuch),
            false => Ok(()),
        }
    }

    fn schema(
        &mut self,
        schema: &Value,
        value: &Value,
        at: &str,
        depth: u32,
    ) -> Result<(), Mismatch> {
        self.step()?;
        if depth > DEPTH {
            return Err(Mismatch::TooMuch);
        }
        let keywords = match schema {
            Value::Object(keywords) => keywords,
            Value::Bool(false) => return Err(wrong(at, "must not be there")),
            _ => return Ok(()),
        };
        let here = Here {
            keywords,
            value,
            at,
            depth: depth + 1,
        };
        kind(&here)?;
        self.same_as(&here)?;
        match value {
            Value::Number(number) => in_range(&here, number)?,
            Value::String(text) => self.text(&here, text)?,
            Value::Array(items) => self.items(&here, items)?,
            Value::Object(fields) => self.fields(&here, fields)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(&here)
    }

    /// `enum` and `const`.
    fn same_as(&mut self, here: &Here<'_>) -> Result<(), Mismatch> {
        if let Some(wanted) = here.keywords.get("const")
            && !same(wanted, here.value)
        {
            return Err(wrong(here.at, format!("must be {}", shown(wanted))));
        }
        let Some(Value::Array(choices)) = here.keywords.get("enum") else {
            return Ok(());
        };
        for choice in choices {
            self.step()?;
            if same(choice, here.value) {
                return Ok(());
            }
        }
        let choices: Vec<String> = choices.iter().map(shown).collect();
        let choices = choices.join(", ");
        let choices = &choices[..choices.floor_char_boundary(5 * SHOWN_BYTES)];
        let fault = format!("is {}; it must be one of {choices}", shown(here.value));
        Err(wrong(here.at, fault))
    }

    fn text(&self, here: &Here<'_>, text: &str) -> Result<(), Mismatch> {
        within(here, "Length", text.chars().count(), "character")?;
        let Some(pattern) = here.keywords.get("pattern").and_then(Value::as_str) else {
            return Ok(());
        };
        let compiled = &self.schema.patterns[pattern];
        match compiled.is_match(text) {
            true => Ok(()),
            false => {
                let fault = format!("is {}; it must match `{pattern}`", shown(here.value));
                Err(wrong(here.at, fault))
            }
        }
    }

    fn items(&mut self, here: &Here<'_>, items: &[Value]) -> Result<(), Mismatch> {
        within(here, "Items", items.len(), "item")?;
        if here.keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            self.unique(here, items)?;
        }
        let first = here.keywords.get("prefixItems").and_then(Value::as_array);
        let first = first.map(Vec::as_slice).unwrap_or_default();
        let rest = here.keywords.get("items");
        for (number, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(number).or(rest) {
                self.schema(schema, item, &format!("{}/{number}", here.at), here.depth)?;
            }
        }
        let Some(schema) = here.keywords.get("contains") else {
            return Ok(());
        };
        for item in items {
            if self.holds(schema, item, here)? {
                return Ok(());
            }
        }
        Err(wrong(
            here.at,
            "has no item of the kind that it must contain",
        ))
    }

    fn unique(&mut self, here: &Here<'_>, items: &[Value]) -> Result<(), Mismatch> {
        for (number, item) in items.iter().enumerate() {
            for other in &items[..number] {
                self.step()?;
                if same(item, other) {
                    return Err(wrong(here.at, format!("has {} twice", shown(item))));
                }
            }
        }
        Ok(())
    }

    fn fields(&mut self, here: &Here<'_>, fields: &Map<String, Value>) -> Result<(), Mismatch> {
        within(here, "Properties", fields.len(), "field")?;
        let required = here.keywords.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        for name in required {
            if !fields.contains_key(name) {
                return Err(wrong(
                    here.at,
                    format!("has no `{name}`, which is required"),
                ));
            }
        }
        let properties = here.keywords.get("properties").and_then(Value::as_object);
        let others = here.keywords.get("additionalProperties");
        let names = here.keywords.get("propertyNames");
        for (name, value) in fields {
            let at = format!("{}/{}", here.at, escaped(name));
            if let Some(schema) = names {
                self.schema(schema, &Value::String(name.clone()), &at, here.depth)?;
            }
            let known = properties.and_then(|properties| properties.get(name));
            match (known, others) {
                (Some(schema), _) => self.schema(schema, value, &at, here.depth)?,
                (None, Some(Value::Bool(false))) => {
                    let fault = format!("has `{name}`, which the schema does not allow");
                    return Err(wrong(here.at, fault));
                }
                (None, Some(schema)) => self.schema(schema, value, &at, here.depth)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// What is put together of other schemas.
    fn combined(&mut self, here: &Here<'_>) -> Result<(), Mismatch> {
        let list = |keyword: &str| {
            let schemas = here.keywords.get(keyword).and_then(Value::as_array);
            schemas.map(Vec::as_slice).unwrap_or_default()
        };
        if let Some(target) = here.keywords.get("$ref").and_then(Value::as_str) {
            let root = &self.schema.root;
            let target = root.pointer(target.trim_start_matches('#'));
            let target = target.expect("it was looked for when the schema was read");
            self.schema(target, here.value, here.at, here.depth)?;
        }
        for schema in list("allOf") {
            self.schema(schema, here.value, here.at, here.depth)?;
        }
        self.any_of(here, list("anyOf"))?;
        self.one_of(here, list("oneOf"))?;
        if let Some(schema) = here.keywords.get("not")
            && self.holds(schema, here.value, here)?
        {
            return Err(wrong(here.at, "is what it must not be"));
        }
        let Some(condition) = here.keywords.get("if") else {
            return Ok(());
        };
        let branch = match self.holds(condition, here.value, here)? {
            true => "then",
            false => "else",
        };
        match here.keywords.get(branch) {
            Some(schema) => self.schema(schema, here.value, here.at, here.depth),
            None => Ok(()),
        }
    }

    fn any_of(&mut self, here: &Here<'_>, schemas: &[Value]) -> Result<(), Mismatch> {
        let mut last = None;
        for schema in schemas {
            match self.schema(schema, here.value, here.at, here.depth) {
                Ok(()) => return Ok(()),
                Err(Mismatch::TooMuch) => return Err(Mismatch::TooMuch),
                Err(mismatch) => last = Some(mismatch),
            }
        }
        match last {
            None => Ok(()),
            // Of one there is nothing to choose from.
            Some(mismatch) if schemas.len() == 1 => Err(mismatch),
            Some(mismatch) => {
                let fault = format!("is none of what it may be; the last: {mismatch}");
                Err(wrong(here.at, fault))
            }
        }
    }

    fn one_of(&mut self, here: &Here<'_>, schemas: &[Value]) -> Result<(), Mismatch> {
        let mut held = 0;
        for schema in schemas {
            held += usize::from(self.holds(schema, here.value, here)?);
        }
        match held {
            1 => Ok(()),
            _ if schemas.is_empty() => Ok(()),
            _ => {
                let fault = format!("is {held} of what it may be exactly one of");
                Err(wrong(here.at, fault))
            }
        }
    }

    fn holds(&mut self, schema: &Value, value: &Value, here: &Here<'_>) -> Result<bool, Mismatch> {
        match self.schema(schema, value, here.at, here.depth) {
            Ok(()) => Ok(true),
            Err(Mismatch::TooMuch) => Err(Mismatch::TooMuch),
            Err(_) => Ok(false),
        }
    }
}

fn kind(here: &Here<'_>) -> Result<(), Mismatch> {
    let is = |name: &str| match here.value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => name == "number" || (name == "integer" && is_whole(number)),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    };
    let names: Vec<&str> = match here.keywords.get("type") {
        None => return Ok(()),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(name) => name.as_str().into_iter().collect(),
    };
    match names.iter().any(|name| is(name)) {
        true => Ok(()),
        false => {
            let fault = format!(
                "is {}; it must be of type {}",
                shown(here.value),
                names.join(" or ")
            );
            Err(wrong(here.at, fault))
        }
    }
}

fn in_range(here: &Here<'_>, number: &Number) -> Result<(), Mismatch> {
    let number = number.as_f64().unwrap_or(f64::NAN);
    let bound = |keyword: &str| here.keywords.get(keyword).and_then(Value::as_f64);
    let fails = |keyword: &str, holds: fn(f64, f64) -> bool, word: &str| {
        let bound = bound(keyword).filter(|bound| !holds(number, *bound))?;
        let fault = format!("is {number}; it must be {word} {bound}");
        Some(wrong(here.at, fault))
    };
    let wrong = fails("minimum", |number, bound| number >= bound, "at least")
        .or_else(|| fails("maximum", |number, bound| number <= bound, "at most"))
        .or_else(|| fails("exclusiveMinimum", |number, bound| number > bound, "above"))
        .or_else(|| fails("exclusiveMaximum", |number, bound| number < bound, "below"))
        .or_else(|| fails("multipleOf", is_multiple, "a multiple of"));
    wrong.map_or(Ok(()), Err)
}

fn is_multiple(number: f64, of: f64) -> bool {
    let times = number / of;
    // What has no exact binary form, such as 0.1, is off by a little.
    (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
}

fn is_whole(number: &Number) -> bool {
    let fraction = number.as_f64().map(f64::fract);
    number.is_i64() || number.is_u64() || fraction == Some(0.0)
}

/// `min…` and `max…` of how many there are.
fn within(here: &Here<'_>, what: &str, count: usize, noun: &str) -> Result<(), Mismatch> {
    let bound = |end: &str| {
        let bound = here.keywords.get(&format!("{end}{what}"));
        bound.and_then(Value::as_u64)
    };
    let count = count as u64;
    let fault = match (bound("min"), bound("max")) {
        (Some(least), _) if count < least => {
            format!("has {count} {noun}s; at least {least} are wanted")
        }
        (_, Some(most)) if count > most => {
            format!("has {count} {noun}s; at most {most} are wanted")
        }
        (_, _) => return Ok(()),
    };
    Err(wrong(here.at, fault))
}

/// Whether two values are the same; 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_same = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(value, other))
            };
            one.len() == other.len() && one.iter().all(is_same)
        }
        (one, other) => one == other,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.len() {
        ..=SHOWN_BYTES => text,
        _ => format!("{}…", &text[..text.floor_char_boundary(SHOWN_BYTES)]),
    }
}

fn wrong(at: &str, fault: impl Into<String>) -> Mismatch {
    Mismatch::Part {
        pointer: at.to_owned(),
        fault: fault.into(),
    }
}
