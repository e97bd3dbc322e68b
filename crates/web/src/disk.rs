//! How much room is left where barid writes.

use std::io;
use std::path::{Path, PathBuf};

use prometheus::{GaugeVec, Opts, Registry};

use crate::WebError;
use crate::cluster::add;

/// A folder that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// That of the log, its state and its lock.
    DataDir,
    /// That of the record files.
    Records,
}

impl Place {
    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataDir => "data_dir",
            Self::Records => "records",
        }
    }
}

/// Free and whole bytes of the file systems of these folders.
#[derive(Debug)]
pub struct DiskSpace {
    free: GaugeVec,
    size: GaugeVec,
    places: Vec<(Place, PathBuf)>,
}

impl DiskSpace {
    /// Registers the series. They are absent until [`DiskSpace::measure`] has an answer.
    ///
    /// # Errors
    /// [`WebError::Metric`] when the registry has them already.
    pub fn register(registry: &Registry, places: Vec<(Place, PathBuf)>) -> Result<Self, WebError> {
        let gauges = |name: &'static str, help: &str| {
            add(registry, name, GaugeVec::new(Opts::new(name, help), &["place"]))
        };
        Ok(Self {
            free: gauges(
                "barid_disk_free_bytes",
                "barid can still write so many bytes to the file system of the folder.",
            )?,
            size: gauges("barid_disk_size_bytes", "The file system of the folder has so many bytes.")?,
            places,
        })
    }

    /// Asks the file systems. It may wait as long as they do, so it belongs on a thread of its own. The series of a folder that cannot be
    /// asked are absent, and the failure is given back.
    pub fn measure(&self) -> Vec<(Place, io::Error)> {
        self.measure_with(|path| {
            let answer = rustix::fs::statvfs(path)?;
            let bytes = |blocks: u64| blocks as f64 * answer.f_frsize as f64;
            Ok((bytes(answer.f_bavail), bytes(answer.f_blocks)))
        })
    }

    /// The same with another way to ask for free and whole bytes.
    fn measure_with(&self, ask: impl Fn(&Path) -> io::Result<(f64, f64)>) -> Vec<(Place, io::Error)> {
        let mut failed = Vec::new();
        for (place, path) in &self.places {
            let label = &[place.name()];
            match ask(&existing(path)) {
                Ok((free, size)) => {
                    self.free.with_label_values(label).set(free);
                    self.size.with_label_values(label).set(size);
                }
                Err(error) => {
                    // One that was never there is no trouble.
                    let _ = self.free.remove_label_values(label);
                    let _ = self.size.remove_label_values(label);
                    failed.push((*place, error));
                }
            }
        }
        failed
    }
}

/// The folder, or while it is not made yet the nearest one above it, where it will be.
fn existing(path: &Path) -> PathBuf {
    // Above a relative path there is an empty one, which does not exist and means the working folder.
    let above = path.ancestors().find(|above| above.exists());
    above.unwrap_or(Path::new(".")).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(registry: &Registry, name: &str) -> Vec<(String, f64)> {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family.map(prometheus::proto::MetricFamily::get_metric).unwrap_or_default();
        let one = |metric: &prometheus::proto::Metric| {
            (metric.get_label()[0].value().to_owned(), metric.get_gauge().get_value())
        };
        metrics.iter().map(one).collect()
    }

    #[test]
    fn a_folder_has_room_also_before_it_is_made_and_none_while_it_cannot_be_asked() {
        let registry = Registry::new();
        let places = vec![
            (Place::DataDir, std::env::temp_dir().join("barid-not-yet/deep")),
            (Place::Records, PathBuf::from("/")),
        ];
        let disk = DiskSpace::register(&registry, places).expect("a fresh registry");
        assert_eq!(series(&registry, "barid_disk_free_bytes"), [], "nobody asked yet");
        assert!(disk.measure().is_empty());
        let (free, size) =
            (series(&registry, "barid_disk_free_bytes"), series(&registry, "barid_disk_size_bytes"));
        let places: Vec<&str> = free.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["data_dir", "records"]);
        for ((_, free), (_, size)) in free.iter().zip(&size) {
            assert!(*free > 0.0 && free <= size, "{free} of {size}");
        }
        let failed = disk.measure_with(|path| match path == Path::new("/") {
            true => Err(io::Error::other("stale")),
            false => Ok((1.0, 2.0)),
        });
        assert_eq!(failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [Place::Records]);
        assert_eq!(series(&registry, "barid_disk_free_bytes"), [("data_dir".to_owned(), 1.0)]);
        assert_eq!(existing(Path::new("nowhere/at/all")), Path::new("."));
    }
}
