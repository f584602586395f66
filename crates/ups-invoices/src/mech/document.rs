//! An HTML page as a tree, with what the parser knows about which control belongs to which form.
//!
//! Markup such as `<table><form><tr><td><input>` is common on old portals: the parser leaves the
//! form element empty and the inputs outside it, yet associates them, and browsers submit them.
//! scraper's tree drops that association, so a wrapping tree sink records it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use ego_tree::NodeId;
use html5ever::tendril::{StrTendril, TendrilSink as _};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, QualName, parse_document};
use scraper::{ElementRef, Html, HtmlTreeSink, Selector};

/// A parsed page.
#[derive(Debug)]
pub struct Document {
    html: Html,
    /// Form that each associated control belongs to.
    owners: HashMap<NodeId, NodeId>,
}

/// Elements whose text no person sees: scripts carry every message they could ever show.
const UNSEEN: [&str; 6] = ["script", "style", "template", "noscript", "head", "option"];

impl Document {
    /// Parses a page; every text is a page.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let sink = Sink {
            tree: HtmlTreeSink::new(Html::new_document()),
            owners: RefCell::new(HashMap::new()),
        };
        parse_document(sink, html5ever::ParseOpts::default()).one(text)
    }

    /// Elements that match, in page order.
    pub fn select<'a>(&'a self, selector: &'a Selector) -> impl Iterator<Item = ElementRef<'a>> {
        self.html.select(selector)
    }

    /// The form an element belongs to: by `form=`, by the parser's association, else none.
    #[must_use]
    pub fn owner(&self, element: ElementRef<'_>) -> Option<NodeId> {
        match element.value().attr("form") {
            Some(id) => self.by_id(id).map(|form| form.id()),
            None => self.owners.get(&element.id()).copied(),
        }
    }

    /// The element of an id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<ElementRef<'_>> {
        self.elements()
            .find(|element| element.value().id() == Some(id))
    }

    /// All elements in page order.
    pub fn elements(&self) -> impl Iterator<Item = ElementRef<'_>> {
        self.html
            .tree
            .root()
            .descendants()
            .filter_map(ElementRef::wrap)
    }

    /// Target of `<base href>`.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.elements()
            .find(|element| element.value().name() == "base")
            .and_then(|base| base.value().attr("href"))
    }

    /// Target of a `<meta http-equiv="refresh">` with a delay of at most ten seconds; longer
    /// ones reload a page that is meant to be read.
    #[must_use]
    pub fn refresh(&self) -> Option<String> {
        let meta = self.elements().find(|element| {
            element.value().name() == "meta"
                && element
                    .value()
                    .attr("http-equiv")
                    .is_some_and(|equiv| equiv.eq_ignore_ascii_case("refresh"))
        })?;
        let (delay, target) = meta.value().attr("content")?.split_once([';', ','])?;
        let seconds: f32 = delay.trim().parse().ok()?;
        let target = target.trim();
        let named = target
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case("url"));
        let target = if named {
            target[3..].trim_start().strip_prefix('=')?
        } else {
            target
        };
        let target = target.trim().trim_matches(['"', '\'']);
        (seconds <= 10.0 && !target.is_empty()).then(|| target.to_owned())
    }

    /// The text a person would see, blanks joined.
    #[must_use]
    pub fn visible_text(&self) -> String {
        let mut text = String::new();
        for node in self.html.tree.root().descendants() {
            let Some(piece) = node.value().as_text() else {
                continue;
            };
            let unseen = node
                .ancestors()
                .filter_map(ElementRef::wrap)
                .any(|ancestor| {
                    UNSEEN.contains(&ancestor.value().name())
                        || ancestor.value().attr("hidden").is_some()
                });
            if !unseen {
                for word in piece.split_whitespace() {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    text.push_str(word);
                }
            }
        }
        text
    }

    /// Tags with their ids, names and types, one a line and indented: the page without any text
    /// or value. Runs of equal lines (table rows) are shown once.
    #[must_use]
    pub fn skeleton(&self) -> String {
        let mut text = String::new();
        let mut last = String::new();
        for element in self.elements() {
            let depth = element.ancestors().count().min(40);
            let value = element.value();
            if matches!(value.name(), "script" | "style") {
                continue;
            }
            let mut line = format!("{:depth$}{}", "", value.name());
            for attribute in ["id", "name", "type", "class"] {
                if let Some(found) = value.attr(attribute) {
                    let _ = write!(line, " {attribute}={found}");
                }
            }
            if line != last {
                text.push_str(&line);
                text.push('\n');
            }
            last = line;
        }
        text
    }
}

