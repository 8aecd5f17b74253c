//! The references of a crate's modules to each other, read from their tokens.
//!
//! Paths count wherever they stand: in `use` trees, in expressions, in types and within macros.
//! Code that only tests compile does not count, nor does documentation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{TokenStream, TokenTree};

use crate::tokens::{
    ident, is_path_separator, is_punct, is_test_attribute, item_length, item_name, items, line,
    path_at, use_paths, without_visibility,
};

/// A path from a crate's root, whose own is empty.
pub(crate) type CratePath = Vec<String>;

/// A module: a file, or what stands in a file in braces.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Relative to the workspace.
    pub(crate) file: String,
    pub(crate) references: Vec<Reference>,
    /// Names of items, and those of modules below.
    items: Vec<String>,
    /// Names that `use` brings in, with where from. `*` stands for all names of a module.
    imports: Vec<(String, CratePath)>,
}

/// A path in the source, made absolute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reference {
    pub(crate) path: CratePath,
    pub(crate) line: usize,
    /// `pub use`: for others, not for the module itself.
    pub(crate) is_re_export: bool,
}

/// All modules of a crate that are not for tests alone.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) modules: BTreeMap<CratePath, Module>,
}

impl Source {
    /// Reads a crate of the workspace, from its `lib.rs` on.
    pub(crate) fn read(workspace: &Path, name: &str) -> Source {
        Source::from_files(&format!("{name}/src"), |file| {
            fs::read_to_string(workspace.join(file)).ok()
        })
    }

    /// Reads a crate whose files `read` gives by their paths.
    pub(crate) fn from_files(folder: &str, read: impl Fn(&str) -> Option<String>) -> Source {
        let mut source = Source::default();
        let mut left: Vec<CratePath> = vec![vec![]];
        while let Some(path) = left.pop() {
            let stem = [&[folder.to_owned()][..], &path].concat().join("/");
            let names = if path.is_empty() {
                vec![format!("{stem}/lib.rs")]
            } else {
                vec![format!("{stem}.rs"), format!("{stem}/mod.rs")]
            };
            let found = names.iter().find_map(|name| Some((name, read(name)?)));
            let (file, text) = found.unwrap_or_else(|| panic!("there is none of {names:?}"));
            let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
            let mut reader =
                Reader { source: &mut source, file, below: BTreeSet::new(), elsewhere: vec![] };
            reader.read_module(&path, tokens);
            left.append(&mut reader.elsewhere);
        }
        source
    }

    /// The longest module path that a path begins with.
    pub(crate) fn module_of(&self, path: &[String]) -> CratePath {
        let mut prefixes = (0..=path.len()).rev().map(|length| &path[..length]);
        prefixes.find(|&prefix| self.modules.contains_key(prefix)).unwrap_or(&[]).to_vec()
    }

    /// The module that defines what a path names, found through re-exports.
    pub(crate) fn definition(&self, path: &[String]) -> CratePath {
        self.find(path, 0).unwrap_or_else(|| self.module_of(path))
    }

    fn find(&self, path: &[String], depth: usize) -> Option<CratePath> {
        let module = self.module_of(path);
        let Some((name, rest)) = path[module.len()..].split_first() else { return Some(module) };
        let Module { items, imports, .. } = self.modules.get(&module)?;
        // Modules may bring in all names of each other; nobody re-exports through so many.
        if items.contains(name) || depth > 8 {
            return items.contains(name).then_some(module);
        }
        let behind =
            |target: &[String], rest: &[String]| self.find(&[target, rest].concat(), depth + 1);
        let named = imports.iter().filter(|(own, _)| own == name);
        let globs = imports.iter().filter(|(own, _)| own == "*");
        named
            .map(|(_, target)| behind(target, rest))
            .chain(globs.map(|(_, target)| behind(target, &path[module.len()..])))
            .flatten()
            .next()
    }
}

/// Goes through the tokens of a file.
struct Reader<'a> {
    source: &'a mut Source,
    file: &'a str,
    /// All modules that are declared here.
    below: BTreeSet<CratePath>,
    /// Those of them that stand in files of their own.
    elsewhere: Vec<CratePath>,
}

