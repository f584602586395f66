//! Forms and the rules of HTML for what a submitted form sends.

use ego_tree::NodeId;
use encoding_rs::Encoding;
use scraper::ElementRef;
use url::Url;
use url::form_urlencoded;

use super::document::{Document, text_of};
use crate::net::{Method, Request};

/// How to find a form on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormBy {
    /// Its `id`.
    Id(String),
    /// Its `name`.
    Name(String),
    /// It has a control of this name.
    HasField(String),
}

impl std::fmt::Display for FormBy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(out, "form#{id}"),
            Self::Name(name) => write!(out, "form[name={name}]"),
            Self::HasField(field) => write!(out, "form with field `{field}`"),
        }
    }
}

/// Why a form cannot be filled or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// No control has this name.
    #[error("no field `{0}`")]
    NoField(String),
    /// A choice does not offer this value.
    #[error("field `{field}` does not offer `{value}`")]
    NoChoice {
        /// Name of the field.
        field: String,
        /// The value.
        value: String,
    },
    /// No submit button of this name, id or label.
    #[error("no submit button `{0}`")]
    NoButton(String),
    /// It points nowhere.
    #[error("its action `{0}` is no address")]
    Action(String),
    /// A way of sending that is not supported.
    #[error("it is sent as `{0}`, which is not supported")]
    Encoding(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    TextArea,
    Check {
        checked: bool,
        radio: bool,
    },
    Select {
        multiple: bool,
        options: Vec<Choice>,
    },
    Submit {
        action: Option<String>,
        method: Option<String>,
        label: String,
        image: bool,
    },
    /// Buttons that submit nothing, file inputs.
    Silent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    value: String,
    label: String,
    selected: bool,
    disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Control {
    name: String,
    id: String,
    value: String,
    disabled: bool,
    kind: Kind,
}

/// A form, apart from its page.
#[derive(Debug, Clone)]
pub struct Form {
    action: String,
    method: String,
    enctype: String,
    controls: Vec<Control>,
    encoding: &'static Encoding,
    page: Url,
    base: Url,
}

impl Form {
    /// Finds a form on a page that came from `page` in `encoding`.
    #[must_use]
    pub fn find(
        document: &Document,
        by: &FormBy,
        page: &Url,
        encoding: &'static Encoding,
    ) -> Option<Self> {
        let base = document.base().and_then(|base| page.join(base).ok());
        let base = base.unwrap_or_else(|| page.clone());
        document
            .elements()
            .filter(|element| element.value().name() == "form")
            .map(|form| {
                let attribute = |name| form.value().attr(name).unwrap_or_default().to_owned();
                let read = Self {
                    action: attribute("action"),
                    method: attribute("method"),
                    enctype: attribute("enctype"),
                    controls: controls(document, form.id()),
                    encoding,
                    page: page.clone(),
                    base: base.clone(),
                };
                (form, read)
            })
            .find(|(form, read)| match by {
                FormBy::Id(id) => form.value().attr("id") == Some(id),
                FormBy::Name(name) => form.value().attr("name") == Some(name),
                FormBy::HasField(field) => read.controls.iter().any(|c| c.name == *field),
            })
            .map(|(_, read)| read)
    }

    /// Sets a field. Boxes take `on` and `off` or their value; radios and selects take one of
    /// their values, selects also a label.
    pub fn fill(&mut self, field: &str, value: &str) -> Result<(), FormError> {
        let mut found = false;
        let mut chosen = false;
        for control in self
            .controls
            .iter_mut()
            .filter(|control| control.name == field)
        {
            match &mut control.kind {
                Kind::Text | Kind::TextArea => {
                    value.clone_into(&mut control.value);
                    return Ok(());
                }
                Kind::Check { checked, radio } => {
                    found = true;
                    let mine = control.value == value;
                    if *radio {
                        *checked = mine;
                        chosen |= mine;
                    } else if mine || value == "on" || value == "off" {
                        *checked = value != "off";
                        chosen = true;
                    }
                }
                Kind::Select { multiple, options } => {
                    found = true;
                    let wanted = options
                        .iter()
                        .position(|option| option.value == value)
                        .or_else(|| options.iter().position(|option| option.label == value));
                    for (index, option) in options.iter_mut().enumerate() {
                        option.selected = wanted == Some(index) || *multiple && option.selected;
                    }
                    chosen |= wanted.is_some();
                }
                Kind::Submit { .. } | Kind::Silent => {}
            }
        }
        match (found, chosen) {
            (_, true) => Ok(()),
            (true, false) => Err(FormError::NoChoice {
                field: field.to_owned(),
                value: value.to_owned(),
            }),
            (false, false) => Err(FormError::NoField(field.to_owned())),
        }
    }

    /// The value of a field as it would be sent.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<String> {
        let pairs = self.pairs(None);
        pairs
            .into_iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value)
    }

    /// The request that pressing `button` sends; `None` presses Enter, which uses the first
    /// enabled submit button.
    pub fn submit(&self, button: Option<&str>) -> Result<Request, FormError> {
        let pressed = match button {
            Some(wanted) => Some(
                self.controls
                    .iter()
                    .position(|control| {
                        let label = match &control.kind {
                            Kind::Submit { label, .. } if !control.disabled => label,
                            _ => return false,
                        };
                        [&control.name, &control.id, label, &control.value]
                            .iter()
                            .any(|text| text.as_str() == wanted)
                    })
                    .ok_or_else(|| FormError::NoButton(wanted.to_owned()))?,
            ),
            None => self.controls.iter().position(|control| {
                matches!(control.kind, Kind::Submit { .. }) && !control.disabled
            }),
        };
        let (action, method) = match pressed.map(|index| &self.controls[index].kind) {
            Some(Kind::Submit { action, method, .. }) => (
                action.as_deref().unwrap_or(&self.action),
                method.as_deref().unwrap_or(&self.method),
            ),
            _ => (self.action.as_str(), self.method.as_str()),
        };
        // An empty action is the page itself, not its base.
        let target = if action.trim().is_empty() {
            Ok(self.page.clone())
        } else {
            self.base.join(action.trim())
        };
        let mut target = target.map_err(|_parse| FormError::Action(action.to_owned()))?;
        target.set_fragment(None);
        let pairs = self.pairs(pressed);
        let encoded = self.encode(&pairs);
        if method.eq_ignore_ascii_case("post") {
            if !self.enctype.is_empty()
                && !self
                    .enctype
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            {
                return Err(FormError::Encoding(self.enctype.clone()));
            }
            return Ok(Request::post(
                target,
                "application/x-www-form-urlencoded",
                encoded.into_bytes(),
            ));
        }
        target.set_query(Some(&encoded));
        Ok(Request::new(Method::Get, target))
    }

    /// Successful controls in page order.
    fn pairs(&self, pressed: Option<usize>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (index, control) in self.controls.iter().enumerate() {
            if control.disabled {
                continue;
            }
            let mut push = |value: &str| {
                if !control.name.is_empty() {
                    pairs.push((control.name.clone(), value.to_owned()));
                }
            };
            match &control.kind {
                Kind::Text | Kind::Check { checked: true, .. } => push(&control.value),
                Kind::TextArea => {
                    let unix = control.value.replace("\r\n", "\n").replace('\r', "\n");
                    push(&unix.replace('\n', "\r\n"));
                }
                Kind::Select { multiple, options } => {
                    let mut selected: Vec<&Choice> = options
                        .iter()
                        .filter(|o| o.selected && !o.disabled)
                        .collect();
                    if !multiple {
                        // The last selected one wins; without any, the first enabled one.
                        let first = options.iter().find(|option| !option.disabled);
                        selected = selected.pop().or(first).into_iter().collect();
                    }
                    for option in selected {
                        push(&option.value);
                    }
                }
                Kind::Submit { image, .. } if pressed == Some(index) => {
                    if *image {
                        let prefix = if control.name.is_empty() {
                            String::new()
                        } else {
                            format!("{}.", control.name)
                        };
                        pairs.push((format!("{prefix}x"), "0".to_owned()));
                        pairs.push((format!("{prefix}y"), "0".to_owned()));
                    } else {
                        push(&control.value);
                    }
                }
                Kind::Check { checked: false, .. } | Kind::Submit { .. } | Kind::Silent => {}
            }
        }
        pairs
    }

    /// In the page's character set, as browsers do; what it lacks goes as `&#number;`.
    fn encode(&self, pairs: &[(String, String)]) -> String {
        let encode = |text: &str| -> String {
            let bytes = self.encoding.output_encoding().encode(text).0;
            form_urlencoded::byte_serialize(&bytes).collect()
        };
        let encoded: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        encoded.join("&")
    }
}

