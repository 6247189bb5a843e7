//! Documents as trees, to be written and read the slow and plain way that the stream is compared with.

use proptest::prelude::*;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(in crate::bbb) fn cases(usual: u32) -> ProptestConfig {
    let said = std::env::var("PROPTEST_CASES").ok().and_then(|said| said.parse().ok());
    ProptestConfig::with_cases(said.unwrap_or(usual))
}

/// Something in a document.
#[derive(Clone, Debug)]
pub(in crate::bbb) enum Node {
    Element {
        name: String,
        attributes: String,
        children: Vec<Node>,
    },
    Text(String),
    Cdata(String),
    /// As written between `&` and `;`, and what it stands for.
    Reference(&'static str, char),
    Comment(String),
    Instruction(String),
}

impl Node {
    pub(in crate::bbb) fn element(name: &str, children: Vec<Node>) -> Self {
        Self::Element { name: name.to_owned(), attributes: String::new(), children }
    }

    pub(in crate::bbb) fn text(name: &str, text: &str) -> Self {
        Self::element(name, vec![Self::Text(text.to_owned())])
    }

    /// The node as it stands in a document.
    pub(in crate::bbb) fn render(&self) -> String {
        match self {
            Self::Element { name, attributes, children } if children.is_empty() => {
                format!("<{name}{attributes}/>")
            }
            Self::Element { name, attributes, children } => {
                let inner: String = children.iter().map(Self::render).collect();
                format!("<{name}{attributes}>{inner}</{name}>")
            }
            Self::Text(text) => text.replace('&', "&amp;").replace('<', "&lt;"),
            Self::Cdata(text) => format!("<![CDATA[{text}]]>"),
            Self::Reference(name, _) => format!("&{name};"),
            Self::Comment(text) => format!("<!--{text}-->"),
            Self::Instruction(text) => format!("<?{text}?>"),
        }
    }

    /// The first child of this name.
    pub(in crate::bbb) fn child(&self, wanted: &str) -> Option<&Node> {
        self.children().iter().find(|node| node.is(wanted))
    }

    /// The text of the first child of this name; an empty one is none.
    pub(in crate::bbb) fn text_of(&self, wanted: &str) -> Option<String> {
        let text: String = self
            .child(wanted)?
            .children()
            .iter()
            .map(|node| match node {
                Self::Text(text) | Self::Cdata(text) => text.clone(),
                Self::Reference(_, c) => c.to_string(),
                _ => String::new(),
            })
            .collect();
        Some(text).filter(|text| !text.is_empty())
    }

    pub(in crate::bbb) fn children(&self) -> &[Node] {
        match self {
            Self::Element { children, .. } => children,
            _ => &[],
        }
    }

    pub(in crate::bbb) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Element { name, .. } if name == wanted)
    }
}

/// Names that mean something, here or elsewhere, and some that mean nothing.
const NAMES: &[&str] = &[
    "response",
    "returncode",
    "messageKey",
    "message",
    "meetings",
    "meeting",
    "meetingID",
    "internalMeetingID",
    "createTime",
    "participantCount",
    "running",
    "hasBeenForciblyEnded",
    "isBreakout",
    "metadata",
    "bigblueswarm-tenant",
    "errors",
    "error",
    "key",
    "attendee",
    "fullName",
    "ä:ö",
    "1a",
];
const REFERENCES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("#65", 'A'),
    ("#x1F600", '😀'),
];

/// What stands in leaves: words that mean something, numbers, markup, other scripts.
pub(in crate::bbb) fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        Just("SUCCESS".to_owned()),
        Just("FAILED".to_owned()),
        "[0-9]{1,4}",
        "[a-zé😀 <>&'\"\\]\n/-]{0,10}",
    ]
}

fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => word().prop_map(Node::Text),
        1 => "[a-z<>&'\" ]{0,10}".prop_map(Node::Cdata),
        2 => prop::sample::select(REFERENCES).prop_map(|(name, c)| Node::Reference(name, c)),
        1 => "[a-z<>&'\" ]{0,10}".prop_map(Node::Comment),
        1 => "pi [a-z<>&'\" ]{0,10}".prop_map(Node::Instruction),
    ]
}

fn attributes() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        1 => "[a-z>' ]{0,6}".prop_map(|value| format!(" a=\"{value}\" b = 'x&amp;&#10;\"'")),
        1 => Just(" ".to_owned()),
    ]
}

/// Any node, with others within it.
pub(in crate::bbb) fn node() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(4, 24, 5, |inner| element(prop::collection::vec(inner, 0..5)))
}

/// An element of any name with these children.
fn element(children: impl Strategy<Value = Vec<Node>>) -> impl Strategy<Value = Node> {
    (prop::sample::select(NAMES), attributes(), children).prop_map(
        |(name, attributes, children)| Node::Element {
            name: name.to_owned(),
            attributes,
            children,
        },
    )
}

/// Any nodes.
pub(in crate::bbb) fn nodes(most: usize) -> impl Strategy<Value = Vec<Node>> {
    prop::collection::vec(node(), 0..=most)
}

/// A mark, a declaration, comments and blanks, as they may stand before the root.
pub(in crate::bbb) fn prolog() -> impl Strategy<Value = String> {
    let declaration = prop_oneof![
        Just(""),
        Just("<?xml version=\"1.0\"?>\n"),
        Just("<?xml version='1.0' encoding='utf-8' standalone=\"yes\" ?>"),
    ];
    let mark = prop_oneof![Just(""), Just("\u{FEFF}")];
    let more = prop_oneof![Just(""), Just(" \r\n\t"), Just("<!-- <response> --><?pi x?>\n")];
    (mark, declaration, more)
        .prop_map(|(mark, declaration, more)| [mark, declaration, more].concat())
}

/// A whole answer: its root with these children and any others between them, and its bytes.
pub(in crate::bbb) fn document(
    children: impl Strategy<Value = Vec<Node>>,
) -> impl Strategy<Value = (Node, Vec<u8>)> {
    let root = children.prop_map(|children| Node::element("response", children));
    (prolog(), root, prop_oneof![Just(""), Just("\n<!-- end -->")]).prop_map(
        |(prolog, root, end)| {
            let bytes = [prolog.as_str(), &root.render(), end].concat().into_bytes();
            (root, bytes)
        },
    )
}

/// Bytes that are no answer, or hardly one: noise, a valid answer cut short, or one with some bytes changed.
pub(in crate::bbb) fn broken(valid: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let at = || any::<prop::sample::Index>();
    let changes = prop::collection::vec((at(), prop_oneof![any::<u8>(), markup()]), 1..6);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        prop::collection::vec(markup(), 0..400),
        at().prop_map(move |at| valid[..at.index(valid.len())].to_vec()),
        changes.prop_map(move |changes| {
            let mut bytes = valid.to_vec();
            changes.iter().for_each(|(at, byte)| bytes[at.index(valid.len())] = *byte);
            bytes
        }),
        (at(), at()).prop_map(move |(from, to)| {
            let (head, tail) = (&valid[..from.index(valid.len())], &valid[to.index(valid.len())..]);
            [head, tail].concat()
        }),
    ]
}

fn markup() -> impl Strategy<Value = u8> {
    prop::sample::select(b"<>/!?-[]&;#x'\"= aD\n\xEF\xBB\xBF".as_slice())
}
