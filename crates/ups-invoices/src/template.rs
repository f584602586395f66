//! Texts of a profile with names in braces, and JSON bodies made of them.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::day::DatePattern;

/// Values that a template can name.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Simple names: `number`, `account`, `username`, `password`, `totp`.
    pub texts: BTreeMap<String, String>,
    /// Days: `date`, `since`, `until`, in the list's own pattern unless one follows the name.
    pub days: BTreeMap<String, Date>,
    /// Fields of the invoice's JSON row, as the text that stood there.
    pub fields: BTreeMap<String, String>,
    /// The list's date pattern.
    pub pattern: Option<DatePattern>,
    /// Lookup tables of the profile.
    pub lookup: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Text(String),
    Day {
        name: String,
        pattern: Option<DatePattern>,
    },
    Field {
        name: String,
        optional: bool,
    },
    Number(String),
    Lookup {
        table: String,
        field: String,
    },
}

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

const TEXTS: [&str; 5] = ["number", "account", "username", "password", "totp"];
const DAYS: [&str; 3] = ["date", "since", "until"];

impl Template {
    /// Reads a template; `{{` and `}}` stand for braces.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut literal = String::new();
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            if rest[at + 1..].starts_with(brace) {
                literal.push_str(brace);
                rest = &rest[at + 2..];
                continue;
            }
            let end = rest[at..].find('}').filter(|_| brace == "{");
            let end = end.ok_or_else(|| format!("a lone brace in `{text}`"))? + at;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece(&rest[at + 1..end])?);
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Whether it names a simple text.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Text(known) if known == name))
    }

    /// The text; `None` where an optional field is absent. Each value passes `escape`.
    pub fn fill(
        &self,
        values: &Values,
        escape: impl Fn(&str) -> String,
    ) -> Result<Option<String>, String> {
        let mut text = String::new();
        for piece in &self.0 {
            let value = match piece {
                Piece::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Piece::Text(name) => values
                    .texts
                    .get(name)
                    .cloned()
                    .ok_or_else(|| format!("there is no {name} here"))?,
                Piece::Day { name, pattern } => {
                    let day = values
                        .days
                        .get(name)
                        .ok_or_else(|| format!("there is no {name} here"))?;
                    match pattern.as_ref().or(values.pattern.as_ref()) {
                        Some(pattern) => pattern.format(*day),
                        None => day.to_string(),
                    }
                }
                Piece::Field { name, optional } => match values.fields.get(name) {
                    Some(value) if value != "null" && !(value.is_empty() && *optional) => {
                        value.clone()
                    }
                    _ if *optional => return Ok(None),
                    _ => return Err(format!("the list's row has no field `{name}`")),
                },
                Piece::Number(name) => {
                    let value = values.fields.get(name);
                    js_number(value.ok_or_else(|| format!("the list's row has no field `{name}`"))?)
                }
                Piece::Lookup { table, field } => {
                    let value = values.fields.get(field);
                    let value =
                        value.ok_or_else(|| format!("the list's row has no field `{field}`"))?;
                    let found = values.lookup.get(table).and_then(|table| table.get(value));
                    found.unwrap_or(value).clone()
                }
            };
            text.push_str(&escape(&value));
        }
        Ok(Some(text))
    }
}

/// A JSON body from a TOML value whose strings are templates; a key whose value is an absent
/// optional field is left out.
pub fn json(template: &toml::Value, values: &Values) -> Result<serde_json::Value, String> {
    Ok(filled(template, values)?.unwrap_or(serde_json::Value::Null))
}

fn filled(template: &toml::Value, values: &Values) -> Result<Option<serde_json::Value>, String> {
    use serde_json::Value as Json;
    Ok(Some(match template {
        toml::Value::String(text) => match Template::new(text)?.fill(values, str::to_owned)? {
            Some(text) => Json::String(text),
            None => return Ok(None),
        },
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Boolean(flag) => Json::from(*flag),
        toml::Value::Array(items) => Json::Array(
            items
                .iter()
                .filter_map(|i| filled(i, values).transpose())
                .collect::<Result<_, _>>()?,
        ),
        toml::Value::Table(table) => {
            let mut object = serde_json::Map::new();
            for (key, value) in table {
                if let Some(value) = filled(value, values)? {
                    object.insert(key.clone(), value);
                }
            }
            Json::Object(object)
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) => {
            return Err(
                "a JSON template has strings, whole numbers, booleans, lists and tables".to_owned(),
            );
        }
    }))
}

