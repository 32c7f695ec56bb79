//! `sslight man`: manual pages, made of the same definitions as `--help`.

use std::io::Write as _;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use sslight_core::fsio::{Draft, WithPath};

use crate::args::{self, ManArgs};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// Prints a page, or writes all of them.
pub fn run(args: &ManArgs) -> Result<Outcome, CliError> {
    let command = args::command()?;
    if let Some(dir) = &args.dir {
        let mut written = 0;
        write_all(&command, "sslight", dir, &mut written)?;
        ui::say(&format!("{written} pages written to {}", dir.display()));
        return Ok(Outcome::Done);
    }
    let mut found = &command;
    let mut name = "sslight".to_owned();
    for verb in &args.verb {
        found = found.find_subcommand(verb).ok_or_else(|| {
            let verbs: Vec<&str> = found.get_subcommands().map(Command::get_name).collect();
            CliError::Usage(format!(
                "command line: man: {name} has no verb {verb}; there are {}",
                verbs.join(", ")
            ))
        })?;
        name = format!("{name}-{}", found.get_name());
    }
    ui::say(&page(found, &name)?);
    Ok(Outcome::Done)
}

/// Writes the page of a command and those of its verbs, which are named `sslight-VERB.1`.
fn write_all(
    command: &Command,
    name: &str,
    dir: &Path,
    written: &mut usize,
) -> Result<(), CliError> {
    let path = dir.join(format!("{name}.1"));
    let text = page(command, name)?;
    let mut draft = Draft::create(&path)?;
    draft.write_all(text.as_bytes()).on(&path, "write")?;
    draft.publish()?;
    *written += 1;
    command
        .get_subcommands()
        .try_for_each(|verb| write_all(verb, &format!("{name}-{}", verb.get_name()), dir, written))
}

/// A page in the language of `man`.
fn page(command: &Command, name: &str) -> Result<String, CliError> {
    let after = command.get_after_help().map(ToString::to_string);
    // Its lines are tables, which must stay as they are; the generator would fill them into paragraphs.
    let plain = command
        .clone()
        .after_help("")
        .display_name(name.to_owned())
        .bin_name(name.replace('-', " "));
    // Without its own section on verbs, whose pages would be in another order; they are listed below.
    let verbs = plain.get_subcommands().map(|verb| {
        let about = verb.get_about().map(ToString::to_string);
        let page = format!("{name}-{}(1)", verb.get_name());
        format!(
            ".TP\n{}\n{}\n",
            escaped(&page),
            escaped(&about.unwrap_or_default())
        )
    });
    let verbs: String = verbs.collect();
    let man = Man::new(plain.clone());
    let mut text = Vec::new();
    let parts = man
        .render_name_section(&mut text)
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text));
    parts.map_err(|error| CliError::Usage(format!("man: {error}")))?;
    let mut text = format!(
        ".TH {name} 1 \"\" \"sslight {}\"\n{}",
        env!("CARGO_PKG_VERSION"),
        String::from_utf8_lossy(&text)
    );
    if !verbs.is_empty() {
        text.push_str(&format!(".SH VERBS\n{verbs}"));
    }
    if let Some(after) = after {
        text.push_str(".SH KEYS AND EXAMPLES\n.nf\n");
        for line in after.lines() {
            text.push_str(&escaped(line));
            text.push('\n');
        }
        text.push_str(".fi\n");
    }
    text.push_str(".SH EXIT STATUS\n0 done; 2 usage or configuration; 3 data or files; 4 training stopped itself; 130 interrupted after a clean checkpoint.\n");
    if name != "sslight" {
        text.push_str(".SH SEE ALSO\nsslight(1)\n");
    }
    Ok(text)
}

/// A line whose characters mean themselves.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\(rs").replace('-', "\\-");
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_with_its_name_and_no_line_that_is_taken_for_a_request()
    -> Result<(), CliError> {
        let command = args::command()?;
        for verb in command.get_subcommands() {
            let name = format!("sslight-{}", verb.get_name());
            let text = page(verb, &name)?;
            assert!(text.contains(&format!(".TH {name} 1")), "{text}");
            assert!(text.contains(".SH SYNOPSIS"), "{name}");
        }
        Ok(())
    }

    #[test]
    fn characters_of_a_line_mean_themselves() {
        assert_eq!(escaped(r".a-b\c"), r"\&.a\-b\(rsc");
        assert_eq!(escaped("'x"), r"\&'x");
    }
}
