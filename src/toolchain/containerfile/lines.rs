//! The instructions of a containerfile as they are written: comments and empty lines left out, continued lines joined, and
//! the texts that belong to them (heredocs). As BuildKit's parser has it. Pure.
//!
//! Format: <https://docs.docker.com/reference/dockerfile/#here-documents>.

use crate::toolchain::words;

/// One instruction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Its first line, from 1.
    pub(super) line: usize,
    /// All of its lines as one.
    pub(super) text: String,
    /// The heredocs that it names, in its order.
    pub(super) documents: Vec<Document>,
}

/// A text that stands behind an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// The word that ends it, as in `<<EOF`.
    pub(super) name: String,
    /// Its lines as they are, each with its end.
    pub(super) text: String,
    /// False for `<<'EOF'`: variables stand as they are.
    pub(super) has_variables: bool,
    /// True for `<<-EOF`: tabs at the start of a line do not count.
    drops_tabs: bool,
}

impl Document {
    /// What `word` begins, still empty.
    fn named_by(word: &str) -> Option<Self> {
        let rest = word.trim_start_matches(|letter: char| letter.is_ascii_digit()).strip_prefix("<<")?;
        let (rest, drops_tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        if rest.contains('<') {
            return None;
        }
        let [name] = <[String; 1]>::try_from(words::words(rest, &|_| None).ok()?).ok()?;
        let has_variables = name == rest;
        Some(Self { name, text: String::new(), has_variables, drops_tabs })
    }

    /// The text without the tabs that do not count.
    pub(super) fn content(&self) -> String {
        let tabs = if self.drops_tabs { "\t" } else { "" };
        let line =
            |line: &str| if tabs.is_empty() { line.to_owned() } else { line.trim_start_matches(tabs).to_owned() };
        self.text.split_inclusive('\n').map(line).collect()
    }
}

/// True when `word` names a heredoc.
pub(super) fn is_heredoc(word: &str) -> bool {
    Document::named_by(word).is_some()
}

/// The instructions of `text`; or a line, and what is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<Written>, (usize, String)> {
    let mut read: Vec<Written> = Vec::new();
    let mut continued = false;
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (part, goes_on) = line.trim_end().strip_suffix('\\').map_or((line, false), |part| (part, true));
        match read.last_mut() {
            Some(before) if continued => before.text.push_str(part),
            _ => read.push(Written { line: at + 1, text: part.trim_start().to_owned(), documents: Vec::new() }),
        }
        continued = goes_on;
        if let Some(whole) = read.last_mut().filter(|_| !goes_on) {
            for document in heredocs(&whole.text) {
                let document = fill(document, lines.by_ref().map(|(_, line)| line));
                whole.documents.push(document.map_err(|wrong| (whole.line, wrong))?);
            }
        }
    }
    Ok(read)
}

/// The heredocs that an instruction names, still empty.
fn heredocs(instruction: &str) -> Vec<Document> {
    let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
    let may_have = ["RUN", "COPY", "ADD"].iter().any(|known| known.eq_ignore_ascii_case(word));
    // The exec form knows no shell.
    if !may_have || rest.trim_start().starts_with('[') {
        return Vec::new();
    }
    words::as_written(rest).iter().filter_map(|word| Document::named_by(word)).collect()
}

/// The document with the lines up to its name.
fn fill<'a>(mut document: Document, lines: impl Iterator<Item = &'a str>) -> Result<Document, String> {
    for line in lines {
        let end = if document.drops_tabs { line.trim_start_matches('\t') } else { line };
        if end == document.name {
            return Ok(document);
        }
        document.text.push_str(line);
        document.text.push('\n');
    }
    let name = &document.name;
    Err(format!("the text of `<<{name}` has no end: a line that is `{name}` and nothing else is missing"))
}
