//! HTML as it is put together. Only text of this program can become markup: everything else is escaped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A piece of a page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup that stands in this program. Its type keeps out what a run wrote.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, in an element or in an attribute with double quotes.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                letter if letter.is_control() => self.0.push('\u{FFFD}'),
                letter => self.0.push(letter),
            }
        }
        self
    }

    /// An element with nothing but text in it.
    pub fn element(&mut self, tag: &'static str, text: &str) -> &mut Self {
        self.raw("<").raw(tag).raw(">").text(text);
        self.raw("</").raw(tag).raw(">")
    }

    /// Another piece.
    pub fn append(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// Data for a script, inside an element of the type `application/json`: with `<` escaped nothing in it ends that.
    pub fn json(&mut self, value: &Value) -> &mut Self {
        self.0.push_str(&value.to_string().replace('<', "\\u003c"));
        self
    }

    /// Bytes in base64.
    pub fn base64(&mut self, bytes: &[u8]) -> &mut Self {
        STANDARD.encode_string(bytes, &mut self.0);
        self
    }

    /// A source of the policy of the page: the hash of a script that may run.
    pub fn script_hash(&mut self, script: &str) -> &mut Self {
        self.raw("'sha256-")
            .base64(&Sha256::digest(script))
            .raw("'")
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The markup.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOSTILE: &str = "</script><img src=x onerror=\"alert('1')\">&\0\u{1b}[2J";

    #[test]
    fn text_is_no_markup() {
        let mut html = Html::default();
        html.element("td", HOSTILE);
        assert_eq!(
            html.into_string(),
            "<td>&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;\u{FFFD}\u{FFFD}[2J</td>"
        );
    }

    #[test]
    fn data_does_not_end_its_element_and_stays_the_same() {
        let value = json!({ HOSTILE: [HOSTILE, "<!--<script>"] });
        let mut html = Html::default();
        html.json(&value);
        let text = html.into_string();
        assert!(!text.contains('<'));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn the_hash_is_that_of_the_standard() {
        let mut html = Html::default();
        html.script_hash("alert('Hello, world.');");
        assert_eq!(
            html.into_string(),
            "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
        );
    }
}
