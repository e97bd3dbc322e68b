//! One worker on Kafka in a process of its own, to be stopped and killed by tests: says what happens to it, works until standard input ends, and ends
//! with the number of the error that ended it.
#![allow(clippy::print_stdout, reason = "it talks to the test that runs it")]

use std::process::ExitCode;

use barid_log::{Control, Wish};
use barid_tests::worker::{Job, Post, work};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let job = words.first().and_then(|word| Job::of(word));
    let post = words.get(1..).and_then(Post::from_words);
    let (Some(job), Some(post)) = (job, post) else {
        println!("copy|count|hoard BROKERS PREFIX DIR INSTANCE exactly|at-least static|dynamic FETCH_BYTES");
        return ExitCode::FAILURE;
    };
    let control = Control::default();
    let stopping = control.clone();
    std::thread::spawn(move || {
        // Its end is the order to stop, however it ends.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stopping.ask(Wish::Stop);
    });
    match work(&post, job, &control, &mut |event| println!("{event}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{} {error}", error.code());
            ExitCode::from(2)
        }
    }
}
