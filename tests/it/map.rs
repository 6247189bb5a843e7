//! Stories about the map: what `actors.md` and the module rules say is true of the code.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source below a folder of the project.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// Every message enum in a file, with its variants, by indentation as rustfmt leaves it.
fn message_enums(text: &str) -> Vec<(String, Vec<String>)> {
    let mut enums: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("pub enum ").and_then(|l| l.split([' ', '{']).next())
        {
            inside = name.ends_with("Message");
            if inside {
                enums.push((name.to_owned(), Vec::new()));
            }
        } else if line == "}" {
            inside = false;
        } else if inside
            && let Some(rest) = line.strip_prefix("    ")
            && rest.starts_with(|c: char| c.is_ascii_uppercase())
            && let Some((_, variants)) = enums.last_mut()
        {
            variants
                .push(rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_owned());
        }
    }
    enums
}

#[test]
fn every_message_stands_in_the_map() {
    let map = fs::read_to_string(root().join("actors.md")).expect("actors.md is there");
    let mut enums = 0;
    for path in rust_files("src/actors") {
        let text = fs::read_to_string(&path).expect("a source file");
        for (name, variants) in message_enums(&text) {
            enums += 1;
            assert!(!variants.is_empty(), "{name} has no variants: is the reader of enums broken?");
            let actor = name.trim_end_matches("Message").to_lowercase();
            let section = map.split("\n### ").find(|part| part.starts_with(&format!("{actor}\n")));
            let section = section.unwrap_or_else(|| panic!("actors.md has no section {actor}"));
            let table: String = section.lines().filter(|l| l.starts_with('|')).collect();
            for variant in variants.iter().filter(|v| *v != "Crash") {
                let named = table.split(|c: char| !c.is_alphanumeric()).any(|word| word == variant);
                assert!(named, "actors.md, section {actor}, does not name {variant}");
            }
        }
    }
    assert_eq!(enums, 10, "nine actors and the supervisor have a message enum each");
}

#[test]
fn every_message_of_the_map_exists() {
    let map = fs::read_to_string(root().join("actors.md")).expect("actors.md is there");
    let all: String = rust_files("src/actors")
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source file"))
        .collect();
    let known: Vec<(String, Vec<String>)> = message_enums(&all);
    let section = map.split("\n## ").find(|part| part.starts_with("Messages")).expect("a section");
    for part in section.split("\n### ").skip(1) {
        let actor = part.lines().next().unwrap_or_default();
        let (_, variants) = known
            .iter()
            .find(|(name, _)| name.to_lowercase() == format!("{actor}message"))
            .unwrap_or_else(|| panic!("actors.md has a section {actor}, the code no such enum"));
        for row in part.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| message")) {
            let cell = row.split('|').nth(1).unwrap_or_default();
            for name in cell.split(',').map(str::trim) {
                assert!(variants.iter().any(|v| v == name), "{actor} has no message {name}");
            }
        }
    }
}

#[test]
fn domain_and_protocol_know_no_runtime_and_no_clock() {
    let banned = [
        "tokio",
        "ractor",
        "axum",
        "hyper",
        "Instant::now",
        "SystemTime::now",
        "std::fs",
        "std::net::Tcp",
    ];
    for folder in ["src/domain", "src/bbb"] {
        for path in rust_files(folder) {
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (number, line) in code.enumerate() {
                for word in banned {
                    assert!(!line.contains(word), "{}:{}: {word}", path.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn no_actor_holds_a_handle_of_another() {
    for path in rust_files("src/actors") {
        let text = fs::read_to_string(&path).expect("a source file");
        if path.ends_with("directory.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let field = line.contains("Handle,") && line.trim_start().starts_with("pub ");
            assert!(!field, "{}:{}: a handle as a field", path.display(), number + 1);
        }
    }
}
