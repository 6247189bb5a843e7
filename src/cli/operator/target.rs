//! Which balancer is meant, and by which key: flags, else a variable, else the file that `bbsctl` has too.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::cli::{Surroundings, web};
use crate::domain::secret::Secret;

const KEY_VARIABLE: &str = "BBS_ADMIN_API_KEY";
const FILE: &str = ".bigblueswarm/.bbsctl.yml";

/// What `bbsctl` and the operator's verbs know of a balancer.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Bbsctl {
    #[serde(default)]
    pub(in crate::cli) bbs: String,
    #[serde(default, rename = "apiKey", alias = "api_key")]
    pub(in crate::cli) api_key: String,
}

impl Bbsctl {
    /// Where it is, unless told otherwise.
    pub(in crate::cli) fn place(home: &Path) -> PathBuf {
        home.join(FILE)
    }
}

/// The flags that say which balancer is meant.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which balancer")]
pub(in crate::cli) struct Reach {
    /// The file that names it and its key, as `init config` writes it [default: $HOME/.bigblueswarm/.bbsctl.yml]
    #[arg(id = "config", long = "config", value_name = "FILE")]
    config: Option<String>,
    /// Its URL, instead of the file's
    #[arg(short, long, value_name = "URL")]
    bbs: Option<String>,
    /// Its admin key, instead of that in BBS_ADMIN_API_KEY or the file's; whoever lists this
    /// machine's processes (`ps`) can read it here
    #[arg(short, long, value_name = "KEY", value_parser = secret)]
    key: Option<Secret>,
    /// How long each of its answers may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// A secret among the arguments, which is never printed.
pub(in crate::cli) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// A balancer and how to get into it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) key: Secret,
    pub(super) within: Duration,
}

impl Reach {
    /// The balancer that is meant.
    pub(super) fn target(&self, around: &Surroundings) -> Result<Target, Failure> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let of_environment = around.environment.get(KEY_VARIABLE).and_then(|key| given(key));
        let key = self.key.as_ref().and_then(|key| given(key.reveal())).or(of_environment);
        let path = self.path(around);
        let file = match &path {
            Some(path) => read(path, self.config.is_some())?,
            None => None,
        };
        let (of_file, from) = (file.unwrap_or_default(), self.named(path.as_deref()));
        let bbs = self.bbs.clone().or_else(|| given(&of_file.bbs));
        let bbs = bbs.ok_or_else(|| missing("which balancer (--bbs)", &from))?;
        let key = key.or_else(|| given(&of_file.api_key));
        let key =
            key.ok_or_else(|| missing(&format!("its key ({KEY_VARIABLE} or --key)"), &from))?;
        let source = if self.bbs.is_some() { "--bbs".to_owned() } else { format!("{from}: bbs") };
        let url = url(&bbs).map_err(|why| Failure::Wrong(format!("{source}: {bbs:?} {why}")))?;
        Ok(Target { url, key: Secret::new(key), within: Duration::from_secs(self.timeout) })
    }

    fn path(&self, around: &Surroundings) -> Option<PathBuf> {
        let in_home = || around.home.as_deref().map(Bbsctl::place);
        self.config.as_ref().map(PathBuf::from).or_else(in_home)
    }

    fn named(&self, path: Option<&Path>) -> String {
        path.map_or_else(|| format!("~/{FILE}"), |path| path.display().to_string())
    }
}

fn missing(what: &str, file: &str) -> Failure {
    Failure::Wrong(format!(
        "nothing says {what}: neither a flag nor {file}; `bigblueswarm init config --bbs URL --key KEY` writes that file"
    ))
}

/// The balancer's URL, also when its admin surface or its API is named.
fn url(text: &str) -> Result<Url, &'static str> {
    let trimmed = text.trim().trim_end_matches('/');
    let ends = ["/admin/api", "/bigbluebutton/api", "/bigbluebutton"];
    let trimmed = ends.iter().find_map(|end| trimmed.strip_suffix(end)).unwrap_or(trimmed);
    web::base(trimmed)
}

