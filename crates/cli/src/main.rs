//! The binary `mobula`: runs a cluster, or one role of it, and talks to one.

mod bench;
mod process;

use clap::Parser;

#[derive(Parser)]
enum Command {
    #[command(hide = true, name = "bench-floor", subcommand)]
    Floor(bench::floors::FloorRole),
    Bench,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Floor(role) => role.play(),
        Command::Bench => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let floors = runtime.block_on(bench::run())?;
            println!("{floors:#?}");
            Ok(())
        }
    }
}
