//! Stories about the fuzz targets: their seeds, and whatever inputs they once found, keep every promise.

use std::fs;
use std::path::{Path, PathBuf};

use bigblueswarm::fuzzing::TARGETS;

/// All seeds of a target, small as they are, are committed.
const MOST_BYTES: usize = 64 * 1024;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

#[test]
fn every_target_has_small_seeds_which_keep_its_promise() {
    for (name, target) in TARGETS {
        let files = fs::read_dir(folder(name)).expect("a folder with seeds");
        let seeds: Vec<Vec<u8>> =
            files.map(|file| fs::read(file.expect("an entry").path()).expect("a seed")).collect();
        assert!(seeds.len() >= 5, "{name}: {} seeds", seeds.len());
        assert!(seeds.iter().map(Vec::len).sum::<usize>() < MOST_BYTES, "{name}: large seeds");
        for seed in seeds {
            target(&seed);
            (0..seed.len()).for_each(|end| target(&seed[..end]));
        }
    }
}

#[test]
fn every_target_is_built_and_run_by_the_makefile() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).expect("a manifest");
    let makefile = fs::read_to_string(root.join("Makefile")).expect("a Makefile");
    let run = makefile.lines().find_map(|line| line.strip_prefix("FUZZ_TARGETS := "));
    let run: Vec<&str> = run.expect("the targets").split(' ').collect();
    assert_eq!(run, TARGETS.map(|(name, _)| name));
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        let source = fs::read_to_string(root.join(format!("fuzz/fuzz_targets/{name}.rs")));
        assert!(source.expect("a target").contains(&format!("fuzzing::{name}(data)")), "{name}");
    }
}
