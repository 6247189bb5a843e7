//! What each act does to the balancer and the servers, and what it sees.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::check::{Evidence, Key, Ledger, Living, Turn};
use super::day::{Act, Class};
use super::play::News;
use super::stage::Stage;
use crate::sim::client::{CallError, Reply, query_of};
use crate::sim::{Meeting, Role};

/// The metadata by which the demo itself knows whose meeting one is.
const OWNER: &str = "demo-owner";

impl Stage {
    /// A class as its tenant's meeting.
    pub(super) fn key(&self, class: &Class) -> Key {
        Key::new(&self.tenants[class.tenant].host, &class.id)
    }

    /// Does one act; answers what it saw.
    pub(super) async fn perform(&self, act: Act, turn: Turn) -> Vec<News> {
        match act {
            Act::Glance => Vec::new(),
            Act::Open(class) => vec![self.create(&class, turn).await],
            Act::Enter { class, name, role } => self.enter(&class, &name, role, turn).await,
            Act::Close(class) => vec![self.end(&class, turn).await],
            Act::Look { tenant, foreign } => self.look(tenant, &foreign, turn).await,
            Act::Drain(n) => self.tell(
                self.drain(n).await,
                n,
                "is drained: it keeps its meetings and takes none",
            ),
            Act::Restore(n) => self.tell(self.restore(n).await, n, "takes meetings again"),
            Act::Crash(n) => {
                self.posts[n].handle.stop().await;
                self.tell(Ok(()), n, "crashes")
            }
            Act::Return(n) => self.bring_back(n).await,
        }
    }

    fn tell(&self, done: anyhow::Result<()>, server: usize, what: &str) -> Vec<News> {
        let name = self.posts[server].name;
        vec![match done {
            Ok(()) => News::Said(format!("{name} {what}")),
            Err(error) => News::Wrong(format!("{name}: {error}")),
        }]
    }

    /// Its memory went with it; what it had is no promise any more.
    async fn bring_back(&self, server: usize) -> Vec<News> {
        let post = &self.posts[server];
        let lost = post.handle.server.forget_meetings().await;
        let mut news =
            self.tell(Ok(()), server, &format!("is back, without its {} meetings", lost.len()));
        let gone = |m: Meeting| {
            let tenant = m.meta(OWNER).unwrap_or_default().to_owned();
            News::Lost { tenant, internal: m.internal_id }
        };
        news.extend(lost.into_iter().map(gone));
        post.handle.start().await;
        news.push(News::Calm);
        news
    }

    async fn create(&self, class: &Class, turn: Turn) -> News {
        let tenant = &self.tenants[class.tenant];
        let owner = format!("meta_{OWNER}");
        let query =
            query_of(&[("name", &class.title), ("meetingID", &class.id), (&owner, &tenant.host)]);
        let reply = tenant.client.get("create", &query).await;
        let key = self.key(class);
        match succeeded(reply).and_then(|reply| {
            reply.value("internalMeetingID").ok_or_else(|| "no internal id".into())
        }) {
            Ok(internal) => News::Acknowledged { key, turn, internal },
            Err(why) => News::Refused { key, turn, why: format!("create: {why}") },
        }
    }

    /// As front ends do: create, then send the browser to join.
    async fn enter(&self, class: &Class, name: &str, role: Role, turn: Turn) -> Vec<News> {
        let created = self.create(class, turn).await;
        if !matches!(created, News::Acknowledged { .. }) {
            return vec![created];
        }
        let entered = match self.way_in(class, name, role).await {
            Ok(location) => self.walk_in(&location).await,
            Err(why) => Err(why),
        };
        let key = self.key(class);
        vec![
            created,
            entered.map_or_else(
                |why| News::Refused { key, turn, why: format!("join: {why}") },
                |()| News::Joined,
            ),
        ]
    }

    /// Where the balancer sends who joins.
    async fn way_in(&self, class: &Class, name: &str, role: Role) -> Result<String, String> {
        let key = self.key(class);
        self.way_into(&key, name, role).await
    }

    async fn way_into(&self, key: &Key, name: &str, role: Role) -> Result<String, String> {
        let tenant = self.tenants.iter().find(|t| t.host == key.tenant).ok_or("no such tenant")?;
        let query =
            query_of(&[("fullName", name), ("meetingID", &key.meeting), ("role", role.name())]);
        let reply = tenant.client.get("join", &query).await.map_err(|e| e.to_string())?;
        match reply.location() {
            Some(location) if reply.status.is_redirection() && !location.contains("errors=") => {
                Ok(location.to_owned())
            }
            Some(_) => Err("sent away with errors".to_owned()),
            None => Err(told(&reply)),
        }
    }

