//! A configured folder, checked.

use crate::checkpoint::Checkpoint;
use crate::filter::Filter;
use crate::{Config, FilesConfig, Format, Metrics, WatcherError, key};

/// A configured folder, ready to use.
pub(crate) struct Source {
    pub(crate) config: FilesConfig,
    pub(crate) filter: Filter,
    /// The start of the address of each of its files.
    uri_root: String,
    pub(crate) documents: prometheus::IntCounter,
}

impl Source {
    /// Whether the file of that checkpoint need not be read again as long as it stays as it is.
    pub(crate) fn is_done(&self, checkpoint: &Checkpoint) -> bool {
        let is_open = match self.config.format {
            Format::Text => checkpoint.may_fit(self.config.max_document_bytes) || checkpoint.more.is_moved,
            Format::JsonLines(_) => checkpoint.more.is_earlier,
        };
        checkpoint.complete && !is_open
    }

    /// The address of the file of that key.
    pub(crate) fn uri(&self, key: &str) -> String {
        let mut uri = String::with_capacity(self.uri_root.len() + key.len() + 8);
        uri.push_str(&self.uri_root);
        key::push_uri_path(&mut uri, &key::path_of(key));
        uri
    }
}

/// Checks the sources and makes them ready.
pub(crate) fn sources(config: &Config, metrics: &Metrics) -> Result<Vec<Source>, WatcherError> {
    let mut sources: Vec<Source> = Vec::with_capacity(config.sources.len());
    for config in &config.sources {
        let problem = |problem| Err(WatcherError::SourceId { id: config.id.clone(), problem });
        if config.id.is_empty() {
            return problem("empty");
        }
        if config.id.contains('\0') {
            return problem("not text: it has a NUL character");
        }
        if sources.iter().any(|source| source.config.id == config.id) {
            return problem("not its own: another source has it");
        }
        let root = std::path::absolute(&config.root).unwrap_or_else(|_| config.root.clone());
        let mut uri_root = "file://".to_owned();
        key::push_uri_path(&mut uri_root, root.as_os_str().as_encoded_bytes());
        if !uri_root.ends_with('/') {
            uri_root.push('/');
        }
        sources.push(Source {
            filter: Filter::new(config)?,
            uri_root,
            documents: metrics.documents.with_label_values(&[&config.id]),
            config: config.clone(),
        });
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_a_name_of_its_own_is_refused() {
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("fresh registry");
        for (ids, problem) in
            [(vec!["a", "a"], "another source has it"), (vec![""], "empty"), (vec!["a\0"], "NUL")]
        {
            let source = |id: &&str| FilesConfig { id: (*id).to_owned(), ..FilesConfig::default() };
            let config = Config { sources: ids.iter().map(source).collect(), ..Config::default() };
            let error = sources(&config, &metrics).err().expect(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
