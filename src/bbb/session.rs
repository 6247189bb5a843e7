//! The calls by which BBB's client speaks with its own server: they carry a session and no checksum.
//!
//! Sessions live on the instances, whose own addresses browsers have after a join. Whoever brings one to us
//! reads what BBB 3.0 says of a session that it does not know.

use serde_json::{Value, json};

use super::reply::pretty;

/// A call with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCall {
    GetJoinUrl,
    LearningDashboard,
    Stuns,
    SignOut,
    /// Not there any more in BBB 3.0, or not yet: `enter`, `guestWait`, `feedback`.
    Gone,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionAnswer {
    Json(String),
    Xml(&'static str),
    /// There is no such call.
    Gone(String),
}

impl SessionCall {
    /// The call of this name, as written behind `/api/`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "getJoinUrl" => Self::GetJoinUrl,
            "learningDashboard" => Self::LearningDashboard,
            "stuns" => Self::Stuns,
            "signOut" => Self::SignOut,
            "enter" | "guestWait" | "feedback" => Self::Gone,
            _ => return None,
        })
    }

    /// The answer to a request with this session token; `home` is where who is logged out lands.
    pub fn answer(self, token: Option<&str>, home: &str) -> SessionAnswer {
        match self {
            Self::GetJoinUrl | Self::LearningDashboard => {
                let message = match token.is_some_and(|token| !token.is_empty()) {
                    true => "Invalid session token",
                    false => "You must provide a session token",
                };
                SessionAnswer::Json(response(&json!({"returncode": "FAILED", "message": message})))
            }
            Self::Stuns => SessionAnswer::Json(pretty(&json!({
                "returncode": "FAILED", "message": "Could not find conference.", "logoutURL": home
            }))),
            Self::SignOut => {
                SessionAnswer::Xml("<response><returncode>SUCCESS</returncode></response>")
            }
            Self::Gone => SessionAnswer::Gone(response(&json!({
                "returncode": "FAILED", "messageKey": "unsupportedRequest",
                "message": "This request is not supported."
            }))),
        }
    }
}

fn response(inner: &Value) -> String {
    pretty(&json!({ "response": inner }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(call: &str, token: Option<&str>, expected: &str) {
        let call = SessionCall::parse(call).expect("a call");
        let (SessionAnswer::Json(body) | SessionAnswer::Gone(body)) =
            call.answer(token, "https://t")
        else {
            panic!("JSON");
        };
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body, serde_json::from_str::<Value>(expected).expect("JSON"));
    }

    #[test]
    fn a_session_that_nobody_knows_is_answered_as_bbb_answers() {
        let unknown = r#"{"response":{"returncode":"FAILED","message":"Invalid session token"}}"#;
        let none =
            r#"{"response":{"returncode":"FAILED","message":"You must provide a session token"}}"#;
        for call in ["getJoinUrl", "learningDashboard"] {
            check(call, Some("abc"), unknown);
            check(call, Some(""), none);
            check(call, None, none);
        }
        let stuns = r#"{"returncode":"FAILED","message":"Could not find conference.","logoutURL":"https://t"}"#;
        check("stuns", Some("abc"), stuns);
        let gone = r#"{"response":{"returncode":"FAILED","messageKey":"unsupportedRequest",
            "message":"This request is not supported."}}"#;
        for call in ["enter", "guestWait", "feedback"] {
            check(call, Some("abc"), gone);
        }
        let sign_out = SessionCall::SignOut.answer(None, "");
        assert!(matches!(sign_out, SessionAnswer::Xml(xml) if xml.contains("SUCCESS")));
        for none in ["join", "SignOut", "getjoinurl", ""] {
            assert_eq!(SessionCall::parse(none), None);
        }
    }
}
