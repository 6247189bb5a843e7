//! Making an instance's hooks those that it shall have.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use crate::bbb::callback::{Kind, PATH};
use crate::bbb::checksum::Algorithm;
use crate::bbb::hooks::{self, Listed};
use crate::bbb::query;
use crate::bbb::xml::{self, XmlFault};
use crate::domain::hook::Hook;
use crate::domain::instance::Instance;
use crate::flows::World;
use crate::flows::answer::{BadAnswer, whole};
use crate::flows::ask::{CallError, MOST_BYTES};
use crate::outside::servers::Outgoing;

/// What every URL of ours for events starts with: a hook with such a URL is ours.
pub(super) fn prefix(base: &str) -> String {
    [base.trim_end_matches('/'), PATH, Kind::Hook.name(), "/"].concat()
}

/// Calls the webhooks of one instance.
pub(super) struct Registrar {
    world: World,
    prefix: String,
    /// The service takes no other hash than this, whatever its BBB takes: before 3.0 it knows SHA-1 alone.
    only: Option<Algorithm>,
}

impl Registrar {
    pub(super) fn new(world: &World, prefix: String) -> Self {
        Self { world: world.clone(), prefix, only: None }
    }

    /// Registers what is missing of these hooks, and removes what else is ours.
    pub(super) async fn settle(
        &mut self,
        instance: &Arc<Instance>,
        wanted: &BTreeMap<String, Arc<Hook>>,
    ) -> Result<(), CallError> {
        let listed = self.list(instance).await?;
        let stands = |url: &String| listed.iter().any(|hook| hook.url == *url);
        for (url, hook) in wanted.iter().filter(|(url, _)| !stands(url)) {
            // One that another replica has made meanwhile is a success too.
            self.done(instance, "hooks/create", &hooks::registration(hook, url)).await?;
        }
        let is_left =
            |hook: &&Listed| hook.url.starts_with(&self.prefix) && !wanted.contains_key(&hook.url);
        for Listed { id, .. } in listed.iter().filter(is_left) {
            let mut asked = String::new();
            query::append(&mut asked, "hookID", id);
            match self.done(instance, "hooks/destroy", &asked).await {
                Err(CallError::Bad(BadAnswer::Xml(XmlFault::Failed(Some(key)))))
                    if key == "destroyMissingHook" => {}
                done => done?,
            }
        }
        Ok(())
    }

    async fn list(&mut self, instance: &Arc<Instance>) -> Result<Vec<Listed>, CallError> {
        let first = self.only.unwrap_or(instance.sign_with);
        match self.listed(instance, first).await {
            Err(error) if is_checksum(&error) => {
                let other =
                    if first == Algorithm::Sha1 { instance.sign_with } else { Algorithm::Sha1 };
                let listed = self.listed(instance, other).await?;
                self.only = Some(other);
                Ok(listed)
            }
            listed => listed,
        }
    }

    async fn listed(
        &self,
        instance: &Arc<Instance>,
        algorithm: Algorithm,
    ) -> Result<Vec<Listed>, CallError> {
        let body = self.ask(instance, algorithm, "hooks/list", "").await?;
        Ok(hooks::scan(&body).map_err(BadAnswer::from)?)
    }

    /// A call that says SUCCESS.
    async fn done(
        &self,
        instance: &Arc<Instance>,
        call: &'static str,
        asked: &str,
    ) -> Result<(), CallError> {
        let algorithm = self.only.unwrap_or(instance.sign_with);
        let body = self.ask(instance, algorithm, call, asked).await?;
        let envelope = xml::read(&body).map_err(BadAnswer::from)?;
        match envelope.success {
            true => Ok(()),
            false => Err(BadAnswer::Xml(XmlFault::failed(envelope.message_key.as_deref())).into()),
        }
    }

    async fn ask(
        &self,
        instance: &Arc<Instance>,
        algorithm: Algorithm,
        call: &'static str,
        asked: &str,
    ) -> Result<Bytes, CallError> {
        let within = self.world.config.deadlines.first_byte;
        let signed = query::signed(asked, call, instance.secret.reveal(), algorithm);
        let request = Outgoing::get(instance.clone(), call, &signed, within);
        let told = async {
            let answer = self.world.servers.send(request).await?;
            Ok::<_, CallError>(whole(answer, MOST_BYTES, within).await?)
        };
        timeout(within, told).await.map_err(|_| BadAnswer::Late)?
    }
}

fn is_checksum(error: &CallError) -> bool {
    matches!(error, CallError::Bad(BadAnswer::Xml(XmlFault::Failed(Some(key)))) if key == "checksumError")
}
