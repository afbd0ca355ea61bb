//! The demo that newcomers see first.

use anyhow::Result;
use system_tests::{Programs, demo};

use crate::world::odd_directory;

#[test]
fn the_demo_tells_its_story_to_the_end() -> Result<()> {
    let directory = odd_directory()?;
    demo::tell(&Programs::beside_this_executable()?, directory.path()).map(drop)
}
