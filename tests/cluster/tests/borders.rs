//! What must never be: the borders between crates, as the manifests and the sources draw them.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The dependencies of each crate of the workspace that its users get, by name. Those for tests and builds are left out.
fn dependencies() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .context("asking cargo for the workspace")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let normal = |package: &Value| {
        let all = package["dependencies"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|one| one["kind"].is_null()).map(|one| text(&one["name"])).collect()
    };
    Ok(packages.iter().map(|package| (text(&package["name"]), normal(package))).collect())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every source file below these folders of the workspace.
fn sources(folders: &[&str]) -> Result<Vec<(PathBuf, String)>> {
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path)?.filter_map(|entry| Some(entry.ok()?.path())));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            found.push((path, text));
        }
    }
    assert!(!found.is_empty(), "no sources below {folders:?}");
    Ok(found)
}

#[track_caller]
fn only(who: &[&str], may_use: &[&str], dependencies: &BTreeMap<String, BTreeSet<String>>) {
    for (name, uses) in dependencies {
        for what in may_use {
            assert!(
                !uses.contains(*what) || who.contains(&name.as_str()),
                "{name} must not depend on {what}"
            );
        }
    }
}

#[test]
fn core_knows_words_and_containers_alone() -> Result<()> {
    let dependencies = dependencies()?;
    let core = dependencies.get("mobula-core").context("mobula-core")?;
    // A hash of content is arithmetic too.
    let allowed = ["mobula-types", "indexmap", "foldhash", "hashbrown", "slab", "smallvec", "blake3"];
    for used in core {
        assert!(allowed.contains(&used.as_str()), "core must not depend on {used}");
    }
    let never = [
        "async fn",
        "Instant::now",
        "SystemTime::now",
        "std::fs",
        "std::net",
        "std::thread",
        "println!",
        "rand::",
    ];
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    for (path, text) in sources(&["crates/core/src"])?.iter().filter(|(path, _)| !is_test(path)) {
        for word in never {
            assert!(!text.contains(word), "core must stay pure: '{word}' in {}", path.display());
        }
    }
    Ok(())
}

#[test]
fn the_sdk_and_the_servers_do_not_know_each_other() -> Result<()> {
    let dependencies = dependencies()?;
    let uses = |name: &str, what: &str| dependencies.get(name).is_some_and(|uses| uses.contains(what));
    for server in ["mobula-head", "mobula-node"] {
        assert!(!uses("mobula", server), "the SDK depends on {server}");
        assert!(!uses(server, "mobula"), "{server} depends on the SDK");
    }
    assert!(!uses("mobula-local", "mobula"));
    assert!(!uses("mobula-head", "mobula-node") && !uses("mobula-node", "mobula-head"));
    Ok(())
}

#[test]
fn wire_types_stay_in_rpc() -> Result<()> {
    let dependencies = dependencies()?;
    // A head keeps its records through it, in domain types.
    only(&["mobula-rpc", "mobula-head"], &["mobula-proto"], &dependencies);
    for (path, text) in sources(&["head/src"])? {
        assert!(!text.contains("mobula_proto::wire"), "wire types in {}", path.display());
    }
    // The floors of the benchmark are bare transports.
    // Nor is what etcd answers with, which the registry translates.
    let may_use_tonic = ["mobula-rpc", "mobula-proto", "mobula-cli", "mobula-registry"];
    only(&may_use_tonic, &["tonic", "prost", "tonic-prost"], &dependencies);
    Ok(())
}

#[test]
fn the_registrys_stores_stay_in_the_registry() -> Result<()> {
    only(&["mobula-registry"], &["etcd-client", "redb"], &dependencies()?);
    Ok(())
}

#[test]
fn memory_is_mapped_in_one_crate() -> Result<()> {
    only(&["mobula-objects"], &["memmap2"], &dependencies()?);
    Ok(())
}

#[test]
fn no_room_is_called_after_nothing() -> Result<()> {
    for (path, _) in sources(&["crates", "head", "node", "client", "proto", "tests", "examples"])? {
        for part in path.components().filter_map(|part| part.as_os_str().to_str()) {
            let name = part.trim_end_matches(".rs");
            assert!(
                !["util", "utils", "common", "misc", "helper", "helpers"].contains(&name),
                "{}",
                path.display()
            );
        }
    }
    Ok(())
}

#[test]
fn files_stay_small() -> Result<()> {
    for (path, text) in sources(&["crates", "head", "node", "client", "proto", "tests", "examples"])? {
        assert!(text.lines().count() <= 500, "{} has over 500 lines", path.display());
    }
    Ok(())
}

const TOP: [&str; 7] = ["client/", "crates/", "examples/", "head/", "node/", "proto/", "tests/"];

/// What `docs/architecture.md` calls by its path is there.
#[test]
fn the_map_names_what_exists() -> Result<()> {
    let root = root();
    let map = std::fs::read_to_string(root.join("docs/architecture.md"))?;
    let quoted = map.split('`').skip(1).step_by(2);
    let paths: Vec<&str> = quoted
        .filter(|text| TOP.iter().any(|top| text.starts_with(top)) && !text.contains(char::is_whitespace))
        .collect();
    assert!(paths.len() > 50, "{}", paths.len());
    for path in paths {
        assert!(root.join(path).exists(), "{path} is not there");
    }
    Ok(())
}

#[test]
fn the_map_lists_every_file() -> Result<()> {
    let checked = Command::new(root().join("tools/map")).arg("--check").output()?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    Ok(())
}