fn controls(document: &Document, form: NodeId) -> Vec<Control> {
    document
        .elements()
        .filter(|element| {
            matches!(
                element.value().name(),
                "input" | "select" | "textarea" | "button"
            )
        })
        .filter(|element| belongs(document, *element, form))
        .map(control)
        .collect()
}

fn belongs(document: &Document, element: ElementRef<'_>, form: NodeId) -> bool {
    match document.owner(element) {
        Some(owner) => owner == form,
        // `form=` that names nothing belongs nowhere, whatever surrounds it.
        None if element.value().attr("form").is_some() => false,
        None => element.ancestors().any(|ancestor| ancestor.id() == form),
    }
}

fn control(element: ElementRef<'_>) -> Control {
    let attribute = |name: &str| element.value().attr(name);
    let owned = |name: &str| attribute(name).map(str::to_owned);
    let kind_name = attribute("type").unwrap_or_default().to_ascii_lowercase();
    let mut value = attribute("value").unwrap_or_default().to_owned();
    let submit = |image| Kind::Submit {
        action: owned("formaction"),
        method: owned("formmethod"),
        label: text_of(element),
        image,
    };
    let kind = match (element.value().name(), kind_name.as_str()) {
        ("select", _) => Kind::Select {
            multiple: attribute("multiple").is_some(),
            options: element
                .descendants()
                .filter_map(ElementRef::wrap)
                .filter(|option| option.value().name() == "option")
                .map(choice)
                .collect(),
        },
        ("textarea", _) => {
            value = element.text().collect();
            Kind::TextArea
        }
        ("button", "" | "submit") | ("input", "submit") => submit(false),
        ("input", "image") => submit(true),
        ("button", _) | ("input", "button" | "reset" | "file") => Kind::Silent,
        ("input", "checkbox" | "radio") => {
            if attribute("value").is_none() {
                "on".clone_into(&mut value);
            }
            Kind::Check {
                checked: attribute("checked").is_some(),
                radio: kind_name == "radio",
            }
        }
        _ => Kind::Text,
    };
    Control {
        name: attribute("name").unwrap_or_default().to_owned(),
        id: attribute("id").unwrap_or_default().to_owned(),
        value,
        disabled: attribute("disabled").is_some() || in_disabled_fieldset(element),
        kind,
    }
}

