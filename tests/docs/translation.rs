//! The two READMEs say the same, as far as a program can tell.

use std::collections::BTreeSet;

use crate::{code, read, table_rows};

const PAGES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// What is asked of both pages, and has to come out alike.
fn same<T: PartialEq + std::fmt::Debug>(ask: impl Fn(&str) -> T) {
    let [english, chinese] = PAGES.map(|page| ask(&read(page)));
    assert_eq!(english, chinese);
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
    let comment = [" # ", "-- "].iter().filter_map(|mark| line.find(mark));
    let end = comment.min().unwrap_or(line.len());
    let line = line[..end].trim_end();
    if line.starts_with("# ") { "" } else { line }
}

#[test]
fn both_readmes_have_the_same_headings() {
    same(|text| {
        let levels: Vec<usize> = parts(text)
            .0
            .iter()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.chars().take_while(|c| *c == '#').count())
            .collect();
        assert!(levels.len() > 15, "{levels:?}");
        levels
    });
}

#[test]
fn both_readmes_have_the_same_code_but_for_its_comments() {
    same(|text| {
        let code = parts(text).1;
        assert!(code.len() > 10, "{}", code.len());
        let lines = |block: &String| {
            block
                .lines()
                .map(without_comment)
                .collect::<Vec<_>>()
                .join("\n")
        };
        code.iter().map(lines).collect::<Vec<_>>()
    });
}

#[test]
fn both_readmes_have_the_same_tables() {
    same(|text| {
        let first = |cells: &Vec<&str>| code(cells[0]).map(str::to_owned);
        let of_settings = |cells: &Vec<&str>| cells[0].contains('.') && !cells[0].contains('/');
        let rows: Vec<_> = table_rows(text)
            .map(|cells| {
                let default = of_settings(&cells).then(|| cells[1].to_owned());
                (cells.len(), first(&cells), default)
            })
            .collect();
        assert!(rows.len() > 50, "{}", rows.len());
        rows
    });
}

#[test]
fn both_readmes_lead_to_the_same_pages() {
    same(|text| {
        let targets = text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        // A heading of the page itself is in its language, and so is the link to the other page.
        let targets = targets.filter(|target| !target.starts_with('#') && !PAGES.contains(target));
        // The order is that of each language's sentences.
        let mut targets: Vec<String> = targets.map(str::to_owned).collect();
        targets.sort_unstable();
        assert!(targets.len() > 30, "{}", targets.len());
        targets
    });
    for (page, other) in [(PAGES[0], PAGES[1]), (PAGES[1], PAGES[0])] {
        let head: String = read(page).lines().take(5).collect();
        assert!(head.contains(&format!("]({other})")), "{page}");
    }
}

#[test]
fn both_readmes_name_the_same_things() {
    same(|text| {
        let prose = parts(text).0.join("\n");
        let names = prose.split('`').skip(1).step_by(2);
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        assert!(names.len() > 100, "{}", names.len());
        names
    });
}
