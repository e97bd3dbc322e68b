//! Holds the parser against the hand-made map of every sample article, and against what the samples were written to show.

use barid_core::{Parsed, parse_bytes};
use barid_tests::{Map, Sample, SampleError, differences, read_samples, seeds_dir};

#[test]
fn every_sample_parses_as_its_map_says() {
    let samples = read_samples(&seeds_dir()).unwrap();
    assert!(samples.len() >= 45, "only {} samples found", samples.len());
    let found: Vec<String> = samples.iter().flat_map(|sample| differences(sample).unwrap()).collect();
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_wrong_map_is_noticed() {
    let mut sample = sample("ar_aggregator_full");
    sample.map = Map::read(&sample.path, "body 0 1-10\nrelated: 0\n").unwrap();
    let found = differences(&sample).unwrap().join("\n");
    for difference in
        ["ar_aggregator_full:1 ", "ar_aggregator_full:13 ", "related count", "0 headline", "0 date"]
    {
        assert!(found.contains(difference), "{difference:?} is not in:\n{found}");
    }
}

#[test]
fn a_panel_changes_no_main_article() {
    let [one, two] = ["ar_dedup_story_panel_one", "ar_dedup_story_panel_two"].map(parsed);
    assert_eq!(one.article.fingerprint, two.article.fingerprint);
    assert!(one.article.fingerprint.body_is_evidence);
    assert_ne!(body_hashes(&one.related), body_hashes(&two.related));
}

#[test]
fn one_panel_under_two_articles_is_one_related_article() {
    let [one, other] = ["ar_dedup_story_panel_one", "ar_dedup_other_story_panel_one"].map(parsed);
    assert_ne!(one.article.fingerprint.body_sha256, other.article.fingerprint.body_sha256);
    assert_eq!(one.related.len(), 1);
    assert_eq!(body_hashes(&one.related), body_hashes(&other.related));
}

#[test]
fn a_sample_and_its_map_need_each_other() {
    for alone in ["en_alone.txt", "en_alone.sections"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(alone), "headline 0 1-1\n").unwrap();
        let error = read_samples(dir.path()).unwrap_err();
        assert!(matches!(error, SampleError::Unpaired { .. }), "{alone}: {error}");
    }
}

#[test]
fn a_map_line_that_says_nothing_is_an_error() {
    for line in ["body 0 3", "body main 1-3", "sidebar 0 1-3", "headline:"] {
        let error = Map::read("made.sections".as_ref(), line).unwrap_err();
        assert!(matches!(error, SampleError::MapLine { line: 1, .. }), "{line}: {error}");
    }
}

fn body_hashes(articles: &[barid_core::Article]) -> Vec<[u8; 32]> {
    articles.iter().map(|article| article.fingerprint.body_sha256).collect()
}

#[allow(clippy::expect_used, reason = "a test that cannot read its sample has to fail")]
fn sample(stem: &str) -> Sample {
    let mut samples = read_samples(&seeds_dir()).expect("samples are readable");
    samples.retain(|sample| sample.stem == stem);
    samples.pop().expect("the sample exists")
}

#[allow(clippy::expect_used, reason = "a test that cannot read its sample has to fail")]
fn parsed(stem: &str) -> Parsed {
    parse_bytes(&sample(stem).bytes, None).expect("the sample is text")
}
