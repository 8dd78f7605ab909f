//! Parses class names in the metadata of an ONNX file, in the notations of exporters.
//!
//! Ultralytics writes the `repr` of a Python dictionary, `{0: 'person', 1: "driver's cab"}`, others a list or tuple,
//! JSON, or names separated by commas. Of Python's literals only texts, whole numbers and the three kinds of brackets
//! are needed: a complete Python parser would be a large dependency for a page of code.

use std::iter::Peekable;
use std::str::Chars;

/// The names by class index.
///
/// # Errors
/// The part of the text that can't be read; also if there are no names, or their numbers do not start at 0 or have
/// gaps.
pub(super) fn parse(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let names = match text.chars().next() {
        None => Vec::new(),
        Some('{' | '[' | '(' | '\'' | '"') => named(Parser::new(text).whole()?)?,
        Some(_) => bare(text)?,
    };
    if names.is_empty() {
        return Err("it names no class".to_owned());
    }
    match names.iter().position(|name| name.trim().is_empty()) {
        Some(index) => Err(format!("class {index} has an empty name")),
        None => Ok(names.iter().map(|name| name.trim().to_owned()).collect()),
    }
}

/// Names without quotes, separated by commas or line breaks; numbered ones as YAML writes them.
fn bare(text: &str) -> Result<Vec<String>, String> {
    let is_code = text.contains(['[', ']', '{', '}', '<', '>', '"', '=']) || text.contains("('");
    if is_code || matches!(text, "None" | "null" | "nan") {
        return Err("it is not a list of names".to_owned());
    }
    let mut parts: Vec<&str> = text.split([',', '\n']).map(str::trim).collect();
    // `a,b,` has two names.
    while parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    let numbered: Option<Vec<(Literal, Literal)>> = parts
        .iter()
        .map(|part| {
            let (index, name) = part.split_once(':')?;
            let index = Literal::Number(index.trim().parse().ok()?);
            Some((
                index,
                Literal::Text(name.trim().trim_matches('\'').to_owned()),
            ))
        })
        .collect();
    if let Some(entries) = numbered {
        return named(Literal::Dict(entries));
    }
    if let Some(items) = parts
        .iter()
        .map(|part| part.strip_prefix("- "))
        .collect::<Option<Vec<&str>>>()
    {
        parts = items;
    }
    Ok(parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .collect())
}

/// A value in brackets.
#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(i64),
    List(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

fn named(literal: Literal) -> Result<Vec<String>, String> {
    let entries = match literal {
        Literal::Text(name) => return Ok(vec![name]),
        Literal::List(names) => {
            let each = names.into_iter().enumerate();
            return each.map(|(index, name)| text_of(index, name)).collect();
        }
        Literal::Dict(entries) => entries,
        Literal::Number(number) => return Err(format!("{number} is not a name")),
    };
    let mut by_index: Vec<(usize, String)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let (index, name) = match (key, value) {
            (Literal::Number(index), name) => (usize::try_from(index).ok(), name),
            // JSON's keys are texts. Some write the index of each name: {"person": 0}.
            (Literal::Text(key), value) => match (key.trim().parse().ok(), value) {
                (None, Literal::Number(index)) => (usize::try_from(index).ok(), Literal::Text(key)),
                (index, name) => (index, name),
            },
            _ => (None, Literal::Number(0)),
        };
        let index = index.ok_or("a key is not a class number")?;
        by_index.push((index, text_of(index, name)?));
    }
    by_index.sort_by_key(|(index, _)| *index);
    if let Some(pair) = by_index.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("class {} is named twice", pair[0].0));
    }
    match by_index
        .iter()
        .enumerate()
        .find(|(place, (index, _))| place != index)
    {
        Some((missing, _)) => Err(format!("class {missing} is missing")),
        None => Ok(by_index.into_iter().map(|(_, name)| name).collect()),
    }
}

fn text_of(index: usize, literal: Literal) -> Result<String, String> {
    match literal {
        Literal::Text(name) => Ok(name),
        other => {
            let found = match other {
                Literal::Number(number) => number.to_string(),
                _ => "a list".to_owned(),
            };
            Err(format!("class {index} is {found}, not text"))
        }
    }
}

