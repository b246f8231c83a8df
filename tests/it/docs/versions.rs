//! The READMEs list exactly the versions that the matrix of `make test-matrix` has tested.

use super::{read, table_rows};

/// A line of the table in `docs/databases.md`.
struct Tested {
    database: String,
    /// `10.11`, as it is named for users.
    series: String,
    version: String,
    date: String,
    tests: String,
    result: String,
}

fn matrix() -> Vec<Tested> {
    let page = read("docs/databases.md");
    let (_, table) = page
        .split_once("<!-- the table: make test-matrix -->")
        .unwrap();
    let (table, _) = table.split_once("<!-- end of the table -->").unwrap();
    let rows = table_rows(table).skip(2).map(|cells| {
        let [name, version, date, tests, result] = cells.try_into().expect("five cells");
        let (database, series) = name.split_once(' ').unwrap_or((name, ""));
        Tested {
            database: database.into(),
            series: series.into(),
            version: version.into(),
            date: date.into(),
            tests: tests.into(),
            result: result.into(),
        }
    });
    rows.collect()
}

fn passed<'a>(matrix: &'a [Tested], database: &str) -> Vec<&'a Tested> {
    let of_it = matrix.iter().filter(|row| row.database == database);
    of_it.filter(|row| row.result == "passed").collect()
}

/// `9.7` of `9.7.4`.
fn major_and_minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

#[test]
fn every_line_of_the_matrix_passed_or_says_that_there_was_no_such_server() {
    let matrix = matrix();
    for database in ["SQLite", "PostgreSQL", "MariaDB", "MySQL"] {
        assert!(!passed(&matrix, database).is_empty(), "no {database}");
    }
    for row in &matrix {
        let Tested {
            database,
            series,
            version,
            date,
            tests,
            result,
        } = row;
        let name = format!("{database} {series}");
        let day: Vec<usize> = date.split('-').map(str::len).collect();
        assert_eq!(day, [4, 2, 2], "{name}: {date}");
        if result == "passed" {
            assert!(version.starts_with(series.as_str()), "{name}: {version}");
            let least = if database == "Clusters" { 1 } else { 100 };
            assert!(
                tests.parse::<u32>().unwrap() >= least,
                "{name}: {tests} tests"
            );
        } else {
            assert!(result.starts_with("not to be had: "), "{name}: {result}");
        }
    }
}

#[test]
fn the_readmes_name_the_versions_that_the_matrix_has_tested_and_when() {
    let matrix = matrix();
    let last = matrix.iter().map(|row| row.date.as_str()).max().unwrap();
    let postgres = passed(&matrix, "PostgreSQL");
    let (first, newest) = (&postgres[0].series, &postgres[postgres.len() - 1].series);
    let series = |database| -> Vec<String> {
        let rows = passed(&matrix, database);
        rows.iter()
            .map(|row| major_and_minor(&row.version))
            .collect()
    };
    let (mysql, mariadb) = (series("MySQL"), series("MariaDB"));
    for (page, and, wanted) in [
        (
            "README.md",
            " and ",
            format!("tested on {first} to {newest}"),
        ),
        (
            "README.zh-CN.md",
            " 和 ",
            format!("在 {first} 到 {newest} 上测试"),
        ),
    ] {
        let page_text = read(page);
        let (mysql, mariadb) = (mysql.join(and), mariadb.join(and));
        for words in [
            wanted,
            format!("MySQL {mysql}"),
            format!("MariaDB {mariadb}"),
            last.to_owned(),
        ] {
            assert!(page_text.contains(&words), "{page} does not say: {words}");
        }
    }
}