impl Reader<'_> {
    fn read_module(&mut self, path: &[String], tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let module = Module { file: self.file.to_owned(), ..Module::default() };
        self.source.modules.insert(path.to_vec(), module);
        let is_for_tests = tokens.windows(3).any(|inner| {
            is_punct(inner.first(), '#')
                && is_punct(inner.get(1), '!')
                && is_test_attribute(inner.get(2))
        });
        if is_for_tests {
            return;
        }
        let items = items(&tokens);
        // A `use` may stand before the module that it speaks of.
        for item in &items {
            if let [TokenTree::Ident(word), TokenTree::Ident(name), ..] = without_visibility(item).1
                && word == "mod"
            {
                self.below.insert([path, &[name.to_string()]].concat());
            }
        }
        items.iter().for_each(|item| self.read_item(path, item));
    }

    fn read_item(&mut self, path: &[String], item: &[TokenTree]) {
        let (is_public, item) = without_visibility(item);
        let Some(keyword) = ident(item.first()) else {
            return self.read_paths(path, item);
        };
        match keyword.as_str() {
            "use" => self.read_use(path, &item[1..], is_public),
            "mod" => {
                let name = ident(item.get(1)).expect("a module has a name");
                self.module(path).items.push(name.clone());
                let below = [path, &[name]].concat();
                match item.get(2) {
                    Some(TokenTree::Group(body)) => self.read_module(&below, body.stream()),
                    _ => self.elsewhere.push(below),
                }
            }
            _ => {
                self.module(path).items.extend(item_name(item));
                self.read_paths(path, item);
            }
        }
    }

    /// Reads a `use` declaration after its keyword.
    fn read_use(&mut self, path: &[String], tree: &[TokenTree], is_re_export: bool) {
        let line = tree.first().map_or(0, line);
        for (name, segments) in use_paths(tree) {
            let Some(target) = self.absolute(path, &segments) else { continue };
            self.module(path).imports.push((name, target.clone()));
            self.refer(path, target, line, is_re_export);
        }
    }

    /// Reads the paths of anything but `use` declarations of a module.
    fn read_paths(&mut self, path: &[String], tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            if is_test_attribute(tokens.get(at + 1)) && is_punct(tokens.get(at), '#') {
                at += item_length(&tokens[at..]);
                continue;
            }
            match &tokens[at] {
                TokenTree::Ident(word) if word == "use" => {
                    let length =
                        1 + tokens[at..].iter().take_while(|t| !is_punct(Some(t), ';')).count();
                    let end = (at + length).min(tokens.len());
                    let line = line(&tokens[at]);
                    for (_, segments) in use_paths(&tokens[at + 1..end]) {
                        if let Some(target) = self.absolute(path, &segments) {
                            self.refer(path, target, line, false);
                        }
                    }
                    at = end;
                }
                TokenTree::Ident(word) if word == "pub" => {
                    at += tokens[at..].len() - without_visibility(&tokens[at..]).1.len();
                }
                TokenTree::Ident(_) => {
                    let segments = path_at(&tokens[at..]);
                    let is_tail = at >= 2 && is_path_separator(&tokens[at - 2..]);
                    if segments.len() > 1
                        && !is_tail
                        && let Some(target) = self.absolute(path, &segments)
                    {
                        self.refer(path, target, line(&tokens[at]), false);
                    }
                    at += 3 * segments.len() - 2;
                }
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.read_paths(path, &inside);
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// A path from the crate's root, or none if it leads to another crate or to something local.
    fn absolute(&mut self, module: &[String], segments: &[String]) -> Option<CratePath> {
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                let above = &module[..module.len().checked_sub(ups)?];
                Some([above, &segments[ups..]].concat())
            }
            name => {
                let below = [module, &[name.to_owned()]].concat();
                self.below.contains(&below).then(|| [module, segments].concat())
            }
        }
    }

    fn refer(&mut self, module: &[String], path: CratePath, line: usize, is_re_export: bool) {
        self.module(module).references.push(Reference { path, line, is_re_export });
    }

    fn module(&mut self, path: &[String]) -> &mut Module {
        self.source.modules.get_mut(path).expect("it is being read")
    }
}

mod tests {
    use super::*;

