//! Compiles every `.proto` file under `proto/` without `protoc`, and keeps the descriptors for gRPC reflection.

use prost::Message;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Rare and large kinds of frames are boxed, so that a frame's size is that of the frequent ones.
const BOXED: &[&str] = &[
    ".mobula.v1.Frame.kind.template",
    ".mobula.v1.Frame.kind.cancel",
    ".mobula.v1.Frame.kind.view",
    ".mobula.v1.Frame.kind.assign",
    ".mobula.v1.Frame.kind.assignment_ended",
    ".mobula.v1.Frame.kind.job_ended",
    ".mobula.v1.Frame.kind.put_done",
    ".mobula.v1.Frame.kind.cancel_run",
    ".mobula.v1.Frame.kind.cancel_assignment",
    ".mobula.v1.Frame.kind.found_job",
    ".mobula.v1.Frame.kind.unreadable",
    ".mobula.v1.Frame.kind.copy_lost",
    ".mobula.v1.Frame.kind.charged",
    ".mobula.v1.Frame.kind.get",
    ".mobula.v1.Frame.kind.got",
    ".mobula.v1.Frame.kind.resolved",
    ".mobula.v1.Frame.kind.call",
    ".mobula.v1.Frame.kind.ask",
    ".mobula.v1.Frame.kind.answered",
    ".mobula.v1.Frame.kind.down",
    ".mobula.v1.Frame.kind.host_actor",
    ".mobula.v1.Frame.kind.turn",
    ".mobula.v1.Frame.kind.stop_actor",
    ".mobula.v1.Frame.kind.actor_exited",
    ".mobula.v1.Frame.kind.open_lane",
    ".mobula.v1.Frame.kind.lane_call",
    ".mobula.v1.Frame.kind.lane_call_ended",
    ".mobula.v1.Frame.kind.cancel_lane_call",
    ".mobula.v1.Frame.kind.publish",
    ".mobula.v1.Frame.kind.published",
    ".mobula.v1.Frame.kind.enrol",
    ".mobula.v1.Frame.kind.observed",
    ".mobula.v1.Frame.kind.distribute",
    ".mobula.v1.Record.kind.actor",
    ".mobula.v1.Record.kind.supervisor",
    ".mobula.v1.Outcome.end.failure",
    ".mobula.v1.TaskOptions.target.constructor",
];

/// Calls of `Node` that `mobula-rpc` reads and writes by hand, so that their bytes are not copied. They are described like
/// all others, and have no generated code.
const BULK: &[&str] = &["Fetch", "Store", "FetchExecutable", "UploadExecutable"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = proto_files(&root.join("mobula/v1"))?;
    let mut descriptors = protox::compile(&files, [root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    for service in descriptors.file.iter_mut().flat_map(|file| &mut file.service) {
        let bulk = |name: &str| service.name.as_deref() == Some("Node") && BULK.contains(&name);
        service.method.retain(|method| !bulk(method.name()));
    }
    let mut builder = tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .build_transport(false)
        .emit_rerun_if_changed(false);
    for path in BOXED {
        builder = builder.boxed(path);
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}

fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
