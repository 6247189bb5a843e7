//! `import`: servers and tenants of another balancer, as documents to apply.

mod b3scale;
mod plan;
mod scalelite;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::plan::Plan;
use super::failure::{Failure, finish};
use super::files::{self, Wrote};
use super::operator::Secrecy;
use super::table::tame;
use super::{Exit, complain, say};

/// Where from.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Import {
    /// From the Redis of a running Scalelite
    Scalelite(scalelite::ScaleliteArgs),
    /// From the REST API of a running b3scale
    B3scale(b3scale::B3scaleArgs),
}

/// Where the documents go.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is written")]
pub(in crate::cli) struct Output {
    /// The file for the list of instances
    #[arg(long, value_name = "FILE", default_value = "instances.yml")]
    instances: PathBuf,
    /// The file for the tenants
    #[arg(long, value_name = "FILE", default_value = "tenants.yml")]
    tenants: PathBuf,
    /// The domain of the tenants' hosts: NAME becomes NAME.DOMAIN. Without it a tenant's host is its
    /// bare name, and it is called by the path /t/NAME/bigbluebutton/api
    #[arg(long)]
    domain: Option<String>,
    /// Print the documents instead of writing them
    #[arg(long)]
    dry_run: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    secrecy: Secrecy,
}

pub(super) fn run(from: &Import) -> Exit {
    finish(async {
        match from {
            Import::Scalelite(args) => {
                let plan = scalelite::read(args).await?;
                args.output.put(&plan)
            }
            Import::B3scale(args) => {
                let plan = b3scale::read(args).await?;
                args.output.put(&plan)
            }
        }
    })
}

impl Output {
    /// Prints or writes the documents, and says what is left to do by hand.
    fn put(&self, plan: &Plan) -> Result<Exit, Failure> {
        if plan.instances.is_empty() && plan.tenants.is_empty() {
            plan.remarks.iter().for_each(|remark| complain(&tame(remark)));
            return Err(Failure::Wrong("there is nothing to take over".into()));
        }
        let done = if self.dry_run { self.print(plan)? } else { self.write(plan)? };
        plan.remarks
            .iter()
            .for_each(|remark| complain(&tame(&format!("not taken over: {remark}"))));
        plan.steps.iter().for_each(|step| complain(&tame(&format!("after applying: {step}"))));
        Ok(done)
    }

    fn print(&self, plan: &Plan) -> Result<Exit, Failure> {
        let shown = if self.secrecy.show_secrets { plan.clone() } else { plan.masked() };
        let texts = [shown.instance_list()?, shown.tenant_documents()?];
        let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        Ok(say(&texts.join("---\n")))
    }

    fn write(&self, plan: &Plan) -> Result<Exit, Failure> {
        let texts =
            [(&self.instances, plan.instance_list()?), (&self.tenants, plan.tenant_documents()?)];
        let mut exit = Exit::Unchanged;
        for (path, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            let wrote = files::write(path, text, self.force)?;
            let shown = path.display();
            match wrote {
                Wrote::Anew => {
                    exit = Exit::Done;
                    say(&format!("Wrote {shown}. Next: bigblueswarm apply -f {shown}\n"));
                }
                Wrote::Nothing => {
                    say(&format!("{shown} is so already\n"));
                }
            }
        }
        Ok(exit)
    }

    /// The host of a tenant of this name.
    fn host(&self, name: &str) -> String {
        host(name, self.domain.as_deref())
    }
}

fn host(name: &str, domain: Option<&str>) -> String {
    match domain.map(|domain| domain.trim_matches('.')).filter(|domain| !domain.is_empty()) {
        Some(domain) => format!("{name}.{domain}"),
        None => name.to_owned(),
    }
}

/// An instance's name: its API's URL up to `/bigbluebutton`, as Telegraf's tag has it.
fn instance_url(api: &str) -> String {
    let url = api.trim().trim_end_matches('/');
    url.strip_suffix("/api").unwrap_or(url).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_named_by_their_url_up_to_bigbluebutton() {
        let check = |api: &str, expected: &str| assert_eq!(instance_url(api), expected, "{api}");
        check("https://b.example.org/bigbluebutton/api/", "https://b.example.org/bigbluebutton");
        check(" https://b/bigbluebutton/api", "https://b/bigbluebutton");
        check("https://b/bigbluebutton/", "https://b/bigbluebutton");
        check("https://b", "https://b");
    }

    #[test]
    fn hosts_are_made_of_name_and_domain() {
        assert_eq!(host("a", Some(".sl.example.org")), "a.sl.example.org");
        assert_eq!([host("a", None), host("a", Some(""))], ["a", "a"]);
    }
}
