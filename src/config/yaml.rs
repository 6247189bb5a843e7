//! YAML as a tree that knows its lines and keeps keys that stand twice.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

const DEEPEST: usize = 16;

/// A value and the line it begins on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing is written, or `null`.
    Null,
    /// The text as written, whatever it looks like.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a key may stand twice.
    Map(Vec<(Node, Node)>),
}

/// What could be read of a text.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Option<Node>,
    /// Why reading ended early, with the line; the tree holds what came before.
    pub(super) broken: Option<(usize, String)>,
}

/// Reads one document.
pub(super) fn read(text: &str) -> Tree {
    let mut reader = Reader::default();
    let mut broken = None;
    for event in Parser::new_from_str(text) {
        let step = event
            .map_err(|e| scanned(&e))
            .and_then(|(event, span)| reader.take(event, span.start.line()));
        if let Err(why) = step {
            broken = Some(why);
            break;
        }
    }
    while !reader.open.is_empty() {
        reader.close();
    }
    Tree { root: reader.root, broken }
}

fn scanned(error: &ScanError) -> (usize, String) {
    (error.marker().line(), format!("not YAML: {}", error.info()))
}

/// A list or map whose end is still to come.
struct Open {
    node: Node,
    /// A map's key that waits for its value.
    key: Option<Node>,
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Value>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), (usize, String)> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = scalar(&text, style);
                if anchor > 0 {
                    self.anchors.insert(anchor, value.clone());
                }
                self.put(Node { line, value });
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(value) => self.put(Node { line, value: value.clone() }),
                None => return Err((line, "an alias can only stand for a single value".into())),
            },
            Event::MappingStart(..) => self.start(line, Value::Map(Vec::new()))?,
            Event::SequenceStart(..) => self.start(line, Value::List(Vec::new()))?,
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            Event::DocumentStart(_) if self.root.is_some() => {
                return Err((line, "only one document is read".into()));
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, line: usize, value: Value) -> Result<(), (usize, String)> {
        if self.open.len() >= DEEPEST {
            return Err((line, "nested too deep".into()));
        }
        self.open.push(Open { node: Node { line, value }, key: None });
        Ok(())
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.put(open.node);
        }
    }

    fn put(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            Value::Null | Value::Text(_) => {}
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Text(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as one line: every text with its line.
    fn outline(node: &Node) -> String {
        let line = node.line;
        match &node.value {
            Value::Null => format!("null@{line}"),
            Value::Text(text) => format!("{text}@{line}"),
            Value::List(items) => items.iter().map(outline).collect::<Vec<_>>().join(" "),
            Value::Map(entries) => {
                let each =
                    entries.iter().map(|(k, v)| format!("{}={{{}}}", outline(k), outline(v)));
                each.collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str, broken: Option<usize>) {
        let tree = read(text);
        assert_eq!(tree.root.as_ref().map(outline).unwrap_or_default(), expected);
        assert_eq!(tree.broken.map(|(line, _)| line), broken);
    }

    #[test]
    fn every_value_knows_its_line() {
        check("a: 1\nb:\n  c: [x, y]\n", "a@1={1@1} b@2={c@3={x@3 y@3}}", None);
        check("# nothing\n", "", None);
        check("a:\nb: ''\n", "a@1={null@1} b@2={@2}", None);
    }

    #[test]
    fn a_key_that_stands_twice_is_kept_twice() {
        check("a: 1\na: 2\n", "a@1={1@1} a@2={2@2}", None);
    }

    #[test]
    fn what_stands_before_a_fault_is_kept() {
        check("a: 1\nb:\n  c: 2\n d: 3\n", "a@1={1@1} b@2={c@3={2@3}}", Some(4));
        check("a: 1\n---\nb: 2\n", "a@1={1@1}", Some(2));
    }

    #[test]
    fn aliases_stand_for_single_values_only() {
        check("a: &x 1\nb: *x\n", "a@1={1@1} b@2={1@2}", None);
        check("a: &x [1]\nb: *x\n", "a@1={1@1}", Some(2));
    }

    #[test]
    fn nesting_has_a_bound() {
        let deep = "[".repeat(10_000);
        assert_eq!(read(&deep).broken.map(|(line, _)| line), Some(1));
    }
}
