//! Runs seeds of the simulation, and replays those that fail.

fn main() {
    let mut args = std::env::args().skip(1);
    let a: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(0);
    let b: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(a + 1);
    let trace = args.next().is_some();
    for seed in a..b {
        let r = mobula_simulation::run(seed, None, trace);
        for l in &r.lines {
            println!("{l}");
        }
        println!("{seed} {} {:x} {:?}", r.events, r.hash, r.violation);
    }
}
