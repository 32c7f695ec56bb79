//! Words in zsh.

use std::fmt::Write as _;

use super::words::{Verb, grouped};

/// How the generated script completes the words of a verb, as files.
const FILES: &str = ":_default'";

/// The generated script, in which a function of ours completes the words of verbs.
pub fn with_words(script: String, verbs: &[Verb]) -> String {
    // The first line must stay the first; what the script does when it is run comes last.
    let lines = script.lines().map(|line| {
        let is_words = line.trim_start().starts_with("'*::words");
        match is_words.then(|| line.rfind(FILES)).flatten() {
            Some(at) => format!(
                "{}:_sslight_words'{}",
                &line[..at],
                &line[at + FILES.len()..]
            ),
            None => line.to_owned(),
        }
    });
    let mut lines: Vec<String> = lines.collect();
    let start = usize::from(
        lines
            .first()
            .is_some_and(|line| line.starts_with("#compdef")),
    );
    lines.insert(start, function(verbs));
    lines.join("\n")
}

fn function(verbs: &[Verb]) -> String {
    let mut text = String::from(
        "\n_sslight_words() {\n    local -a keys configs values\n    local path_too=0 key=${PREFIX%%=*}\n    case $curcontext in\n",
    );
    let of_verbs = verbs.iter().map(|verb| {
        let configs = verb.configs.join(" ");
        let keys: Vec<&str> = verb.keys.iter().map(|key| key.name).collect();
        let mut cases = String::new();
        let values = verb.keys.iter().map(|key| {
            let words = key.values.join(" ");
            (key.name, (words, key.is_path))
        });
        for (names, (words, is_path)) in grouped(values) {
            if !words.is_empty() || is_path {
                let path = if is_path { "; path_too=1" } else { "" };
                let _ = writeln!(cases, "                ({}) values=({words}){path} ;;", names.join("|"));
            }
        }
        let body = format!(
            "            configs=({configs})\n            keys=({})\n            case $key in\n{cases}            esac\n            ;;\n",
            keys.join(" ")
        );
        (verb.name, body)
    });
    for (names, body) in grouped(of_verbs) {
        let contexts: Vec<String> = names
            .iter()
            .map(|name| match name.split_once(' ') {
                Some((group, verb)) => format!("*sslight-{group}-command-{verb}:*"),
                None => format!("*sslight-command-{name}:*"),
            })
            .collect();
        let _ = write!(text, "        ({})\n{body}", contexts.join("|"));
    }
    text.push_str(
        r#"    esac
    if [[ $PREFIX == *=* ]]; then
        compset -P '*='
        (( $#values )) && compadd -a values
        (( path_too )) && _files
    else
        (( $#configs )) && compadd -a configs
        (( $#keys )) && compadd -S '=' -a keys
        _files
    fi
}
"#,
    );
    text
}
