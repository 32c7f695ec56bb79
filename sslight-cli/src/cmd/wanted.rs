//! What the verbs on weights have in common: which network of a path is meant.

use sslight_core::config::Backbone;
use sslight_core::exchange::Wanted;
use sslight_models::weights::Role;

use crate::exit::CliError;
use crate::verb_keys::VerbWords;

/// The keys `role`, `backbone`, `small_input`, `partial` and `head`, as far as the verb has them.
pub fn wanted(words: &VerbWords) -> Result<Wanted, CliError> {
    let backbone: Option<Backbone> = words.word("backbone", Backbone::WORDS)?;
    Ok(Wanted {
        role: words.word("role", &Role::WORDS)?,
        backbone: backbone.map(Into::into),
        small_input: words.flag("small_input")?,
        partial: words.flag("partial")?.unwrap_or(false),
        head: words.flag("head")?.unwrap_or(false),
    })
}
