//! Two answers, field by field; what may differ is listed by name, with its reason.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of an answer by their paths.
pub(super) type Fields = BTreeMap<String, String>;

/// A field that the two don't have alike.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) request: String,
    pub(super) field: String,
    pub(super) theirs: Option<String>,
    pub(super) ours: Option<String>,
}

/// A difference that is meant to be.
pub(super) struct Allowed {
    pub(super) name: &'static str,
    /// For whoever reads the list; a test can't tell.
    pub(super) why: &'static str,
    pub(super) is: fn(&Difference) -> bool,
}

/// The fields that differ.
pub(super) fn compared(request: &str, theirs: &Fields, ours: &Fields) -> Vec<Difference> {
    let mut names: Vec<_> = theirs.keys().chain(ours.keys()).collect();
    names.sort();
    names.dedup();
    let differs = names.into_iter().filter(|name| theirs.get(*name) != ours.get(*name));
    let difference = |name: &String| Difference {
        request: request.to_owned(),
        field: name.clone(),
        theirs: theirs.get(name).cloned(),
        ours: ours.get(name).cloned(),
    };
    differs.map(difference).collect()
}

/// Every difference must be allowed, by one name; and every name must still be needed.
pub(super) fn assert_allowed(differences: &[Difference], allowed: &[Allowed]) {
    let mut seen = vec![0; allowed.len()];
    let mut others = Vec::new();
    for difference in differences {
        let names: Vec<_> = (0..allowed.len()).filter(|&n| (allowed[n].is)(difference)).collect();
        match names[..] {
            [n] => seen[n] += 1,
            _ => others.push((difference, names)),
        }
    }
    assert!(others.is_empty(), "not allowed by one name: {others:#?}");
    for (allowed, seen) in allowed.iter().zip(seen) {
        assert!(seen > 0 && !allowed.why.is_empty(), "{} does not occur any more", allowed.name);
    }
}

/// A text without a form is one field, `body`.
pub(super) fn fields_of(status: u16, content_type: Option<&str>, body: &str) -> Fields {
    let mut fields = Fields::new();
    fields.insert("status".into(), status.to_string());
    fields.extend(content_type.map(|kind| ("content-type".into(), kind.to_owned())));
    match serde_json::from_str(body) {
        Ok(json) => flatten("body", &json, &mut fields),
        Err(_) if body.starts_with('<') => leaves(body, &mut fields),
        Err(_) => drop(fields.insert("body".into(), body.to_owned())),
    }
    fields
}

/// Elements of a list stand by what they are called: the predecessor's lists have the order of a Go map, which is
/// another each time.
fn flatten(path: &str, json: &Value, fields: &mut Fields) {
    match json {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, fields));
        }
        Value::Array(list) if !list.is_empty() => {
            for element in list {
                let name =
                    ["url", "host", "hostname"].iter().find_map(|key| element[*key].as_str());
                let name = name.or(element.as_str()).expect("a name").to_owned();
                flatten(&format!("{path}[{name}]"), element, fields);
            }
        }
        scalar => drop(fields.insert(path.to_owned(), scalar.to_string())),
    }
}

/// The elements that hold no others. None comes twice in what was recorded.
fn leaves(xml: &str, fields: &mut Fields) {
    for part in xml.split('<').filter(|part| !part.starts_with(['/', '?'])) {
        let Some((name, text)) = part.split_once('>') else { continue };
        let closed = xml.contains(&format!("<{name}>{text}</{name}>"));
        if closed && name != "response" {
            fields.insert(format!("body.{name}"), text.to_owned());
        }
    }
}
