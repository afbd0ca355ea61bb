//! Every chore of the project as a command. People and CI run the same ones: start with `cargo xtask --help`.

mod bench;
mod cycles;
mod demo;
mod disks;
mod faults;
mod fuzz;
mod generate;
mod hostile;
mod kill;
mod mutants;
mod processes;
mod partitions;
mod schema;
mod simulate;
mod soak;
mod test;
mod tidy;
mod website;
mod workspace;

use clap::{Parser, Subcommand};

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Every chore of Symphony Vault as a command")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks everything: tools, format, lints, tidy, the website, unit, integration and doc tests, end-to-end runs
    Test(test::Args),
    /// Shows two devices that edit offline and converge, as a story
    Demo(demo::Args),
    /// Serves the website while it is developed, or builds it for the relay
    Website(website::Args),
    /// Measures the vault and the relay
    Bench(bench::Args),
    /// Kills the vault and the relay at random instants, and looks for what they had acknowledged
    Kill(kill::Args),
    /// Puts relays and vaults back to older copies and clones vaults, and looks whether anything is lost or doubled
    Cycles(cycles::Args),
    /// Takes the network between vaults and a relay apart, and measures how soon everybody knows everything again
    Partitions(partitions::Args),
    /// Sends frames with something wrong in them to a live relay, and has thousands of devices come back at once
    Hostile(hostile::Args),
    /// Throws bytes at what takes bytes of anybody, for as long as one likes
    Fuzz(fuzz::Args),
    /// Changes named modules in one place after the other, and looks whether a test notices
    Mutants(mutants::Args),
    /// Runs simulated worlds: devices, links, a relay and every fault, under one seed each
    Simulate(simulate::Args),
    /// Rebuilds the files of a vault and a relay as a crash may leave them, opens and checks them
    Disks(disks::Args),
    /// Lets system calls of the vault and the relay fail, and looks for what they had acknowledged
    Faults(faults::Args),
    /// Has eight processes work on one vault and kills them, and looks whether anything is lost or doubled
    Processes(processes::Args),
    /// Keeps a relay under load while it is killed, restarted and out of room, and says what a client sees of it
    Soak(soak::Args),
    /// Checks the rules that no compiler knows: who may use whom, what docs name, licences
    Tidy,
    /// Works on the files of document types
    Schema(schema::Args),
    /// Writes the documents that are made from code
    Generate(generate::Args),
}

fn main() -> std::process::ExitCode {
    let outcome = Workspace::find().and_then(|workspace| match Args::parse().chore {
        Chore::Test(args) => test::run(&workspace, &args),
        Chore::Demo(args) => demo::run(&workspace, &args),
        Chore::Website(args) => website::run(&workspace, &args),
        Chore::Bench(args) => bench::run(&workspace, &args),
        Chore::Kill(args) => kill::run(&workspace, &args),
        Chore::Cycles(args) => cycles::run(&workspace, &args),
        Chore::Partitions(args) => partitions::run(&workspace, &args),
        Chore::Hostile(args) => hostile::run(&workspace, &args),
        Chore::Fuzz(args) => fuzz::run(&workspace, &args),
        Chore::Mutants(args) => mutants::run(&workspace, &args),
        Chore::Simulate(args) => simulate::run(&workspace, &args),
        Chore::Disks(args) => disks::run(&workspace, &args),
        Chore::Faults(args) => faults::run(&workspace, args),
        Chore::Processes(args) => processes::run(&workspace, args),
        Chore::Soak(args) => soak::run(&workspace, &args),
        Chore::Tidy => tidy::run(&workspace),
        Chore::Schema(args) => schema::run(&workspace, &args),
        Chore::Generate(args) => generate::run(&workspace, &args),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Args::command().debug_assert();
    }
}
