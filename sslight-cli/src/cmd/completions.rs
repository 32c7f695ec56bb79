//! `sslight completions`: what makes a shell complete verbs and flags, and in bash, zsh and fish keys, their values and
//! configurations too.

mod bash;
mod fish;
mod words;
mod zsh;

use clap_complete::{Shell, generate};

use crate::args::{self, CompletionsArgs};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<Outcome, CliError> {
    ui::say(&script(args.shell)?);
    Ok(Outcome::Done)
}

fn script(shell: Shell) -> Result<String, CliError> {
    let mut text = Vec::new();
    generate(shell, &mut args::command()?, "sslight", &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let verbs = words::verbs();
    Ok(match shell {
        Shell::Bash => bash::with_words(text, &verbs),
        Shell::Zsh => zsh::with_words(text, &verbs),
        Shell::Fish => fish::with_words(text, &verbs),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_with_the_verbs() -> Result<(), CliError> {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let text = script(shell)?;
            for verb in ["pretrain", "neighbours", "doctor"] {
                assert!(text.contains(verb), "{shell}: {verb}");
            }
        }
        Ok(())
    }

    #[test]
    fn scripts_of_shells_with_words_have_keys_and_values() -> Result<(), CliError> {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = script(shell)?;
            for word in ["batch_size", "mobilenet_v2", "probe.base_lr", "dtype"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
        Ok(())
    }
}
