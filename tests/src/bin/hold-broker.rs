//! Starts a broker, says what it is, and holds it until standard input ends: the test of what becomes of a broker whose owner dies runs this and kills it.
#![allow(clippy::print_stdout, reason = "it talks to the test that runs it")]

use std::error::Error;

use barid_tests::kafka::{Broker, Size};

fn main() -> Result<(), Box<dyn Error>> {
    let broker = Broker::start(Size::Small)?;
    let log = broker.log().unwrap_or_default();
    println!("{}\n{}\n{}", broker.address(), broker.pid().unwrap_or_default(), log.display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
