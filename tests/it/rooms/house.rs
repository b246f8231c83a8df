//! The house as its source shows it: which file takes names out of which other.
//!
//! Paths that begin with `crate`, `super`, `self` or a child module are followed to the file that
//! defines the name, through re-exports. Tests within a file do not count.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

type Path = Vec<String>;

/// Each file, and the files that it takes names out of.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// The names that it defines.
    items: BTreeSet<String>,
    /// The names that `use` brings in: the path, and the name here.
    uses: Vec<(Path, String)>,
    /// Paths that stand in the code itself.
    paths: Vec<Path>,
}

/// The modules of a crate by their paths; the root has an empty one.
pub(crate) struct House(BTreeMap<Path, Module>);

impl House {
    /// Reads files, each with its path below `src` and its text.
    pub(crate) fn read(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let module = |(file, text): (String, String)| {
            let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
            let mut module = Module::default();
            module.take_in(tokens);
            let mut path: Path = file
                .trim_end_matches(".rs")
                .split('/')
                .map(Into::into)
                .collect();
            path.pop_if(|last| ["mod", "lib"].contains(&last.as_str()));
            module.file = file;
            (path, module)
        };
        Self(files.into_iter().map(module).collect())
    }

    pub(crate) fn imports(&self) -> Imports {
        let files = self.0.iter().map(|(here, module)| {
            let used = module.uses.iter().map(|(path, _)| path);
            let targets = used
                .chain(&module.paths)
                .filter_map(|path| self.find(here, path, &mut BTreeSet::new()))
                .map(|found| self.0[&found].file.clone())
                .filter(|file| *file != module.file);
            (module.file.clone(), targets.collect())
        });
        files.collect()
    }

    /// Returns the module that defines what a path in the module `here` means. `None`: another
    /// crate.
    fn find(
        &self,
        here: &[String],
        path: &[String],
        seen: &mut BTreeSet<(Path, Path)>,
    ) -> Option<Path> {
        if !seen.insert((here.to_vec(), path.to_vec())) {
            return None;
        }
        let (mut at, mut rest) = (here.to_vec(), path);
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Path::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while let Some(("super", behind)) = rest.split_first().map(|(f, r)| (f.as_str(), r))
                {
                    at.pop()?;
                    rest = behind;
                }
            }
            child if self.0[here].children.contains(child) => {}
            _ => return None,
        }
        while let Some((name, behind)) = rest.split_first() {
            let module = &self.0[&at];
            if module.children.contains(name) {
                at.push(name.clone());
                rest = behind;
                continue;
            }
            if module.items.contains(name) {
                return Some(at);
            }
            return self.find_used(&at, name, behind, seen).or(Some(at));
        }
        Some(at)
    }

    /// The same for a name that the module `at` has by a `use` of its own.
    fn find_used(
        &self,
        at: &[String],
        name: &String,
        behind: &[String],
        seen: &mut BTreeSet<(Path, Path)>,
    ) -> Option<Path> {
        let named =
            |(path, known): &&(Path, String)| known == name && path.last() != Some(&"*".into());
        let used = self.0[at].uses.iter().find(named);
        if let Some((path, _)) = used {
            return self.find(at, &[path, behind].concat(), seen);
        }
        let globs = self.0[at].uses.iter().filter(|(_, known)| known == "*");
        let mut found = globs.filter_map(|(path, _)| {
            let of = self.find(at, &path[..path.len() - 1], seen)?;
            let rest = [&["self".into(), name.clone()], behind].concat();
            let defines = self.0[&of].items.contains(name);
            let passes_on = self.0[&of].uses.iter().any(|(_, known)| known == name);
            (defines || passes_on).then(|| self.find(&of, &rest, seen))?
        });
        found.next()
    }
}

impl Module {
    fn take_in(&mut self, tokens: TokenStream) {
        let mut trees = tokens.into_iter().peekable();
        let mut path = Path::new();
        let mut colons = 0;
        while let Some(tree) = trees.next() {
            let text = tree.to_string();
            match &tree {
                TokenTree::Punct(_) if text == ":" && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(_) if colons == 2 => {
                    path.push(text);
                    colons = 0;
                    continue;
                }
                _ => {
                    self.paths.push(std::mem::take(&mut path));
                    colons = 0;
                }
            }
            match tree {
                TokenTree::Group(group) if is_test(&group) => skip_item(&mut trees),
                TokenTree::Group(group) => self.take_in(group.stream()),
                TokenTree::Ident(_) => match text.as_str() {
                    "use" => {
                        let tree = trees.by_ref().take_while(|tree| tree.to_string() != ";");
                        self.uses_of(&Path::new(), tree.collect());
                    }
                    "pub" => drop(trees.next_if(|next| matches!(next, TokenTree::Group(_)))),
                    "mod" => {
                        let name = trees.next().map(|name| name.to_string());
                        self.children.extend(name);
                    }
                    "struct" | "enum" | "trait" | "fn" | "const" | "static" | "type" => {
                        self.items.extend(trees.peek().map(ToString::to_string));
                    }
                    _ => path.push(text),
                },
                _ => {}
            }
        }
        self.paths.push(path);
        self.paths.retain(|path| path.len() > 1);
    }

    fn uses_of(&mut self, before: &Path, tree: Vec<TokenTree>) {
        if tree.is_empty() {
            return;
        }
        let mut path = before.clone();
        let mut trees = tree.into_iter();
        while let Some(tree) = trees.next() {
            match tree {
                TokenTree::Group(group) => {
                    let mut branch = Vec::new();
                    for tree in group.stream() {
                        if tree.to_string() == "," {
                            self.uses_of(&path, std::mem::take(&mut branch));
                        } else {
                            branch.push(tree);
                        }
                    }
                    return self.uses_of(&path, branch);
                }
                TokenTree::Ident(ident) if ident == "as" => {
                    let name = trees
                        .next()
                        .map_or_else(String::new, |name| name.to_string());
                    return self.uses.push((path, name));
                }
                tree => {
                    let text = tree.to_string();
                    if text != ":" && (text != "self" || path.is_empty()) {
                        path.push(text);
                    }
                }
            }
        }
        if let Some(name) = path.last().cloned() {
            self.uses.push((path, name));
        }
    }
}

fn is_test(group: &proc_macro2::Group) -> bool {
    let words = group.stream().to_string().replace(' ', "");
    group.delimiter() == Delimiter::Bracket && words == "cfg(test)"
}

fn skip_item(trees: &mut impl Iterator<Item = TokenTree>) {
    trees.find(|tree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        tree => tree.to_string() == ";",
    });
}