/// Joined, trimmed text of an element.
#[must_use]
pub fn text_of(element: ElementRef<'_>) -> String {
    let words: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
    words.join(" ")
}

struct Sink {
    tree: HtmlTreeSink,
    owners: RefCell<HashMap<NodeId, NodeId>>,
}

impl TreeSink for Sink {
    type Handle = NodeId;
    type Output = Document;
    type ElemName<'a> = <HtmlTreeSink as TreeSink>::ElemName<'a>;

    fn associate_with_form(
        &self,
        target: &NodeId,
        form: &NodeId,
        _nodes: (&NodeId, Option<&NodeId>),
    ) {
        self.owners.borrow_mut().insert(*target, *form);
    }

    fn finish(self) -> Document {
        Document {
            html: self.tree.finish(),
            owners: self.owners.into_inner(),
        }
    }

    fn parse_error(&self, message: Cow<'static, str>) {
        self.tree.parse_error(message);
    }

    fn get_document(&self) -> NodeId {
        self.tree.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.tree.elem_name(target)
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        flags: ElementFlags,
    ) -> NodeId {
        self.tree.create_element(name, attributes, flags)
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.tree.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.tree.create_pi(target, data)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.tree.append(parent, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &NodeId,
        previous: &NodeId,
        child: NodeOrText<NodeId>,
    ) {
        self.tree
            .append_based_on_parent_node(element, previous, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.tree.append_doctype_to_document(name, public, system);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.tree.get_template_contents(target)
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.tree.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.tree.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, node: NodeOrText<NodeId>) {
        self.tree.append_before_sibling(sibling, node);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        self.tree.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.tree.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, parent: &NodeId) {
        self.tree.reparent_children(node, parent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_in_a_form_that_a_table_swallowed_keep_their_owner() {
        let page = Document::parse(
            "<table><form id=f action=/x><tr><td><input name=a></td></tr></form></table><input name=b>",
        );
        let form = page.by_id("f").unwrap().id();
        let input = |name: &str| {
            page.elements()
                .find(|e| e.value().attr("name") == Some(name))
                .unwrap()
        };
        assert_eq!(page.owner(input("a")), Some(form));
        assert_eq!(page.owner(input("b")), None);
    }

    #[test]
    fn only_visible_text_counts() {
        let page = Document::parse(
            "<title>Sign in</title><script>'captcha'</script><p hidden>captcha</p><p>No <b>Information</b></p>",
        );
        assert_eq!(page.visible_text(), "No Information");
    }

    #[test]
    fn refresh_is_followed_if_it_is_quick() {
        let target = |content: &str| {
            Document::parse(&format!("<meta http-equiv=Refresh content=\"{content}\">")).refresh()
        };
        assert_eq!(target("0; URL='/next'").as_deref(), Some("/next"));
        assert_eq!(target("0;/next").as_deref(), Some("/next"));
        assert_eq!(target("600; url=/next"), None);
        assert_eq!(target("5"), None);
    }

    #[test]
    fn the_skeleton_holds_no_text_and_no_value() {
        let page = Document::parse(
            "<form id=f><input name=a type=hidden value=secret></form><tr><p>words</p>",
        );
        let skeleton = page.skeleton();
        assert!(skeleton.contains("input name=a type=hidden") && skeleton.contains("form id=f"));
        assert!(!skeleton.contains("secret") && !skeleton.contains("words"));
    }
}
