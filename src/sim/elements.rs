//! Reads an answer's elements as a front end does: names and texts.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// The elements of a document in order: depth, name, own text.
#[derive(Debug, Default)]
pub(super) struct Elements(Vec<(usize, String, String)>);

impl Elements {
    /// Reads a document as far as it is sound.
    pub(super) fn parse(text: &str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut all: Vec<(usize, String, String)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let said = match reader.read_event() {
                Ok(Event::Start(e)) => {
                    let name = String::from(e.local_name().as_ref());
                    all.push((open.len(), name, String::new()));
                    open.push(all.len() - 1);
                    continue;
                }
                Ok(Event::End(_)) => {
                    open.pop();
                    continue;
                }
                Ok(Event::Text(text)) => text.xml10_content().into_owned(),
                Ok(Event::CData(text)) => text.xml10_content().into_owned(),
                Ok(Event::GeneralRef(name)) => resolved(&name),
                Ok(Event::Eof) | Err(_) => return Self(all),
                Ok(_) => continue,
            };
            if let Some(&at) = open.last() {
                all[at].2.push_str(&said);
            }
        }
    }

    /// The text of the first element of this name.
    pub(super) fn first(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(_, n, _)| n == name).map(|(.., text)| text.clone())
    }

    /// What is inside of every element of this name; of equal names the first counts.
    pub(super) fn records(&self, name: &str) -> Vec<HashMap<String, String>> {
        let starts = self.0.iter().enumerate().filter(|(_, (_, n, _))| n == name);
        starts.map(|(at, (depth, ..))| self.inside(at, *depth)).collect()
    }

    fn inside(&self, at: usize, depth: usize) -> HashMap<String, String> {
        let mut record = HashMap::new();
        for (_, name, text) in self.0[at + 1..].iter().take_while(|(d, ..)| *d > depth) {
            record.entry(name.clone()).or_insert_with(|| text.clone());
        }
        record
    }
}

fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return c.to_string();
    }
    resolve_predefined_entity(reference).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_read() {
        let text = "<response><returncode>SUCCESS</returncode><meetings>\
            <meeting><meetingID>a&amp;b&#33;</meetingID><metadata><x-y>1</x-y></metadata></meeting>\
            <meeting><meetingID><![CDATA[<c>]]></meetingID></meeting></meetings></response>";
        let all = Elements::parse(text);
        assert_eq!(all.first("returncode").as_deref(), Some("SUCCESS"));
        assert_eq!(all.first("absent"), None);
        let meetings = all.records("meeting");
        assert_eq!(meetings[0]["meetingID"], "a&b!");
        assert_eq!(meetings[0]["x-y"], "1");
        assert_eq!(meetings[1]["meetingID"], "<c>");
        assert_eq!(meetings.len(), 2);
    }
}
