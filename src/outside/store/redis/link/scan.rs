//! All keys of a name, wherever they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::form::Tries;
use super::node::Node;
use super::{Link, PART};
use crate::outside::store::StoreError;

/// The longest reading of a whole keyspace; its parts have the ordinary deadline.
const SCAN_WITHIN: Duration = Duration::from_secs(60);

/// The next cursor, and names.
type Part = ((u64, Vec<Vec<u8>>),);

/// A walk over the names of keys, a part at a time.
pub(in super::super) struct Scan<'a> {
    link: &'a Link,
    pattern: &'static str,
    by: Instant,
    /// Who has which slots, as it was when the walk began.
    owners: Option<Vec<Option<String>>>,
    /// Who is still to be asked, and from which cursor on.
    left: Vec<(Arc<Node>, u64)>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(link: &'a Link, pattern: &'static str) -> Self {
        let by = Instant::now() + SCAN_WITHIN;
        Self { link, pattern, by, owners: None, left: Vec::new() }
    }

    /// The next names, at the end none. Some may come twice, and a part may be empty.
    pub(in super::super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        if Instant::now() > self.by {
            return Err(StoreError::Away("the keyspace is too large to be read".into()));
        }
        let by = self.link.by();
        let mut tries = Tries::new(&self.link.form, by);
        while !self.left.is_empty() || self.begin(by).await? {
            let Some((node, cursor)) = self.left.pop() else { continue };
            let mut asked = redis::pipe();
            asked.cmd("SCAN").arg(cursor).arg("MATCH").arg(self.pattern).arg("COUNT").arg(PART);
            match node.send::<Part>(&asked, false, by).await {
                Ok(((next, names),)) => {
                    if next != 0 {
                        self.left.push((node, next));
                    }
                    let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
                    return Ok(Some(names.collect()));
                }
                Err(failed) => {
                    let (_, error) = tries.judge(failed, &node)?;
                    if !tries.again().await {
                        return Err(error);
                    }
                    // Another server's cursors are others.
                    (self.owners, self.left) = (None, Vec::new());
                }
            }
        }
        Ok(None)
    }

    /// Begins the walk, or ends it. Slots that moved meanwhile may have gone to where it had been before
    /// they came, so that it begins once more.
    async fn begin(&mut self, by: Instant) -> Result<bool, StoreError> {
        let owners = self.link.form.owners(by).await?;
        if self.owners.as_ref() == Some(&owners) {
            return Ok(false);
        }
        let masters = self.link.form.masters(by).await?;
        self.left = masters.into_iter().map(|node| (node, 0)).collect();
        self.owners = Some(owners);
        Ok(true)
    }
}
