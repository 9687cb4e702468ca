//! Bytes in double quotes, with escapes, as the program writes them that the expectations come from.

use std::fmt::Write as _;

/// Puts bytes in quotes: printable characters as they are, everything else escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push_escaped(&mut text, character));
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("strings take everything");
        }
    }
    text.push('"');
    text
}

fn push_escaped(text: &mut String, character: char) {
    let code = u32::from(character);
    let escaped = match character {
        '"' | '\\' => format!("\\{character}"),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        _ if is_printable(character) => character.to_string(),
        _ if code < 0x80 => format!("\\x{code:02x}"),
        _ if code < 0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    text.push_str(&escaped);
}

/// Of white space only the blank itself is printable.
fn is_printable(character: char) -> bool {
    let is_other_space = character.is_whitespace() && character != ' ';
    !is_other_space && !character.is_control() && !character.escape_debug().to_string().starts_with("\\u")
}
