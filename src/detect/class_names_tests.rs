//! Notations of class names, accepted and refused.

use super::*;
use proptest::prelude::*;

#[test]
fn every_usual_spelling_is_read() {
    for text in [
        "{0: 'person', 1: \"driver's cab\"}",
        "{0: 'person', 1: 'driver\\'s cab'}",
        "{1: \"driver's cab\", 0: 'person',}",
        "{0: u'person', 1: u\"driver's cab\"}",
        "{'0': 'person', '1': \"driver's cab\"}",
        "{\"0\": \"person\", \"1\": \"driver's cab\"}",
        "{\"person\": 0, \"driver's cab\": 1}",
        "['person', \"driver's cab\"]",
        "('person', \"driver's cab\")",
        " ( 'person' ,\n\t\"driver's cab\" , ) ",
        "[\"person\",\"driver's cab\"]",
        "'person', \"driver's cab\"",
        "person,driver's cab",
        "person, driver's cab,",
        "person\r\ndriver's cab\r\n",
        "1: driver's cab\n0: person",
        "- person\n- driver's cab\n",
        "\u{feff}['person', \"driver's cab \"]",
    ] {
        let names = parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        assert_eq!(names, ["person", "driver's cab"], "{text}");
    }
    assert_eq!(parse("rat"), Ok(vec!["rat".to_owned()]));
    assert_eq!(parse("'rat'"), Ok(vec!["rat".to_owned()]));
}

#[test]
fn escapes_are_the_characters_that_they_stand_for() {
    let one = |text: &str| parse(text).map(|names| names[0].clone());
    assert_eq!(
        one("{0: 'pallet\\xa0jack'}"),
        Ok("pallet\u{a0}jack".to_owned())
    );
    assert_eq!(one("{0: 'caf\\xe9'}"), Ok("café".to_owned()));
    assert_eq!(one("[\"caf\\u00e9\"]"), Ok("café".to_owned()));
    assert_eq!(one("['\\U0001f600']"), Ok("😀".to_owned()));
    assert_eq!(one("[\"\\ud83d\\ude00\"]"), Ok("😀".to_owned()));
    assert_eq!(one(r#"['a\\b\'c\"d\/e']"#), Ok("a\\b'c\"d/e".to_owned()));
}

#[test]
fn names_that_can_not_be_parsed_are_refused() {
    for (text, wanted) in [
        ("{}", "it names no class"),
        ("[]", "it names no class"),
        (" ", "it names no class"),
        ("{1: 'car'}", "class 0 is missing"),
        ("{0: 'car', 2: 'van'}", "class 1 is missing"),
        ("{0: 'car', 0: 'van'}", "class 0 is named twice"),
        ("{-1: 'car'}", "a key is not a class number"),
        ("{0: person}", "`person}` is not in quotes"),
        ("{0: 'car'", "it is cut off"),
        ("{0: 'car", "it is cut off within a text"),
        (
            "{0: 'car' 1: 'van'}",
            "a comma is missing before `1: 'van'}`",
        ),
        ("{0 'car'}", "a colon is missing before `'car'}`"),
        ("{0: 7}", "class 0 is 7, not text"),
        ("{0: None}", "`None}` is not in quotes"),
        ("['car', '']", "class 1 has an empty name"),
        ("car,,van", "class 1 has an empty name"),
        ("['car'] and more", "`and more` follows its end"),
        ("['\\N{BULLET}']", "`\\N` is not a valid escape"),
        ("['\\ud83d']", "0xd83d is not the code of a character"),
        ("[[[[[[['car']]]]]]]", "its brackets are nested too deeply"),
        ("{0: 1.5}", "`1.5` is not a whole number"),
        ("dict_values(['car'])", "it is not a list of names"),
        ("<class 'dict'>", "it is not a list of names"),
        ("None", "it is not a list of names"),
    ] {
        assert_eq!(parse(text), Err(wanted.to_owned()), "{text}");
    }
}

/// A text as Python's `repr` writes it.
fn repr(name: &str) -> String {
    let quote = if name.contains('\'') && !name.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut text = String::from(quote);
    for character in name.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            found if found == quote => text.extend(['\\', quote]),
            '\u{80}'..='\u{ff}' => text.push_str(&format!("\\x{:02x}", character as u32)),
            _ => text.push(character),
        }
    }
    text.push(quote);
    text
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", brackets in "[\\[\\](){}:,'\"\\\\ux0-9a ]{0,40}") {
        let _ = parse(&text);
        let _ = parse(&brackets);
    }

    #[test]
    fn what_python_and_json_write_comes_back(
        names in proptest::collection::vec("[a-zA-Zäé\\\\'\"{}:, 字😀]{0,8}[a-z]", 1..12),
    ) {
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        let entries: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{index}: {}", repr(name)))
            .collect();
        prop_assert_eq!(parse(&format!("{{{}}}", entries.join(", "))), Ok(names.clone()));
        let json = serde_json::to_string(&names).expect("texts are JSON");
        prop_assert_eq!(parse(&json), Ok(names.clone()));
        let by_key: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (index.to_string(), name.clone().into()))
            .collect();
        let json = serde_json::to_string(&by_key).expect("texts are JSON");
        prop_assert_eq!(parse(&json), Ok(names));
    }
}
