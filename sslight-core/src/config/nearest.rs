//! "Did you mean": the valid words closest to one that is not.

/// Below this similarity (0..1) a word is no likely meaning of another.
const LIKELY: f64 = 0.5;
/// Candidates this much less similar than the best are still worth showing.
const TIE: f64 = 0.1;
/// A key whose last part is right and whose group is wrong or missing.
const RIGHT_NAME_WRONG_GROUP: f64 = 0.95;

/// The up to three candidates nearest to `word`, nearest first; none when nothing is close.
///
/// Dotted keys are compared as a whole and by their last part; a group stands for its first keys.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (similarity(word, candidate), candidate))
        .filter(|(score, _)| *score >= LIKELY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored
        .into_iter()
        .take_while(|(score, _)| *score > best - TIE)
        .take(3)
        .map(|(_, candidate)| candidate)
        .collect()
}

fn similarity(word: &str, candidate: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(word, candidate);
    if candidate
        .strip_prefix(word)
        .is_some_and(|rest| rest.starts_with('.'))
    {
        return RIGHT_NAME_WRONG_GROUP;
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    if !candidate.contains('.') && !word.contains('.') {
        return whole;
    }
    whole.max(
        RIGHT_NAME_WRONG_GROUP
            * strsim::normalized_damerau_levenshtein(&last(word), &last(candidate)),
    )
}

/// `; did you mean a, b or c?`, or `otherwise` when nothing is near: the tail of a message.
pub fn did_you_mean(nearest: &[impl AsRef<str>], otherwise: &str) -> String {
    match nearest {
        [] => otherwise.to_owned(),
        [one] => format!("; did you mean {}?", one.as_ref()),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("; did you mean {} or {}?", first.join(", "), last.as_ref())
        }
    }
}
