//! Parses files again and again, for a profiler or an instruction counter: `parse_loop TIMES FILE...`.
//!
//! Prints the bytes of one round and a digest of everything parsed, so that a faster parser can be held against a slower one.
//! `parse_loop hash TIMES FILE...` only takes the SHA-256 of the same bytes: the floor no parser that hashes can go below.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program around core, not core")]

use std::error::Error;
use std::hint::black_box;

use barid_core::{parse_bytes, raw_sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let only_hash = arguments.next_if(|argument| argument == "hash").is_some();
    let times: u32 = arguments.next().ok_or("usage: parse_loop [hash] TIMES FILE...")?.parse()?;
    let documents = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let parsed: String =
        documents.iter().map(|document| format!("{:?}", parse_bytes(document, None))).collect();
    let digest: String = raw_sha256(parsed.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    for document in (0..times).flat_map(|_| &documents) {
        if only_hash {
            black_box(raw_sha256(black_box(document)));
        } else {
            drop(black_box(parse_bytes(black_box(document), None)));
        }
    }
    let bytes: usize = documents.iter().map(Vec::len).sum();
    println!("{} documents, {bytes} bytes, {digest}", documents.len());
    Ok(())
}