/// The file, if it is there; one that was asked for must be.
fn read(path: &Path, must_be: bool) -> Result<Option<Bbsctl>, Failure> {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_be => return Ok(None),
        Err(error) => return Err(Failure::Wrong(format!("{shown}: can't be read: {error}"))),
    };
    // An error of the reader may show a value, and one of them is a key.
    serde_yaml::from_str::<Option<Bbsctl>>(&text).map_err(|error| {
        let line = error.location().map_or(String::new(), |at| format!(":{}", at.line()));
        Failure::Wrong(format!("{shown}{line}: expected bbs: and apiKey: with texts behind them"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(config: Option<&str>, bbs: Option<&str>, key: Option<&str>) -> Reach {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Reach { config: text(config), bbs: text(bbs), key: key.map(Secret::new), timeout: 20 }
    }

    /// What is meant with this file in the home directory, as `URL key`, or the fault.
    #[track_caller]
    fn check(file: Option<&str>, variable: Option<&str>, flags: [Option<&str>; 2], expected: &str) {
        let home = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            std::fs::create_dir(home.path().join(".bigblueswarm")).unwrap();
            std::fs::write(Bbsctl::place(home.path()), text).unwrap();
        }
        let environment = variable.map(|key| (KEY_VARIABLE.to_owned(), key.to_owned()));
        let around = Surroundings {
            environment: environment.into_iter().collect(),
            home: Some(home.path().into()),
        };
        let said = match reach(None, flags[0], flags[1]).target(&around) {
            Ok(target) => format!("{} {}", target.url, target.key.reveal()),
            Err(failure) => failure.to_string().replace(&home.path().display().to_string(), "HOME"),
        };
        assert!(said.starts_with(expected), "{said}");
    }

    const WRITTEN: &str = "bbs: http://localhost:8090\napiKey: kgpqrTipM2yjcXwz5pOxBKViE9oNX76R\n";

    #[test]
    fn the_file_of_bbsctl_is_enough() {
        let expected = "http://localhost:8090/ kgpqrTipM2yjcXwz5pOxBKViE9oNX76R";
        check(Some(WRITTEN), None, [None; 2], expected);
        check(
            Some("api_key: k\nbbs: https://b/x/admin/api/\nmore: 1"),
            None,
            [None; 2],
            "https://b/x k",
        );
        check(Some("bbs: https://b/bigbluebutton/\napiKey: k"), None, [None; 2], "https://b/ k");
    }

    #[test]
    fn a_flag_wins_over_the_variable_and_that_over_the_file() {
        check(Some(WRITTEN), Some("v"), [None; 2], "http://localhost:8090/ v");
        check(Some(WRITTEN), Some("v"), [Some("http://c"), Some("f")], "http://c/ f");
        check(None, Some("v"), [Some("http://c"), None], "http://c/ v");
        check(Some(WRITTEN), Some(""), [None, Some("")], "http://localhost:8090/ kgpq");
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_without_the_key() {
        check(
            None,
            None,
            [None; 2],
            "nothing says which balancer (--bbs): neither a flag nor HOME",
        );
        check(Some("bbs: \"\"\napiKey: \"\""), None, [None; 2], "nothing says which balancer");
        check(Some(""), None, [None, Some("k")], "nothing says which balancer");
        check(None, None, [Some("http://b"), None], "nothing says its key (BBS_ADMIN_API_KEY or");
        check(
            Some("bbs: b:80\napiKey: k"),
            None,
            [None; 2],
            "HOME/.bigblueswarm/.bbsctl.yml: bbs: \"b:80\" must start",
        );
        check(None, None, [Some("b"), Some("k")], "--bbs: \"b\" is no URL");
        check(
            Some("bbs: http://b\napiKey: [hidden]"),
            None,
            [None; 2],
            "HOME/.bigblueswarm/.bbsctl.yml:2: expected bbs:",
        );
        let asked = reach(Some("/nowhere"), Some("http://b"), Some("k"));
        let said = asked.target(&Surroundings::default()).unwrap_err().to_string();
        assert!(said.starts_with("/nowhere: can't be read"), "{said}");
        assert!(!format!("{:?}", reach(None, None, Some("hidden"))).contains("hidden"));
    }
}
