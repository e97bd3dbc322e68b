//! Which metrics and labels an expression of PromQL asks for. Whether it is PromQL at all, promtool says.

use std::collections::BTreeSet;

/// One metric that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

/// `label op "value"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

/// An expression, as far as names go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) selectors: Vec<Selector>,
    /// Labels of `by`, `without`, `on`, `ignoring` and the like.
    pub(crate) labels: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Number,
    Sign(String),
}

const WITH_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];

/// Reads an expression; panics on what no expression has, with the expression.
pub(crate) fn asked(expression: &str) -> Asked {
    let tokens = tokens(expression);
    let mut asked = Asked::default();
    let mut rest = tokens.as_slice();
    while let [token, after @ ..] = rest {
        rest = after;
        let Token::Word(word) = token else { continue };
        let opens = |sign: &str| after.first() == Some(&Token::Sign(sign.to_owned()));
        if WITH_LABELS.contains(&word.as_str()) && opens("(") {
            let end = after.iter().position(|token| *token == Token::Sign(")".into())).expect(expression);
            let names = after[..end].iter().filter_map(|token| match token {
                Token::Word(word) => Some(word.clone()),
                Token::Text(_) | Token::Number | Token::Sign(_) => None,
            });
            asked.labels.extend(names);
            rest = &after[end..];
        } else if opens("{") {
            let end = after.iter().position(|token| *token == Token::Sign("}".into())).expect(expression);
            let matchers = after[1..end].split(|token| *token == Token::Sign(",".into()));
            let matchers = matchers.filter(|matcher| !matcher.is_empty());
            let matchers = matchers.map(|tokens| matcher(tokens, expression)).collect();
            asked.selectors.push(Selector { metric: word.clone(), matchers });
            rest = &after[end..];
        } else if !opens("(")
            && !aggregates(after)
            && !WORDS.contains(&word.to_lowercase().as_str())
            && !WITH_LABELS.contains(&word.as_str())
        {
            asked.selectors.push(Selector { metric: word.clone(), matchers: Vec::new() });
        }
    }
    asked
}

/// `sum by (...) (...)`: the name before it is no metric.
fn aggregates(after: &[Token]) -> bool {
    let [Token::Word(word), Token::Sign(sign), ..] = after else { return false };
    ["by", "without"].contains(&word.as_str()) && sign == "("
}

fn matcher(tokens: &[Token], expression: &str) -> Matcher {
    let [Token::Word(label), Token::Sign(operator), Token::Text(value)] = tokens else {
        panic!("no matcher: {tokens:?} in {expression}");
    };
    Matcher { label: label.clone(), operator: operator.clone(), value: value.clone() }
}

fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(letter) = rest.chars().next() {
        let (length, token) = if letter.is_ascii_alphabetic() || letter == '_' || letter == ':' {
            let length = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_:".contains(letter)));
            let length = length.unwrap_or(rest.len());
            (length, Token::Word(rest[..length].to_owned()))
        } else if letter.is_ascii_digit() {
            let length = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.'));
            (length.unwrap_or(rest.len()), Token::Number)
        } else if letter == '"' || letter == '\'' {
            let end =
                rest[1..].find(letter).unwrap_or_else(|| panic!("a quote without an end: {expression}"));
            (end + 2, Token::Text(rest[1..=end].to_owned()))
        } else {
            let length = rest.find(|letter: char| !"=!~<>".contains(letter)).unwrap_or(rest.len()).max(1);
            (length, Token::Sign(rest[..length].to_owned()))
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[test]
fn names_are_found_wherever_they_stand_and_nothing_else() {
    let found = asked(
        "histogram_quantile(0.95, sum without (instance) (rate(a_bucket{le=\"1\", job=~\"x,}.*\"}[15m]))) > 1e3\n unless \
         on (job, feed) (b == 1 or c:d:ratio offset 1d) + +Inf",
    );
    let names: Vec<&str> = found.selectors.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(names, ["a_bucket", "b", "c:d:ratio"]);
    let matcher = |label: &str, operator: &str, value: &str| Matcher {
        label: label.into(),
        operator: operator.into(),
        value: value.into(),
    };
    assert_eq!(found.selectors[0].matchers, [matcher("le", "=", "1"), matcher("job", "=~", "x,}.*")]);
    let labels: Vec<&str> = found.labels.iter().map(String::as_str).collect();
    assert_eq!(labels, ["feed", "instance", "job"]);
}
