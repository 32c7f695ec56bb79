//! Words in bash.

use std::fmt::Write as _;

use super::words::{Verb, grouped};

/// The generated script, with a function around the generated one that adds words.
pub fn with_words(mut script: String, verbs: &[Verb]) -> String {
    script.push_str("\n# Keys, their values and configurations, from the program's own lists.\n");
    script.push_str(&function("__sslight_configs", "$1", verbs, |verb| {
        verb.configs.join(" ")
    }));
    script.push_str(&function("__sslight_keys", "$1", verbs, |verb| {
        let keys: Vec<&str> = verb.keys.iter().map(|key| key.name).collect();
        keys.join(" ")
    }));
    script.push_str(&values(verbs));
    script.push_str(FUNCTION);
    script
}

/// A function that prints what a verb has.
fn function(name: &str, by: &str, verbs: &[Verb], of: impl Fn(&Verb) -> String) -> String {
    let mut text = format!("{name}() {{\n    case \"{by}\" in\n");
    for (names, words) in grouped(verbs.iter().map(|verb| (verb.name, of(verb)))) {
        if !words.is_empty() {
            let _ = writeln!(
                text,
                "        {}) echo \"{words}\" ;;",
                patterns(&names, "")
            );
        }
    }
    text.push_str("    esac\n}\n");
    text
}

/// A function that prints the values of a key of a verb, `/` among them if it takes a path.
fn values(verbs: &[Verb]) -> String {
    let mut text = String::from("__sslight_values() {\n    case \"$1:$2\" in\n");
    let mut names: Vec<&str> = Vec::new();
    for key in verbs.iter().flat_map(|verb| &verb.keys) {
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    for name in names {
        let of_verbs = verbs.iter().filter_map(|verb| {
            let key = verb.keys.iter().find(|key| key.name == name)?;
            let mut words = key.values.join(" ");
            if key.is_path {
                words.push_str(" /");
            }
            Some((verb.name, words))
        });
        let groups = grouped(of_verbs);
        // Mostly a key means the same with all verbs.
        let most = groups.iter().map(|(verbs, _)| verbs.len()).max();
        let (common, others): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|(verbs, _)| Some(verbs.len()) == most);
        for (verbs, words) in others.iter().chain(common.iter().skip(1)) {
            let verbs = patterns(verbs, &format!(":{name}"));
            let _ = writeln!(text, "        {verbs}) echo \"{}\" ;;", words.trim());
        }
        if let Some((_, words)) = common.first().filter(|(_, words)| !words.is_empty()) {
            let _ = writeln!(text, "        *:{name}) echo \"{}\" ;;", words.trim());
        }
    }
    text.push_str("    esac\n}\n");
    text
}

fn patterns(names: &[&str], tail: &str) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| format!("\"{name}{tail}\""))
        .collect();
    quoted.join("|")
}

/// bash takes `=` for the end of a word, so that the word is read from the line, and only what follows `=` is replaced.
const FUNCTION: &str = r#"
_sslight_with_words() {
    _sslight "$@"
    local line word verb key prefix reply values
    line=${COMP_LINE:0:COMP_POINT}
    word=${line##*[[:space:]]}
    verb=${COMP_WORDS[1]}
    case "$verb" in
        views|bench) verb="$verb ${COMP_WORDS[2]}"; [[ $COMP_CWORD -gt 2 ]] || return ;;
        *) [[ $COMP_CWORD -gt 1 ]] || return ;;
    esac
    [[ $word != -* && -n $(__sslight_keys "$verb") ]] || return
    if [[ $word == *=* ]]; then
        key=${word%%=*}
        word=${word#*=}
        prefix=
        [[ $COMP_WORDBREAKS == *=* ]] || prefix="$key="
        COMPREPLY=()
        values=$(__sslight_values "$verb" "$key")
        while IFS= read -r reply; do
            [[ $reply == / ]] || COMPREPLY+=("$prefix$reply")
        done < <(compgen -W "$values" -- "$word")
        if [[ " $values " == *" / "* ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r reply; do
                COMPREPLY+=("$prefix$reply")
            done < <(compgen -f -- "$word")
        fi
    else
        while IFS= read -r reply; do
            COMPREPLY+=("$reply")
        done < <(
            compgen -W "$(__sslight_configs "$verb")" -- "$word"
            compgen -S = -W "$(__sslight_keys "$verb")" -- "$word"
            [[ -z $word ]] || compgen -f -- "$word"
        )
        [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -F _sslight_with_words -o bashdefault -o default sslight
"#;
