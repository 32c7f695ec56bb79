//! Words in fish.

use std::fmt::Write as _;

use super::words::{Verb, grouped};

/// The generated script, and words of verbs beside the files that fish offers.
pub fn with_words(mut script: String, verbs: &[Verb]) -> String {
    script.push_str(
        r#"
# Keys, their values and configurations, from the program's own lists.
function __sslight_words
    set -l words (commandline -opc)
    set -l verb $words[2]
    if contains -- "$verb" views bench
        set verb "$verb $words[3]"
    end
    switch "$verb"
"#,
    );
    let of_verbs = verbs.iter().map(|verb| {
        let values = verb.keys.iter().flat_map(|key| {
            let values = key.values.iter();
            let values = values.map(|value| format!("{}={value}", key.name));
            std::iter::once(format!("{}=", key.name)).chain(values)
        });
        let configs = verb.configs.iter().map(|name| (*name).to_owned());
        let words: Vec<String> = configs.chain(values).collect();
        (verb.name, words.join(" "))
    });
    for (names, words) in grouped(of_verbs) {
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(
            script,
            "        case {}\n            printf '%s\\n' {words}",
            names.join(" ")
        );
    }
    script.push_str("    end\nend\ncomplete -c sslight -a '(__sslight_words)'\n");
    script
}
