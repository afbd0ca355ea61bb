//! A seed means one world: every frame, every effect and every page that is committed are the same in another process.

use std::process::Command;

/// Seeds that are compared.
const SEEDS: &str = "60";

fn digest() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_simulate")).args(["--hash", "--seeds", SEEDS]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_seed_is_the_same_world_in_two_processes() {
    let first = std::thread::spawn(digest);
    let second = digest();
    assert_eq!(first.join().unwrap(), second);
    assert_eq!(second.trim().len(), 64, "{second}");
}
