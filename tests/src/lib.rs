//! What the test binaries share: the sample articles with their maps, and the stable JSON of the goldens. Holds no tests of its own.

mod golden;
mod samples;

pub use golden::golden_json;
pub use samples::{Map, Sample, SampleError, differences, files_with_extension, read_samples, seeds_dir};