    /// A crate of these files.
    fn source(files: &[(&str, &str)]) -> Source {
        Source::from_files("src", |name| {
            let mut files = files.iter();
            let found = files.find(|(file, _)| name.strip_prefix("src/") == Some(file));
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    /// The references of module `a`, where `lib.rs` declares it and `b` and `c`.
    fn references(text: &str) -> Vec<String> {
        let files = [
            ("lib.rs", "mod a; mod b; pub mod c;"),
            ("a.rs", text),
            ("a/below.rs", ""),
            ("b.rs", ""),
            ("c/mod.rs", ""),
        ];
        let source = source(&files);
        let references = &source.modules[&vec!["a".to_owned()]].references;
        references.iter().map(|reference| reference.path.join("::")).collect()
    }

    #[test]
    fn use_trees_are_taken_apart() {
        let text = "use crate::{b::{self, X, y::{Z as W, self as v}}, c::*};\n\
                    use std::{fs, io::{self, Read}}; use super::b::Y;";
        let expected = ["b", "b::X", "b::y::Z", "b::y", "c", "b::Y"];
        assert_eq!(references(text), expected);
        assert_eq!(
            references("pub(crate) use crate::b; pub(in crate::c) use super::c::X;"),
            ["b", "c::X"]
        );
    }

    #[test]
    fn paths_count_wherever_they_stand() {
        let text = "/// See [`crate::c::Doc`].\n\
                    mod below;\n\
                    fn f(x: &crate::b::X) -> Vec<super::c::Y> {\n\
                    vec![self::below::z(); crate::b::N] }\n\
                    macro_rules! m { () => { $crate::b::M } }\n\
                    fn g() { use crate::c::{G, H}; below::g(\"crate::c::text\"); x.super_::y(); }\n\
                    impl crate::b::T for S { const C: [u8; 3] = <S as crate::b::U>::crate_(); }";
        let expected = [
            "b::X",
            "c::Y",
            "a::below::z",
            "b::N",
            "b::M",
            "c::G",
            "c::H",
            "a::below::g",
            "b::T",
            "b::U",
        ];
        assert_eq!(references(text), expected);
    }

    #[test]
    fn code_for_tests_does_not_count() {
        assert!(references("//! Helps.\n#![cfg(test)] use crate::b::X;").is_empty());
        let text = "#[cfg(test)] use crate::b::{A, B};\n\
                    #[cfg(all(test, unix))] fn f() -> [u8; 3] { crate::b::f() }\n\
                    #[cfg(test)] mod tests { use crate::b::X; }\n\
                    #[cfg(test)] mod not_even_there;\n\
                    #[cfg(test)] const X: crate::b::S = crate::b::S { y: 1 };\n\
                    struct S { #[cfg(test)] x: crate::b::X, y: crate::c::Y }\n\
                    fn g() { #[cfg(test)] let x = crate::b::G {}; crate::c::g() }\n\
                    #[cfg(not(test))] use crate::c::Real;\n\
                    #[cfg(any(test, feature = \"x\"))] use crate::c::Feature;";
        assert_eq!(references(text), ["c::Y", "c::g", "c::Real", "c::Feature"]);
    }

    #[test]
    fn modules_in_braces_have_their_own_above() {
        let source = source(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod inner { use super::super::b::X; mod deep { use super::*; } }"),
            ("b.rs", ""),
        ]);
        let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
        let inner = &source.modules[&path("a::inner")];
        assert_eq!(
            (inner.file.as_str(), inner.references[0].path.join("::")),
            ("src/a.rs", "b::X".into())
        );
        assert_eq!(source.modules[&path("a::inner::deep")].references[0].path, path("a::inner"));
    }

    #[test]
    fn definitions_are_found_through_re_exports() {
        let source = source(&[
            (
                "lib.rs",
                "pub mod a; mod b; pub use b::deep::{Deep, Enum as Renamed};\n\
                 pub const ROOT: u8 = 1;",
            ),
            ("a.rs", "pub use crate::b::*; pub struct Own; pub(crate) const unsafe fn made() {}"),
            (
                "b/mod.rs",
                "mod deep; pub use deep::Deep; pub fn head() {}\nmacro_rules! m { () => {} }",
            ),
            ("b/deep.rs", "pub struct Deep; pub enum Enum { One }"),
        ]);
        for (path, expected) in [
            ("Deep", "b::deep"),
            ("Renamed::One", "b::deep"),
            ("a::Deep", "b::deep"),
            ("a::Own", "a"),
            ("a::made", "a"),
            ("b::head", "b"),
            ("b::m", "b"),
            ("b::deep", "b::deep"),
            ("a::head", "b"),
            ("a::unknown", "a"),
            ("ROOT", ""),
        ] {
            let path: Vec<String> = path.split("::").map(str::to_owned).collect();
            assert_eq!(source.definition(&path).join("::"), expected, "{path:?}");
        }
    }

    #[test]
    fn places_are_lines() {
        let source =
            source(&[("lib.rs", "mod a;\n"), ("a.rs", "\nuse std::fs;\n\nuse crate::a::X;\n")]);
        assert_eq!(source.modules[&vec!["a".to_owned()]].references[0].line, 4);
    }
}