fn choice(option: ElementRef<'_>) -> Choice {
    let label = text_of(option);
    let group_disabled = option
        .ancestors()
        .filter_map(ElementRef::wrap)
        .any(|ancestor| {
            ancestor.value().name() == "optgroup" && ancestor.value().attr("disabled").is_some()
        });
    Choice {
        value: option.value().attr("value").unwrap_or(&label).to_owned(),
        label,
        selected: option.value().attr("selected").is_some(),
        disabled: option.value().attr("disabled").is_some() || group_disabled,
    }
}

/// A disabled fieldset disables all in it but what its first legend holds.
fn in_disabled_fieldset(element: ElementRef<'_>) -> bool {
    let mut inside = element.id();
    let mut legend = None;
    for ancestor in element.ancestors().filter_map(ElementRef::wrap) {
        let value = ancestor.value();
        if value.name() == "legend" {
            legend = Some(ancestor.id());
        }
        if value.name() == "fieldset" && value.attr("disabled").is_some() {
            let first_legend = ancestor
                .children()
                .filter_map(ElementRef::wrap)
                .find(|child| child.value().name() == "legend")
                .map(|child| child.id());
            if first_legend.is_none() || first_legend != legend || legend != Some(inside) {
                return true;
            }
        }
        inside = ancestor.id();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(html: &str) -> Form {
        let page = Url::parse("https://www.portal.test/dir/page?old=1").unwrap();
        let document = Document::parse(html);
        Form::find(
            &document,
            &FormBy::Id("f".to_owned()),
            &page,
            encoding_rs::UTF_8,
        )
        .expect("a form")
    }

    fn sent(html: &str, button: Option<&str>) -> String {
        let request = form(html).submit(button).unwrap();
        String::from_utf8(request.body.map_or_else(
            || request.url.query().unwrap_or_default().as_bytes().to_vec(),
            |body| body.bytes,
        ))
        .unwrap()
    }

    #[test]
    fn successful_controls_are_those_of_html() {
        for (html, wanted) in [
            ("<input name=a value=1><input value=nameless>", "a=1"),
            ("<input name=a disabled><input name=b>", "b="),
            (
                "<input type=checkbox name=a checked><input type=checkbox name=b>",
                "a=on",
            ),
            (
                "<input type=radio name=r value=1><input type=radio name=r value=2 checked>",
                "r=2",
            ),
            (
                "<select name=s><option disabled>x<option value=y>Y<option>z</select>",
                "s=y",
            ),
            (
                "<select name=s><option selected>x<option selected>z</select>",
                "s=z",
            ),
            (
                "<select name=s multiple><option selected>x<option selected>z</select>",
                "s=x&s=z",
            ),
            ("<select name=s multiple><option>x</select>", ""),
            ("<textarea name=t>\na\nb</textarea>", "t=a%0D%0Ab"),
            (
                "<input type=hidden name=h value=7><input type=file name=f><input type=reset name=r>",
                "h=7",
            ),
            (
                "<fieldset disabled><legend><input name=l></legend><input name=a></fieldset>",
                "l=",
            ),
            (
                "<input name=a value='p@ss w\"o/rd%'>",
                "a=p%40ss+w%22o%2Frd%25",
            ),
        ] {
            assert_eq!(
                sent(&format!("<form id=f>{html}</form>"), None),
                wanted,
                "{html}"
            );
        }
    }

    #[test]
    fn only_the_pressed_button_is_sent() {
        let html = "<form id=f><input type=submit name=one value=1><button name=two value=2 formaction=/other formmethod=post>Go</button><input type=image name=i></form>";
        assert_eq!(sent(html, None), "one=1");
        assert_eq!(sent(html, Some("i")), "i.x=0&i.y=0");
        let request = form(html).submit(Some("Go")).unwrap();
        assert_eq!(
            (request.method, request.url.path()),
            (Method::Post, "/other")
        );
        assert_eq!(request.body.unwrap().bytes, b"two=2");
        assert_eq!(
            form(html).submit(Some("three")).unwrap_err(),
            FormError::NoButton("three".to_owned())
        );
    }

    #[test]
    fn actions_resolve_as_in_a_browser() {
        let target = |html: &str| form(html).submit(None).unwrap().url.to_string();
        assert_eq!(
            target("<form id=f method=post></form>"),
            "https://www.portal.test/dir/page?old=1"
        );
        assert_eq!(
            target("<form id=f><input name=a></form>"),
            "https://www.portal.test/dir/page?a="
        );
        assert_eq!(
            target("<base href=/b/><form id=f action=c></form>"),
            "https://www.portal.test/b/c?"
        );
        assert_eq!(
            target("<form id=f action=//evil.test/x></form>"),
            "https://evil.test/x?"
        );
    }

    #[test]
    fn controls_outside_join_by_form_attribute() {
        let html = "<form id=f><input name=a value=1><input name=x form=other></form><input name=b value=2 form=f><form id=other></form>";
        assert_eq!(sent(html, None), "a=1&b=2");
    }

    #[test]
    fn filling_checks_what_is_offered() {
        let mut form = form(
            "<form id=f><select name=s><option value=csv>CSV file<option value=pdf>PDF</select><input type=radio name=r value=1><input type=radio name=r value=2><input type=checkbox name=c value=yes><input name=t></form>",
        );
        form.fill("s", "PDF").unwrap();
        form.fill("r", "2").unwrap();
        form.fill("c", "on").unwrap();
        form.fill("t", "x").unwrap();
        assert_eq!(form.value("s").as_deref(), Some("pdf"));
        assert_eq!(form.value("r").as_deref(), Some("2"));
        assert_eq!(form.value("c").as_deref(), Some("yes"));
        assert_eq!(
            form.fill("s", "xml").unwrap_err().to_string(),
            "field `s` does not offer `xml`"
        );
        assert_eq!(
            form.fill("u", "1").unwrap_err(),
            FormError::NoField("u".to_owned())
        );
    }

    #[test]
    fn the_pages_character_set_is_used() {
        let page = Url::parse("https://www.portal.test/").unwrap();
        let document =
            Document::parse("<form id=f method=post><input name=a value='Zürich €'></form>");
        let form = Form::find(
            &document,
            &FormBy::Id("f".to_owned()),
            &page,
            encoding_rs::WINDOWS_1252,
        )
        .unwrap();
        assert_eq!(
            form.submit(None).unwrap().body.unwrap().bytes,
            b"a=Z%FCrich+%80"
        );
    }

    proptest! {
        #[test]
        fn any_page_is_answered(html in "(<(form id=f|input|select|option|table|tr|td|button|fieldset disabled|legend)( name=a| type=submit| value=1| form=f| checked)*>|</(form|table|select|td)>|x){0,30}") {
            let document = Document::parse(&format!("<form id=f>{html}"));
            let page = Url::parse("https://www.portal.test/").unwrap();
            if let Some(form) = Form::find(&document, &FormBy::Id("f".to_owned()), &page, encoding_rs::UTF_8) {
                let _ = form.submit(None);
            }
            let _ = (document.skeleton(), document.visible_text(), document.refresh());
        }
    }
}
