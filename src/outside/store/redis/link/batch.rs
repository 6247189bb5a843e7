//! Commands that are sent together, each about one key: perhaps with the script they call, perhaps until
//! a replica has them too.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, ServerErrorKind, Value};

use deadpool_redis::Connection;

/// How commands are sent together.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Batch<'a> {
    /// What the commands call by its hash. A server that does not know it (it was restarted) ran none of
    /// those it refused, so these are sent again in their order after it was loaded.
    pub(in super::super) script: Option<&'a str>,
    /// Whether a replica's acknowledgement of all of them is waited for, where there are replicas.
    pub(in super::super) copied: bool,
}

/// What became of a batch on one server.
pub(super) struct Done {
    pub(super) answers: Vec<RedisResult<Value>>,
    /// Whether a replica has it; none where that was not asked.
    pub(super) copied: Option<bool>,
}

impl Batch<'_> {
    pub(super) async fn send(
        &self,
        connection: &mut Connection,
        commands: &[&Cmd],
        asking: bool,
        copied: Option<Duration>,
    ) -> RedisResult<Done> {
        let mut done = together(connection, commands, asking, copied).await?;
        let unknown: Vec<usize> =
            (0..commands.len()).filter(|&n| not_loaded(&done.answers[n])).collect();
        if let Some(script) = self.script.filter(|_| !unknown.is_empty()) {
            redis::cmd("SCRIPT").arg("LOAD").arg(script).exec_async(connection).await?;
            let again: Vec<&Cmd> = unknown.iter().map(|&n| commands[n]).collect();
            let second = together(connection, &again, asking, copied).await?;
            done.copied = second.copied;
            for (n, answer) in unknown.into_iter().zip(second.answers) {
                done.answers[n] = answer;
            }
        }
        Ok(done)
    }
}

/// One pipeline. Replicas acknowledge on the connection that wrote, which is why it ends in the same one.
async fn together(
    connection: &mut Connection,
    commands: &[&Cmd],
    asking: bool,
    copied: Option<Duration>,
) -> RedisResult<Done> {
    let mut pipeline = Pipeline::with_capacity(commands.len() * 2 + 1);
    pipeline.ignore_errors();
    for command in commands {
        if asking {
            pipeline.cmd("ASKING").ignore();
        }
        pipeline.add_command((*command).clone());
    }
    if let Some(within) = copied {
        pipeline.add_command(wait(within));
    }
    let mut answers: Vec<RedisResult<Value>> = pipeline.query_async(connection).await?;
    let copied = copied.and_then(|_| answers.pop()).map(has_copy);
    Ok(Done { answers, copied: copied.transpose()? })
}

/// Waits until a replica has what was written on this connection.
pub(super) fn wait(within: Duration) -> Cmd {
    let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
    redis::cmd("WAIT").arg(1).arg(millis).clone()
}

/// Whether one has. A server that becomes a replica ends the wait with an error: what it wrote is void.
pub(super) fn has_copy(answer: RedisResult<Value>) -> RedisResult<bool> {
    match answer {
        Ok(Value::Int(replicas)) => Ok(replicas > 0),
        Err(e) if e.code() == Some("UNBLOCKED") || e.is_io_error() => Err(e),
        _ => Ok(false),
    }
}

fn not_loaded(answer: &RedisResult<Value>) -> bool {
    answer.as_ref().is_err_and(|e| e.kind() == ServerErrorKind::NoScript.into())
}