/// Maximum depth of nested brackets.
const DEEPEST: u32 = 4;

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
        }
    }

    fn whole(&mut self) -> Result<Literal, String> {
        let first = self.value(0)?;
        self.skip_blanks();
        if self.rest.peek() != Some(&',') {
            return self.end(first);
        }
        // A tuple without brackets.
        let mut all = vec![first];
        while self.take(',') {
            self.skip_blanks();
            if self.rest.peek().is_none() {
                break;
            }
            all.push(self.value(0)?);
            self.skip_blanks();
        }
        self.end(Literal::List(all))
    }

    fn end(&mut self, literal: Literal) -> Result<Literal, String> {
        match self.rest.peek() {
            None => Ok(literal),
            Some(_) => Err(format!("`{}` follows its end", self.excerpt())),
        }
    }

    fn value(&mut self, depth: u32) -> Result<Literal, String> {
        if depth > DEEPEST {
            return Err("its brackets are nested too deeply".to_owned());
        }
        self.skip_blanks();
        match self.rest.peek().copied() {
            Some('[') => self.list(']', depth),
            Some('(') => self.list(')', depth),
            Some('{') => self.dict(depth),
            Some('\'' | '"') => self.text(),
            Some('u' | 'U') => {
                // Python 2 writes u'person'.
                self.rest.next();
                match self.rest.peek() {
                    Some('\'' | '"') => self.text(),
                    _ => Err(format!("`u{}` is not in quotes", self.excerpt())),
                }
            }
            Some('-' | '0'..='9') => self.number(),
            Some(_) => Err(format!("`{}` is not in quotes", self.excerpt())),
            None => Err("it is cut off".to_owned()),
        }
    }

    fn list(&mut self, close: char, depth: u32) -> Result<Literal, String> {
        self.rest.next();
        let mut all = Vec::new();
        loop {
            self.skip_blanks();
            if self.take(close) {
                return Ok(Literal::List(all));
            }
            all.push(self.value(depth + 1)?);
            self.separator(close)?;
        }
    }

    fn dict(&mut self, depth: u32) -> Result<Literal, String> {
        self.rest.next();
        let mut all = Vec::new();
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Ok(Literal::Dict(all));
            }
            let key = self.value(depth + 1)?;
            self.skip_blanks();
            if !self.take(':') {
                return Err(format!("a colon is missing before `{}`", self.excerpt()));
            }
            all.push((key, self.value(depth + 1)?));
            self.separator('}')?;
        }
    }

    /// A comma, or the closing bracket, which is not consumed.
    fn separator(&mut self, close: char) -> Result<(), String> {
        self.skip_blanks();
        match self.rest.peek() {
            Some(found) if *found == close => Ok(()),
            Some(',') => {
                self.rest.next();
                Ok(())
            }
            Some(_) => Err(format!("a comma is missing before `{}`", self.excerpt())),
            None => Err("it is cut off".to_owned()),
        }
    }

    fn number(&mut self) -> Result<Literal, String> {
        let mut digits = String::new();
        while let Some(digit) = self
            .rest
            .next_if(|next| next.is_ascii_alphanumeric() || "+-._".contains(*next))
        {
            digits.push(digit);
        }
        let number = digits.parse().map(Literal::Number);
        number.map_err(|_| format!("`{digits}` is not a whole number"))
    }

    fn text(&mut self) -> Result<Literal, String> {
        let cut_off = || "it is cut off within a text".to_owned();
        let quote = self.rest.next().ok_or_else(cut_off)?;
        let mut text = String::new();
        loop {
            match self.rest.next().ok_or_else(cut_off)? {
                end if end == quote => return Ok(Literal::Text(text)),
                '\\' => self.escape(&mut text)?,
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), String> {
        let kind = self.rest.next().ok_or("it is cut off within a text")?;
        let found = match kind {
            '\\' | '\'' | '"' | '/' => kind,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0' => '\0',
            'x' => self.coded(2)?,
            'u' => self.coded(4)?,
            'U' => self.coded(8)?,
            _ => return Err(format!("`\\{kind}` is not a valid escape")),
        };
        text.push(found);
        Ok(())
    }

    /// A character by its hexadecimal code. JSON writes codes beyond 16 bits as two halves.
    fn coded(&mut self, digits: usize) -> Result<char, String> {
        let code = self.hexadecimal(digits)?;
        let refuse = || format!("{code:#x} is not the code of a character");
        if digits == 4 && (0xd800..0xdc00).contains(&code) {
            if !(self.take('\\') && self.take('u')) {
                return Err(refuse());
            }
            let low = self.hexadecimal(4)?;
            let pair = [code as u16, low as u16];
            let mut decoded = char::decode_utf16(pair);
            return match (decoded.next(), decoded.next()) {
                (Some(Ok(character)), None) => Ok(character),
                _ => Err(refuse()),
            };
        }
        char::from_u32(code).ok_or_else(refuse)
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<u32, String> {
        (0..digits).try_fold(0u32, |code, _| {
            let digit = self.rest.next().and_then(|next| next.to_digit(16));
            let digit = digit.ok_or("a code of a character is cut off")?;
            Ok(code << 4 | digit)
        })
    }

    fn skip_blanks(&mut self) {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn excerpt(&self) -> String {
        self.rest.clone().take(12).collect()
    }
}

#[cfg(test)]
#[path = "class_names_tests.rs"]
mod tests;