    /// What the browser does then: asks the server, and is sent to its client.
    async fn walk_in(&self, location: &str) -> Result<(), String> {
        let reply = self.web.send(Method::GET, location, HeaderMap::new(), Bytes::new()).await;
        let reply = reply.map_err(|e| e.to_string())?;
        match reply.location() {
            Some(to) if to.contains("/html5client/") => Ok(()),
            _ => Err(format!("the server did not let in: {}", told(&reply))),
        }
    }

    async fn end(&self, class: &Class, turn: Turn) -> News {
        let query = query_of(&[("meetingID", &class.id)]);
        let reply = self.tenants[class.tenant].client.get("end", &query).await;
        let key = self.key(class);
        match succeeded(reply) {
            Ok(_) => News::Ended,
            Err(why) => News::Refused { key, turn, why: format!("end: {why}") },
        }
    }

    async fn look(&self, tenant: usize, foreign: &Class, turn: Turn) -> Vec<News> {
        let own = &self.tenants[tenant];
        let mut news = match self.list_of(tenant).await {
            Ok(list) => vec![News::Listed { tenant: own.host.clone(), list }],
            Err(why) => {
                vec![News::Refused {
                    key: Key::new(&own.host, "any"),
                    turn,
                    why: format!("getMeetings: {why}"),
                }]
            }
        };
        let info = own.client.get("getMeetingInfo", &query_of(&[("meetingID", &foreign.id)])).await;
        if info.is_ok_and(|reply| reply.succeeded()) {
            let other = &self.tenants[foreign.tenant].host;
            news.push(News::Wrong(format!("{} was told of {} of {other}", own.host, foreign.id)));
        }
        news
    }

    /// What a tenant is shown, by the demo's own mark.
    async fn list_of(&self, tenant: usize) -> Result<BTreeSet<Key>, String> {
        let reply = succeeded(self.tenants[tenant].client.get("getMeetings", "").await)?;
        let text =
            |record: &HashMap<String, String>, name| record.get(name).cloned().unwrap_or_default();
        let records = reply.records("meeting");
        // One that was made by hand bears no mark.
        let marked = records.iter().filter(|record| record.contains_key(OWNER));
        Ok(marked.map(|r| Key { tenant: text(r, OWNER), meeting: text(r, "meetingID") }).collect())
    }

    /// What is where, and where the balancer sends people.
    pub(super) async fn evidence(&self, ledger: &Ledger) -> Evidence {
        let mut evidence = Evidence::default();
        for post in &self.posts {
            let server = post.handle.server.origin();
            let all = post.handle.server.meetings().await;
            evidence.living.extend(all.into_iter().filter(|m| m.lives()).map(|m| Living {
                server: server.clone(),
                key: Key::new(m.meta(OWNER).unwrap_or_default(), &m.id),
                internal: m.internal_id,
            }));
        }
        for key in ledger.standing() {
            let way = self.way_into(key, "Inspector", Role::Viewer).await;
            evidence.routed.insert(key.clone(), way.and_then(|location| origin_of(&location)));
        }
        for (n, tenant) in self.tenants.iter().enumerate() {
            if let Ok(list) = self.list_of(n).await {
                evidence.lists.insert(tenant.host.clone(), list);
            }
        }
        evidence
    }
}

/// The reply if it says SUCCESS, else why not.
fn succeeded(reply: Result<Reply, CallError>) -> Result<Reply, String> {
    let reply = reply.map_err(|e| e.to_string())?;
    if reply.succeeded() { Ok(reply) } else { Err(told(&reply)) }
}

fn told(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.key().unwrap_or_else(|| "without a key".to_owned()))
}

/// `scheme://host:port` of a URL.
fn origin_of(url: &str) -> Result<String, String> {
    let bad = || "sent to what is no URL".to_owned();
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let (scheme, authority) = (uri.scheme_str().ok_or_else(bad)?, uri.authority().ok_or_else(bad)?);
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_start_of_a_url() {
        let check =
            |url, expected: Option<&str>| assert_eq!(origin_of(url).ok().as_deref(), expected);
        check("http://127.0.0.1:80/a?b=c", Some("http://127.0.0.1:80"));
        check("/a", None);
    }
}
