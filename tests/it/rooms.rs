//! The rooms of the house are tied one way: no file takes names out of one that needs it, and no
//! room out of a room above it. Index files only name what is there.

mod house;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

use self::house::{House, Imports};

/// The rooms from the top of the house to its bottom. A room may use the rooms below it. A room is
/// a file or a folder of `src`; ARCHITECTURE.md names them in the same order.
const ROOMS: [&str; 22] = [
    "main",
    "cli",
    "app",
    "admin",
    "operators",
    "courier",
    "outbox",
    "telemetry",
    "platform",
    "simulator",
    "settings",
    "settlement",
    "batch",
    "contact",
    "mask",
    "address",
    "host",
    "http",
    "trust",
    "visible",
    "lock",
    "nearest",
];

fn source() -> Vec<(String, String)> {
    fn collect(folder: &Path, root: &Path, files: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, files);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs")
            {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files
}

fn imports(files: Vec<(String, String)>) -> Imports {
    House::read(files).imports()
}

/// Made-up files.
fn made_up(files: &[(&str, &str)]) -> Imports {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    imports(files.iter().map(owned).collect())
}

/// Returns a way along imports from a file back to itself, if there is one.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn walk(
        file: &str,
        imports: &Imports,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(first) = way.iter().position(|passed| passed == file) {
            way.drain(..first);
            return true;
        }
        if done.contains(file) {
            return false;
        }
        way.push(file.to_owned());
        if imports[file]
            .iter()
            .any(|next| walk(next, imports, way, done))
        {
            return true;
        }
        done.extend(way.pop());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    imports
        .keys()
        .any(|file| walk(file, imports, &mut way, &mut done))
        .then_some(way)
}

/// Returns the room of a file. `None`: it is the crate's root, which names all rooms.
fn room(file: &str) -> Option<&str> {
    let name = file.split(['/', '.']).next().unwrap();
    (name != "lib").then_some(name)
}

/// Returns the imports out of rooms that do not stand below.
fn upward(imports: &Imports) -> Vec<String> {
    let height = |file: &str| {
        let room = room(file)?;
        let height = ROOMS.iter().position(|known| *known == room);
        Some(height.unwrap_or_else(|| panic!("{file} is in no room of the list")))
    };
    let mut found = Vec::new();
    for (file, targets) in imports {
        for target in targets {
            let (from, to) = (height(file), height(target));
            if from.is_some() && (to.is_none() || from > to) {
                found.push(format!("{file} uses {target}"));
            }
        }
    }
    found
}

/// Returns the index files that hold more than names.
fn busy(files: &[(String, String)]) -> Vec<&str> {
    fn does_something(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|tree| match tree {
            TokenTree::Ident(word) => word == "fn" || word == "impl",
            TokenTree::Group(group) => does_something(group.stream()),
            _ => false,
        })
    }
    let indexes = files
        .iter()
        .filter(|(file, _)| file == "lib.rs" || file.ends_with("mod.rs"));
    let busy = indexes.filter(|(_, text)| does_something(text.parse().unwrap()));
    busy.map(|(file, _)| file.as_str()).collect()
}

#[test]
fn no_file_takes_names_out_of_one_that_needs_it() {
    let imports = imports(source());
    let ties: usize = imports.values().map(BTreeSet::len).sum();
    assert!(
        imports.len() > 150 && ties > 500,
        "{} files, {ties} ties",
        imports.len()
    );
    let circle = circle(&imports);
    assert_eq!(
        circle, None,
        "a circle of files, each of which uses the next"
    );
}

#[test]
fn no_room_uses_a_room_above_it() {
    assert_eq!(upward(&imports(source())), Vec::<String>::new());
}

#[test]
fn an_index_file_holds_neither_functions_nor_implementations() {
    let files = source();
    assert!(files.iter().any(|(file, _)| file.ends_with("/mod.rs")));
    assert_eq!(busy(&files), Vec::<&str>::new());
    let made_up = [
        (
            "outbox/mod.rs",
            "//! No fn.\nmod plan;\npub use self::plan::Plan;",
        ),
        (
            "mask/mod.rs",
            "mod fit;\nimpl fit::Fit { const NONE: u8 = 0; }",
        ),
    ];
    let made_up = made_up.map(|(file, text)| (file.to_owned(), text.to_owned()));
    assert_eq!(busy(&made_up), ["mask/mod.rs"]);
}

#[test]
fn the_list_of_rooms_and_the_architecture_page_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let told = page
        .split_once("From top to bottom the rooms are:")
        .expect("the order of rooms")
        .1;
    let told: Vec<&str> = told
        .split('.')
        .next()
        .unwrap()
        .split('`')
        .skip(1)
        .step_by(2)
        .collect();
    assert_eq!(told, ROOMS);
    let rooms: BTreeSet<String> = source()
        .iter()
        .filter_map(|(file, _)| room(file).map(Into::into))
        .collect();
    assert_eq!(rooms, ROOMS.map(Into::into).into());
}

#[test]
fn a_circle_is_found_through_re_exports_and_paths_within_code() {
    let imports = made_up(&[
        ("lib.rs", "mod courier; mod batch;"),
        (
            "courier/mod.rs",
            "mod lane; mod scout; pub use self::scout::Scout;",
        ),
        (
            "courier/scout.rs",
            "use super::lane; pub struct Scout; fn f() { lane::run() }",
        ),
        (
            "courier/lane.rs",
            "use crate::batch::{self, Batch as B}; pub fn run() {}",
        ),
        (
            "batch.rs",
            "pub struct Batch; impl Batch { fn f(&self) -> crate::courier::Scout { todo!() } }",
        ),
    ]);
    let mut found = circle(&imports).unwrap();
    found.sort();
    assert_eq!(found, ["batch.rs", "courier/lane.rs", "courier/scout.rs"]);
    assert_eq!(upward(&imports), ["batch.rs uses courier/scout.rs"]);
}

#[test]
fn a_child_that_uses_what_its_index_file_defines_is_a_circle() {
    let imports = made_up(&[
        ("lib.rs", "mod outbox;"),
        (
            "outbox/mod.rs",
            "mod plan; use plan::*; pub trait Outbox { fn f(&self) -> Plan; }",
        ),
        ("outbox/plan.rs", "use super::Outbox; pub struct Plan;"),
    ]);
    assert_eq!(
        circle(&imports).unwrap(),
        ["outbox/mod.rs", "outbox/plan.rs"]
    );
}

#[test]
fn tests_words_and_visibilities_are_no_imports() {
    let imports = made_up(&[
        ("lib.rs", "mod batch; mod contact;"),
        ("batch.rs", "use crate::contact::Contact; pub struct Batch;"),
        (
            "contact.rs",
            r#"//! Says crate::batch::Batch.
            pub(in crate::batch) struct Contact;
            const WORDS: &str = "crate::batch::Batch";
            #[cfg(test)]
            mod tests { use crate::batch::Batch; }"#,
        ),
    ]);
    assert_eq!(circle(&imports), None);
    assert_eq!(imports["batch.rs"], ["contact.rs".to_owned()].into());
}
