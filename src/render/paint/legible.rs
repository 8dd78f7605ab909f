//! Classifies characters: those that the built-in font can write, those that need shaping with system fonts, and those that
//! are never drawn.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::base::sync::lock;

/// Maximum number of names with a warning. Walls have fewer cameras.
const MOST_WARNINGS: usize = 1000;

/// `text` as one line: control characters become spaces, and characters that change the direction of text are removed. They
/// could hide the real end of a name.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    if !text
        .chars()
        .any(|letter| is_blank(letter) || is_dropped(letter))
    {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter(|letter| !is_dropped(*letter));
    Cow::Owned(
        kept.map(|letter| if is_blank(letter) { ' ' } else { letter })
            .collect(),
    )
}

/// Whether the letter needs no shaping: it does not change its form with its neighbours and is written from left to right.
pub(super) fn is_simple(letter: char) -> bool {
    matches!(letter,
        // Latin, with precomposed accented letters.
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' | '\u{1e00}'..='\u{1eff}'
        // Greek and Cyrillic, without combining marks.
        | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}' | '\u{1f00}'..='\u{1fff}'
        // Armenian and Georgian.
        | '\u{531}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}'
        // Punctuation, currencies, arrows, lines.
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{2070}'..='\u{209f}' | '\u{20a0}'..='\u{20cf}'
        | '\u{2100}'..='\u{25ff}')
}

/// Whether it is invisible in every font: spaces, joiners and variation selectors.
pub(super) fn is_invisible(letter: char) -> bool {
    is_dropped(letter)
        || matches!(letter,
            ' ' | '\u{a0}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
}

fn is_blank(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Whether it is a mark that changes the direction of text or controls line breaks.
fn is_dropped(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Logs once per text that no font has its letters, with the package to install.
pub(super) fn warn(text: &str, missing: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut told = lock(&TOLD);
    if told.len() >= MOST_WARNINGS || !told.insert(text.to_owned()) {
        return;
    }
    let package = missing.chars().map(package_of).next().unwrap_or(OTHERS);
    tracing::warn!(
        name = text,
        "no installed font has the letters of this camera's name, so only its number is shown; \
         install {package} and restart the wall"
    );
}

const OTHERS: &str = "fonts-noto-core";

/// The package of Debian and Ubuntu with a font that has the letter.
fn package_of(letter: char) -> &'static str {
    match letter {
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}'
        | '\u{20000}'..='\u{3ffff}' => "fonts-noto-cjk",
        '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' => "fonts-noto-color-emoji",
        _ => OTHERS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_blanks_and_marks_of_direction_are_gone() {
        assert!(matches!(clean("7 Dock"), Cow::Borrowed("7 Dock")));
        assert!(matches!(clean("Straße"), Cow::Borrowed("Straße")));
        assert_eq!(clean("a\nb\tc\u{7}d\u{85}e\u{2028}f"), "a b c d e f");
        // Text in the other direction would hide the real end of a name.
        assert_eq!(clean("gate\u{202e}txt\u{202c}\u{feff}\u{200b}"), "gatetxt");
    }

    #[test]
    fn joiners_are_kept_for_the_scripts_that_need_them() {
        assert_eq!(clean("क्\u{200d}ष"), "क्\u{200d}ष");
        assert!(is_invisible('\u{200d}') && is_invisible('\u{fe0f}') && !is_invisible('क'));
    }

    #[test]
    fn a_script_s_package_is_named() {
        for (letter, package) in [
            ('停', "fonts-noto-cjk"),
            ('か', "fonts-noto-cjk"),
            ('한', "fonts-noto-cjk"),
            ('𠀀', "fonts-noto-cjk"),
            ('م', "fonts-noto-core"),
            ('ก', "fonts-noto-core"),
            ('🚗', "fonts-noto-color-emoji"),
        ] {
            assert_eq!(package_of(letter), package, "{letter}");
        }
    }
}
