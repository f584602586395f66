//! The list of invoices: tables with paging and a cap, or JSON.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::value::RawValue;

use super::{Flow, Row, State};
use crate::error::Error;
use crate::mech::Step;
use crate::mech::document::text_of;
use crate::net::Request;
use crate::profile::Rows;
use crate::template::Values;

impl Flow<'_> {
    /// All invoices from `since` to `until`; ranges at the portal's cap are split until no list
    /// is cut.
    pub fn list(&mut self, since: Date, until: Date) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        let mut ranges = vec![(since, until)];
        while let Some((from, to)) = ranges.pop() {
            let part = match &self.profile.list.rows {
                Rows::Json { .. } => self.list_json()?,
                Rows::Table { .. } => self.list_table(from, to)?,
            };
            let whole = matches!(self.profile.list.rows, Rows::Json { .. });
            if whole || self.profile.list.cap.is_none_or(|cap| part.len() < cap) {
                rows.extend(part);
                continue;
            }
            let days = from
                .until(to)
                .map(|span| span.get_days())
                .unwrap_or_default();
            if days <= 0 {
                let missing = format!("a list of {from} with fewer than {} rows", part.len());
                return Err(Self::changed("list", missing));
            }
            let middle = from.saturating_add((days / 2).days());
            ranges.push((from, middle));
            ranges.push((middle.saturating_add(1.day()), to));
        }
        rows.retain(|row| (since..=until).contains(&row.date));
        rows.sort_by(|a, b| (a.date, &a.number).cmp(&(b.date, &b.number)));
        rows.dedup();
        Ok(rows)
    }

    fn list_table(&mut self, since: Date, until: Date) -> Result<Vec<Row>, Error> {
        let profile = self.profile;
        let list = &profile.list;
        let step = Step {
            name: "list",
            hosts: &[],
        };
        for _ in 0..2 {
            self.browser.open(&list.url, step)?;
            match self.state()? {
                State::Good => break,
                State::SignedOut => self.sign_in()?,
            }
        }
        let mut values = Values {
            pattern: Some(list.dates.clone()),
            ..Values::default()
        };
        values.days.insert("since".to_owned(), since);
        values.days.insert("until".to_owned(), until);
        if let Some(form) = &list.form {
            self.submit(form, &values, step)?;
            if matches!(self.state()?, State::SignedOut) {
                return Err(self.person("signed out between search and list"));
            }
        }
        let mut rows = self.rows_of_page()?;
        self.keep_skeleton("list");
        while let Some(paging) = &list.paging {
            let more = self
                .browser
                .page()
                .is_some_and(|page| page.form(&paging.by).is_some());
            if !more || list.cap.is_some_and(|cap| rows.len() >= cap) {
                break;
            }
            self.submit(paging, &values, step)?;
            let next = self.rows_of_page()?;
            if next.is_empty() {
                break;
            }
            rows.extend(next);
        }
        Ok(rows)
    }

    fn rows_of_page(&self) -> Result<Vec<Row>, Error> {
        let list = &self.profile.list;
        let (
            Rows::Table {
                rows: selector,
                values,
            },
            Some(page),
        ) = (&list.rows, self.browser.page())
        else {
            return Ok(Vec::new());
        };
        let document = page.document();
        let mut rows = Vec::new();
        for element in document.select(&selector.selector) {
            let mut cells = BTreeMap::new();
            for (name, css) in values {
                if let Some(cell) = element.select(&css.selector).next() {
                    cells.insert(name.as_str(), text_of(cell));
                }
            }
            let cell = |name: &str| {
                cells.get(name).cloned().ok_or_else(|| {
                    let css = values.get(name).map_or("", |css| css.text.as_str());
                    Self::changed(
                        "list",
                        format!("{name} at `{css}` in a row of `{}`", selector.text),
                    )
                })
            };
            rows.push(self.row(
                cell("number")?,
                &cell("date")?,
                cell("amount")?,
                &cells,
                BTreeMap::new(),
            )?);
        }
        let empty = list
            .empty
            .as_ref()
            .is_some_and(|text| document.visible_text().contains(text));
        if rows.is_empty() && !empty {
            return Err(Self::changed(
                "list",
                format!("rows at `{}`", selector.text),
            ));
        }
        Ok(rows)
    }

    fn list_json(&mut self) -> Result<Vec<Row>, Error> {
        let profile = self.profile;
        let list = &profile.list;
        let Rows::Json {
            method,
            body,
            pointer,
            values,
        } = &list.rows
        else {
            return Ok(Vec::new());
        };
        let step = Step {
            name: "list",
            hosts: &[],
        };
        for _ in 0..2 {
            self.fetch_token()?;
            let request = match body {
                Some(body) => Request::post(
                    list.url.clone(),
                    "application/json",
                    body.clone().into_bytes(),
                ),
                None => Request::new(*method, list.url.clone()),
            };
            self.browser.go(request, step, true)?;
            match self.state()? {
                State::Good => break,
                State::SignedOut => self.sign_in()?,
            }
        }
        let Some(page) = self.browser.page() else {
            return Ok(Vec::new());
        };
        let text = page.text();
        let array = json_array(&text, pointer)
            .ok_or_else(|| Self::changed("list", format!("a JSON array at `{pointer}`")))?;
        let mut rows = Vec::new();
        for object in array {
            let fields: BTreeMap<String, String> = object
                .iter()
                .map(|(name, value)| (name.clone(), raw_text(value)))
                .collect();
            let cells: BTreeMap<&str, String> = values
                .iter()
                .filter_map(|(name, field)| Some((name.as_str(), fields.get(field)?.clone())))
                .collect();
            let cell = |name: &str| {
                cells.get(name).cloned().ok_or_else(|| {
                    Self::changed("list", format!("field `{}` of a row", values[name]))
                })
            };
            rows.push(self.row(
                cell("number")?,
                &cell("date")?,
                cell("amount")?,
                &cells,
                fields.clone(),
            )?);
        }
        Ok(rows)
    }

    fn row(
        &self,
        number: String,
        date: &str,
        amount: String,
        cells: &BTreeMap<&str, String>,
        fields: BTreeMap<String, String>,
    ) -> Result<Row, Error> {
        let list = &self.profile.list;
        let date = list
            .dates
            .parse(date)
            .ok_or_else(|| Self::changed("list", "a date in the profile's pattern".to_owned()))?;
        if number.is_empty() {
            return Err(Self::changed("list", "an invoice number".to_owned()));
        }
        Ok(Row {
            number,
            date,
            account: cells
                .get("account")
                .filter(|account| !account.is_empty())
                .cloned(),
            amount,
            currency: cells
                .get("currency")
                .cloned()
                .unwrap_or_else(|| list.currency.clone()),
            due: cells.get("due").and_then(|due| list.dates.parse(due)),
            fields,
        })
    }
}

/// Rows of flat objects, values as the text that stood there: an amount must not pass through a
/// float.
fn json_array<'t>(text: &'t str, pointer: &str) -> Option<Vec<BTreeMap<String, &'t RawValue>>> {
    let mut current: &'t RawValue = serde_json::from_str(text).ok()?;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        let object: BTreeMap<String, &'t RawValue> = serde_json::from_str(current.get()).ok()?;
        current = object.get(part)?;
    }
    serde_json::from_str(current.get()).ok()
}

fn raw_text(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_not_text| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_amounts_keep_their_digits() {
        let text = r#"{"data":{"rows":[{"invoiceAmount":90071992547409.93,"n":"0\u00311"}]}}"#;
        let rows = json_array(text, "/data/rows").unwrap();
        assert_eq!(raw_text(rows[0]["invoiceAmount"]), "90071992547409.93");
        assert_eq!(raw_text(rows[0]["n"]), "011");
        assert!(json_array("<html>", "").is_none());
        assert!(json_array("{}", "/data").is_none());
    }
}
