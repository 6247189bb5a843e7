//! What holds for any bytes whatsoever: the fuzz targets look for some for which it does not.
//!
//! Each function panics when its promise is broken. `fuzz/` runs them with inputs of a fuzzer's making, the
//! stories with the seeds that are committed there.

mod lists; // what instances list
mod requests; // what clients send

pub use lists::xml;
pub use requests::{checksum, query};

use crate::domain::rules::faults;
use crate::domain::tenant::TenantDocument;
use crate::http::admin;
use crate::outside::loads::embedded::{Precision, parse};
use crate::outside::store::through_yaml;

/// A promise for any bytes.
pub type Target = fn(&[u8]);

/// The targets by their names, which are those of the folders with their seeds.
pub const TARGETS: [(&str, Target); 5] = [
    ("query", query),
    ("checksum", checksum),
    ("xml", xml),
    ("line_protocol", line_protocol),
    ("admin_json", admin_json),
];

/// What agents push: whatever can be read is a number of an instance, and faults stay short.
pub fn line_protocol(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for unit in ["ns", "us", "ms", "s"] {
        let precision = Precision::named(unit).expect("a unit");
        let parsed = parse(&text, precision);
        for point in &parsed.points {
            assert!(point.value.is_finite(), "{point:?}");
            assert!(!point.instance.as_str().is_empty(), "{point:?}");
        }
        let told = parsed.faults.to_string();
        assert!(told.len() < 64 * 1024, "{} bytes of faults", told.len());
        assert_eq!(parsed.faults.is_empty(), told.is_empty());
    }
}

/// What admins post: a tenant's document that is accepted comes back from the store as it was, and rules a
/// query so that it stays one.
pub fn admin_json(data: &[u8]) {
    if let Ok(document) = admin::read_tenant(data) {
        assert_eq!(through_yaml(&document), Ok(document.clone()));
        accepted(&document);
    }
    if let Ok(urls) = admin::read_instances(data) {
        assert!(urls.iter().all(|url| url.starts_with("http")), "{urls:?}");
    }
}

fn accepted(document: &TenantDocument) {
    assert!(faults(&document.spec).is_empty());
    let tenant = document.resolve(&crate::domain::secret::Secret::new("global"));
    assert!(tenant.secrets.iter().all(|secret| !secret.is_empty()));
    requests::ruled(&tenant.rules, "name=a%20b&meetingID=m1&duration=5&meta_x=y&meta_server-tag=a");
    requests::ruled(&tenant.rules, "");
}
