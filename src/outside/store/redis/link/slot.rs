//! Which slot a command is about.

use redis::cluster_routing::Slot;
use redis::{Arg, Cmd};

/// The slot of the first command that names a key.
pub(super) fn of<'a>(commands: impl IntoIterator<Item = &'a Cmd>) -> Option<Slot> {
    commands.into_iter().find_map(key).map(Slot::for_key)
}

/// The key of one of our commands: none of them has it elsewhere.
fn key(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().map(|word| match word {
        Arg::Simple(word) => word,
        _ => b"",
    });
    match words.next()? {
        b"EVAL" | b"EVALSHA" => words.nth(2),
        b"PING" | b"PUBLISH" | b"INFO" | b"SCRIPT" => None,
        _ => words.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_about_the_slot_of_its_first_key() {
        let slot = |words: &[&str]| {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            of([&command])
        };
        let expected = Some(Slot::for_key("{a}"));
        assert_eq!(slot(&["GET", "x:{a}:y"]), expected);
        assert_eq!(slot(&["EVALSHA", "0a", "1", "x:{a}", "b"]), expected);
        assert_eq!(slot(&["PING"]), None);
        assert_eq!(slot(&["PUBLISH", "channel", "text"]), None);
        let (ping, set) = (redis::cmd("PING"), redis::cmd("SET").arg("{a}").arg(1).clone());
        assert_eq!(of([&ping, &set]), expected);
    }
}