fn piece(text: &str) -> Result<Piece, String> {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    let field = || {
        if argument.is_empty() {
            Err(format!("{{{name}:..}} needs a field name"))
        } else {
            Ok(argument.to_owned())
        }
    };
    match name {
        _ if TEXTS.contains(&name) => Ok(Piece::Text(name.to_owned())),
        _ if DAYS.contains(&name) => {
            let pattern = (!argument.is_empty())
                .then(|| DatePattern::new(argument))
                .transpose()?;
            Ok(Piece::Day {
                name: name.to_owned(),
                pattern,
            })
        }
        "field" => Ok(Piece::Field {
            name: field()?,
            optional: false,
        }),
        "field?" => Ok(Piece::Field {
            name: field()?,
            optional: true,
        }),
        "js_number" => Ok(Piece::Number(field()?)),
        "lookup" => match argument.split_once(':') {
            Some((table, field)) => Ok(Piece::Lookup {
                table: table.to_owned(),
                field: field.to_owned(),
            }),
            None => Err("{lookup:TABLE:FIELD} needs both".to_owned()),
        },
        _ => Err(format!(
            "no value `{name}`; there are {}, {}, field:NAME, field?:NAME, js_number:NAME, lookup:TABLE:NAME",
            TEXTS.join(", "),
            DAYS.join(", ")
        )),
    }
}

/// A JSON number as JavaScript prints it: `27.0` is `27`, `2.730` is `2.73`.
fn js_number(text: &str) -> String {
    let text = text.trim_matches('"');
    if !text.contains('.') || text.contains(['e', 'E']) {
        return text.to_owned();
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn values() -> Values {
        let pairs = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        Values {
            texts: pairs(&[("number", "00 1&2"), ("password", "p")]),
            days: BTreeMap::from([("date".to_owned(), date(2026, 2, 4))]),
            fields: pairs(&[
                ("invoiceAmount", "27.0"),
                ("invoiceType", "100"),
                ("planNumber", "null"),
            ]),
            pattern: Some(DatePattern::new("MM/DD/YYYY").unwrap()),
            lookup: BTreeMap::from([("types".to_owned(), pairs(&[("100", "EXPORT")]))]),
        }
    }

    #[test]
    fn templates_fill_in_order() {
        for (template, wanted) in [
            ("x={number}&d={date}", "x=00 1&2&d=02/04/2026"),
            ("{date:DD/MM/YY}", "04/02/26"),
            ("{{{js_number:invoiceAmount}}}", "{27}"),
            ("{lookup:types:invoiceType}", "EXPORT"),
            ("", ""),
        ] {
            let filled = Template::new(template)
                .unwrap()
                .fill(&values(), str::to_owned)
                .unwrap();
            assert_eq!(filled.as_deref(), Some(wanted), "{template}");
        }
        assert!(
            Template::new("{totp}")
                .unwrap()
                .fill(&values(), str::to_owned)
                .is_err()
        );
    }

    #[test]
    fn mistakes_are_found_before_they_are_used() {
        for bad in [
            "{",
            "}",
            "{nonsense}",
            "{lookup:types}",
            "{field}",
            "{date:MM}",
        ] {
            assert!(Template::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_bodies_leave_absent_optionals_out() {
        let template: toml::Value = toml::from_str(
            "locale = \"en-US\"\ninvoices = [{ amount = \"{js_number:invoiceAmount}\", plan = \"{field?:planNumber}\", inv = \"{field?:none}\" }]",
        )
        .unwrap();
        let body = json(&template, &values()).unwrap();
        assert_eq!(
            body.to_string(),
            r#"{"invoices":[{"amount":"27"}],"locale":"en-US"}"#
        );
    }

    #[test]
    fn numbers_are_printed_as_javascript_does() {
        for (text, wanted) in [
            ("27.0", "27"),
            ("2.730", "2.73"),
            ("2.73", "2.73"),
            ("0", "0"),
            ("-5.50", "-5.5"),
        ] {
            assert_eq!(js_number(text), wanted);
        }
    }
}
