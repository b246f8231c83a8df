//! Each page that also exists in Chinese says the same in both languages, as far as a program can
//! tell.

use std::collections::BTreeSet;

use super::{code, read, table_rows};

/// The English page, and the Chinese one.
const PAGES: [[&str; 2]; 5] = [
    README,
    ["docs/outbox-table.md", "docs/zh-CN/outbox-table.md"],
    ["docs/from-an-app.md", "docs/zh-CN/from-an-app.md"],
    ["docs/operating.md", "docs/zh-CN/operating.md"],
    ["deploy/prometheus/runbook.md", "docs/zh-CN/runbook.md"],
];
const README: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// Compares the same list of both pages, entry by entry. Names the first difference.
fn alike<T: PartialEq + std::fmt::Debug>(
    pages: [&str; 2],
    what: &str,
    ask: impl Fn(&str) -> Vec<T>,
) -> usize {
    let [english, chinese] = pages.map(|page| ask(&read(page)));
    for (at, pair) in english.iter().zip(&chinese).enumerate() {
        assert_eq!(pair.0, pair.1, "{pages:?}: {what} {} differs", at + 1);
    }
    let (more, left) = match english.len().cmp(&chinese.len()) {
        std::cmp::Ordering::Less => (pages[1], &chinese[english.len()..]),
        _ => (pages[0], &english[chinese.len()..]),
    };
    let first = left.first();
    assert!(
        first.is_none(),
        "{pages:?}: only {more} has the {what} {first:?}"
    );
    english.len()
}

/// The lines outside of code, and the code: each block with its opening line.
fn parts(text: &str) -> (Vec<&str>, Vec<String>) {
    let (mut prose, mut code) = (Vec::new(), Vec::new());
    let mut within = false;
    for line in text.lines() {
        let fence = line.starts_with("```");
        if fence && !within {
            code.push(String::new());
        }
        if fence || within {
            let block = code.last_mut().unwrap();
            block.push_str(line);
            block.push('\n');
        } else {
            prose.push(line);
        }
        within ^= fence;
    }
    (prose, code)
}

/// A line of code without its comment, which is in the page's language.
fn without_comment(line: &str) -> &str {
    let comment = [" # ", "-- ", " // "]
        .iter()
        .filter_map(|mark| line.find(mark));
    let end = comment.min().unwrap_or(line.len());
    let line = line[..end].trim_end();
    if line.starts_with("# ") || line.starts_with("// ") {
        ""
    } else {
        line
    }
}

/// A block of code without its comments.
fn plain(block: &str) -> String {
    let lines: Vec<&str> = block.lines().map(without_comment).collect();
    lines.join("\n")
}

/// Returns the lines that the program itself prints: they are in English on both pages, to the
/// letter.
fn of_the_program(block: &str) -> String {
    if block.starts_with("```text") {
        block.to_owned()
    } else {
        plain(block)
    }
}

#[test]
fn both_pages_have_the_same_headings() {
    for pages in PAGES {
        let headings = alike(pages, "heading", |text| {
            let lines = parts(text).0;
            let headings = lines.iter().filter(|line| line.starts_with('#'));
            headings
                .map(|line| line.chars().take_while(|c| *c == '#').count())
                .collect()
        });
        assert!(headings > 7, "{pages:?}: {headings}");
    }
}

#[test]
fn both_pages_have_the_same_code_but_for_its_comments() {
    let blocks: usize = PAGES
        .into_iter()
        .map(|pages| {
            alike(pages, "block of code", |text| {
                let code = parts(text).1;
                code.iter().map(|block| of_the_program(block)).collect()
            })
        })
        .sum();
    assert!(blocks > 40, "{blocks}");
}

#[test]
fn both_pages_have_the_same_tables() {
    for pages in PAGES {
        alike(pages, "row of a table", |text| {
            let first = |cells: &Vec<&str>| code(cells[0]).map(str::to_owned);
            table_rows(text)
                .map(|cells| (cells.len(), first(&cells)))
                .collect()
        });
    }
    // Only the READMEs list settings, with their defaults.
    let settings = alike(README, "setting", |text| {
        let of_settings = |cells: &Vec<&str>| cells[0].contains('.') && !cells[0].contains('/');
        table_rows(text)
            .filter(of_settings)
            .map(|cells| cells[1].to_owned())
            .collect()
    });
    assert!(settings > 40, "{settings}");
}

#[test]
fn both_readmes_lead_to_the_same_pages() {
    // A link to a page in Chinese counts as one to the English page.
    let english = |target: &str| {
        PAGES
            .iter()
            .fold(
                target.to_owned(),
                |target, [english, chinese]| match target.split_once('#') {
                    Some((page, _)) if page == *chinese => format!("{english}#"),
                    None if target == *chinese => (*english).to_owned(),
                    _ => target,
                },
            )
    };
    // The headings are in the page's language.
    let told = |target: &str| {
        let translated = PAGES
            .iter()
            .find(|[page, _]| target.split('#').next() == Some(page));
        match translated {
            Some([page, _]) if target.contains('#') => format!("{page}#"),
            _ => english(target),
        }
    };
    let links = alike(README, "link", |text| {
        let targets = text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        // A link to the page's own heading is in its language, and so is the link to the other
        // page.
        let targets = targets.filter(|target| !target.starts_with('#') && !README.contains(target));
        // The order of links follows each language's sentences.
        let mut targets: Vec<String> = targets.map(told).collect();
        targets.sort_unstable();
        targets
    });
    assert!(links > 30, "{links}");
    for [page, other] in [README, [README[1], README[0]]] {
        let head: String = read(page).lines().take(5).collect();
        assert!(head.contains(&format!("]({other})")), "{page}");
    }
}

#[test]
fn both_pages_name_the_same_things() {
    for pages in PAGES {
        let names = alike(pages, "name", |text| {
            let prose = parts(text).0.join("\n");
            let names = prose.split('`').skip(1).step_by(2);
            let names: BTreeSet<String> = names.map(str::to_owned).collect();
            names.into_iter().collect()
        });
        assert!(names > 20, "{pages:?}: {names}");
    }
}
