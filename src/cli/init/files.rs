//! `init config`, `init instances`, `init tenant`: files for the operator's verbs, to be edited.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::files::{self, Wrote};
use crate::cli::operator::{Bbsctl, secret, yaml};
use crate::cli::{Exit, Surroundings, complain, say, web};
use crate::domain::secret::Secret;
use crate::domain::tenant::{TenantDocument, TenantSpec};
use crate::http::admin::tenant_fault;

const KEY_VARIABLE: &str = "BBS_ADMIN_API_KEY";
const INSTANCES: &str = "\
kind: InstanceList
# The whole pool: the URL of each instance up to /bigbluebutton, and what `bbb-conf --secret` prints there.
#   https://bbb1.example.org/bigbluebutton: its-secret
instances: {}
";
const TENANT_NOTES: &str = "\
# In spec: secret, meeting_pool, user_pool, and what the README lists under Tenants.
# instances: the URLs it may use; none means all.
";

/// The files that `init` can write besides a configuration.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum InitFile {
    /// Write which balancer the operator's verbs (and bbsctl) speak to, and with which key
    Config(ConfigArgs),
    /// Write a list of instances to fill in and apply
    Instances(InstancesArgs),
    /// Write a tenant to fill in and apply
    Tenant(TenantArgs),
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ConfigArgs {
    /// The balancer's URL
    #[arg(short, long, value_name = "URL", default_value = "", hide_default_value = true)]
    bbs: String,
    /// Its admin key; else that of BBS_ADMIN_API_KEY, which no list of processes (`ps`) shows
    #[arg(short, long, value_name = "KEY", value_parser = secret)]
    key: Option<Secret>,
    /// The file to write, instead of .bbsctl.yml in the folder
    #[arg(id = "config", long = "config", value_name = "FILE", conflicts_with = "dest")]
    config: Option<String>,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct InstancesArgs {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct TenantArgs {
    /// By which host it is called, with a port if that has one
    #[arg(long)]
    host: String,
    /// Most meetings at once; -1 for no limit
    #[arg(
        long = "meeting_pool",
        alias = "meeting-pool",
        value_name = "N",
        allow_negative_numbers = true
    )]
    meeting_pool: Option<i64>,
    /// Most users at once; -1 for no limit
    #[arg(
        long = "user_pool",
        alias = "user-pool",
        value_name = "N",
        allow_negative_numbers = true
    )]
    user_pool: Option<i64>,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Folder {
    /// The folder to write to [default: $HOME/.bigblueswarm]
    #[arg(short, long, value_name = "DIR")]
    dest: Option<PathBuf>,
}

pub(super) fn run(what: &InitFile, force: bool, around: &Surroundings) -> Exit {
    let (file, next) = match what {
        InitFile::Config(args) => (config(args, around), "get instances"),
        InitFile::Instances(args) => (instances(args, around), "apply -f"),
        InitFile::Tenant(args) => (tenant(args, around), "apply -f"),
    };
    let written = file.and_then(|(path, text)| Ok((files::write(&path, &text, force)?, path)));
    match written {
        Ok((Wrote::Anew, path)) => {
            let path = path.display();
            let next = if next.ends_with("-f") { format!("{next} {path}") } else { next.into() };
            say(&format!("Wrote {path}; only you can read it. Next: bigblueswarm {next}\n"))
        }
        Ok((Wrote::Nothing, path)) => {
            say(&format!("{} is so already\n", path.display()));
            Exit::Unchanged
        }
        Err(failure) => {
            complain(&failure.to_string());
            Exit::from(&failure)
        }
    }
}

impl Folder {
    fn file(&self, name: &str, around: &Surroundings) -> Result<PathBuf, Failure> {
        let home = || around.home.as_deref().map(|home| home.join(".bigblueswarm"));
        let folder = self.dest.clone().or_else(home);
        let none = || Failure::Wrong("there is no home directory: name a folder by --dest".into());
        folder.map(|folder| folder.join(name)).ok_or_else(none)
    }
}

type Text = Result<(PathBuf, String), Failure>;

fn config(args: &ConfigArgs, around: &Surroundings) -> Text {
    let path = match &args.config {
        Some(path) => PathBuf::from(path),
        None => args.folder.file(&file_name(&Bbsctl::place(Path::new(""))), around)?,
    };
    if !args.bbs.is_empty() {
        web::base(&args.bbs)
            .map_err(|why| Failure::Wrong(format!("--bbs: {:?} {why}", args.bbs)))?;
    }
    let of_environment = || around.environment.get(KEY_VARIABLE).cloned();
    let key = args.key.as_ref().map(|key| key.reveal().to_owned()).or_else(of_environment);
    let written = Bbsctl { bbs: args.bbs.clone(), api_key: key.unwrap_or_default() };
    Ok((path, yaml(&written)?))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn instances(args: &InstancesArgs, around: &Surroundings) -> Text {
    Ok((args.folder.file("instances.yml", around)?, INSTANCES.into()))
}

fn tenant(args: &TenantArgs, around: &Surroundings) -> Text {
    let limit = |name: &str, limit: Option<i64>| match limit.filter(|limit| *limit != -1) {
        None => Ok(None),
        Some(limit) => u32::try_from(limit).map(Some).map_err(|_| {
            Failure::Wrong(format!("--{name}: must be a number from 0, or -1 for no limit"))
        }),
    };
    let document = TenantDocument {
        kind: "Tenant".into(),
        spec: TenantSpec {
            host: args.host.clone(),
            meeting_pool: limit("meeting_pool", args.meeting_pool)?,
            user_pool: limit("user_pool", args.user_pool)?,
            ..TenantSpec::default()
        },
        metadata: Default::default(),
        instances: Vec::new(),
    };
    if let Some(fault) = tenant_fault(&document) {
        return Err(Failure::Wrong(fault));
    }
    let path = args.folder.file(&format!("{}.tenant.yml", args.host), around)?;
    Ok((path, TENANT_NOTES.to_owned() + &yaml(&document)?))
}
