//! What the test binaries share: the sample articles with their maps, the stable JSON of the goldens, generated articles, a stand to run the real
//! binary in, and a real Kafka broker.

mod corpus;
mod golden;
mod harness;
pub mod kafka;
mod output;
pub mod polled;
mod samples;
pub mod worker;

pub use corpus::{Corpus, Prose, Random};
pub use golden::golden_json;
pub use harness::{Ended, Stand, dies_with_us};
pub use output::{Line, output_differences, read_output, read_output_with_gaps};
pub use samples::{Map, Sample, SampleError, differences, files_with_extension, read_samples, seeds_dir};
