//! Items, paths and attributes in Rust's tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The names and paths of a `use` tree: `a::{b, c::{self, d as e}}` is b, c and e.
pub(crate) fn use_paths(tree: &[TokenTree]) -> Vec<(String, Vec<String>)> {
    let mut paths = Vec::new();
    let trees = tree.split(|token| is_punct(Some(token), ',') || is_punct(Some(token), ';'));
    for tree in trees.filter(|tree| !tree.is_empty()) {
        let mut prefix: Vec<String> = Vec::new();
        let mut name = None;
        for (at, token) in tree.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = ident(tree.get(at + 1));
                    break;
                }
                TokenTree::Ident(word) => prefix.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    for (name, path) in use_paths(&inside) {
                        let path = [&prefix[..], &path].concat();
                        paths.push((name, path));
                    }
                    prefix.clear();
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => name = Some("*".to_owned()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if prefix.len() > 1 && prefix.last().is_some_and(|last| last == "self") {
            prefix.pop();
        }
        if let Some(last) = prefix.last() {
            paths.push((name.unwrap_or_else(|| last.clone()), prefix));
        }
    }
    // `self` in braces has the name of what stands before them.
    for (name, path) in &mut paths {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if name == "self" {
            *name = path.last().expect("a path").clone();
        }
    }
    paths
}

/// The names that begin here and are joined by `::`.
pub(crate) fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(name) = ident(tokens.get(at)) {
        segments.push(name);
        if !is_path_separator(&tokens[at + 1..]) {
            break;
        }
        at += 3;
    }
    segments
}

/// The items among these tokens that are not for tests alone, without their attributes.
pub(crate) fn items(mut tokens: &[TokenTree]) -> Vec<&[TokenTree]> {
    let mut items = Vec::new();
    while !tokens.is_empty() {
        let (item, rest) = tokens.split_at(item_length(tokens));
        let (item, is_for_tests) = without_attributes(item);
        if !is_for_tests {
            items.push(item);
        }
        tokens = rest;
    }
    items
}

/// How many tokens the item or statement has that begins here, with its attributes.
pub(crate) fn item_length(tokens: &[TokenTree]) -> usize {
    let (item, _) = without_attributes(tokens);
    let attributes = tokens.len() - item.len();
    let (_, bare) = without_visibility(item);
    let keyword = ident(bare.first()).unwrap_or_default();
    let ends_at_braces = match keyword.as_str() {
        "use" | "static" | "type" | "let" => false,
        "const" => ident(bare.get(1)).is_some_and(|next| FN_WORDS.contains(&next.as_str())),
        _ => true,
    };
    let is_item = ITEM_WORDS.contains(&keyword.as_str());
    let end = item.iter().position(|token| match token {
        TokenTree::Group(group) => ends_at_braces && group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';' || !is_item && punct.as_char() == ',',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    });
    end.map_or(tokens.len(), |end| attributes + end + 1)
}

/// The words that may stand between `const` and the name of a function.
const FN_WORDS: [&str; 4] = ["fn", "unsafe", "extern", "async"];
const ITEM_WORDS: [&str; 16] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

/// The name of an item that is no module and no import.
pub(crate) fn item_name(item: &[TokenTree]) -> Option<String> {
    let names = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
    let places = item.iter().take_while(|token| !matches!(token, TokenTree::Group(_)));
    let words: Vec<Option<String>> = places.map(|token| ident(Some(token))).collect();
    if words.first().is_some_and(|word| word.as_deref() == Some("macro_rules")) {
        return ident(item.get(2));
    }
    if words.first().is_some_and(|word| word.as_deref() == Some("impl")) {
        return None;
    }
    let is_keyword = |word: &Option<String>| word.as_deref().is_some_and(|w| names.contains(&w));
    let last = words.iter().enumerate().filter(|(_, word)| is_keyword(word)).map(|(at, _)| at);
    // `const fn name`, `static mut NAME`: the first name that is no keyword.
    let start = last.min()?;
    let skipped = [&names[..], &FN_WORDS, &["mut"]].concat();
    words[start..].iter().flatten().find(|word| !skipped.contains(&word.as_str())).cloned()
}

/// An item without its attributes, and whether one of them keeps it for tests.
fn without_attributes(mut tokens: &[TokenTree]) -> (&[TokenTree], bool) {
    let mut is_for_tests = false;
    while is_punct(tokens.first(), '#') {
        let inner = usize::from(is_punct(tokens.get(1), '!'));
        is_for_tests |= inner == 0 && is_test_attribute(tokens.get(1));
        tokens = tokens.get(2 + inner..).unwrap_or_default();
    }
    (tokens, is_for_tests)
}

/// Whether there is a visibility, and what follows it.
pub(crate) fn without_visibility(tokens: &[TokenTree]) -> (bool, &[TokenTree]) {
    if ident(tokens.first()).is_none_or(|word| word != "pub") {
        return (false, tokens);
    }
    let is_restricted = matches!(
        tokens.get(1),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
    );
    (true, &tokens[1 + usize::from(is_restricted)..])
}

/// Whether a bracket says `cfg(test)`, or `cfg(all(test, ...))`.
pub(crate) fn is_test_attribute(bracket: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = bracket else { return false };
    if group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let text: String = group.stream().to_string().split_whitespace().collect();
    let mut words = text.split(['(', ')', ',']);
    text.starts_with("cfg(")
        && !text.contains("any(")
        && !text.contains("not(")
        && words.any(|w| w == "test")
}

pub(crate) fn is_path_separator(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), ':') && is_punct(tokens.get(1), ':')
}

pub(crate) fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

pub(crate) fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(word)) => Some(word.to_string()),
        Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => None,
    }
}

pub(crate) fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

mod tests {
    use super::*;

    #[test]
    fn names_of_imports_are_those_of_here() {
        let tree = "a::{b, c::{self, d as e}, f::*}, g";
        let tokens: Vec<TokenTree> = tree.parse::<TokenStream>().unwrap().into_iter().collect();
        let names: Vec<(String, String)> =
            use_paths(&tokens).into_iter().map(|(name, path)| (name, path.join("::"))).collect();
        let expected = [("b", "a::b"), ("c", "a::c"), ("e", "a::c::d"), ("*", "a::f"), ("g", "g")];
        assert_eq!(names, expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
    }
}
