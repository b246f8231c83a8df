//! An address as people may see it: without any part that may be a password.
//!
//! This has to work for wrong addresses, too, because errors show them. It hides too much rather
//! than too little.

/// The text in the place of a secret.
const HIDDEN: &str = "***";

/// Parameters whose values are no secrets.
const OPEN: [&str; 26] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "options",
    "socket",
    "collation",
    "mode",
    "cache",
    "immutable",
    "vfs",
    "ssl_mode",
    "useSSL",
    "serverTimezone",
];

/// Hides every part that may be a password. It looks for the last `@` of all, since people forget
/// to escape a `/`, `?` or `@` in a password.
pub(crate) fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => (scheme, rest),
        _ => return HIDDEN.into(),
    };
    let (slashes, rest) = match rest.strip_prefix("//") {
        Some(rest) => ("//", rest),
        None => ("", rest),
    };
    let is_file = scheme == "sqlite";
    if slashes.is_empty() && (!is_file || rest.contains('@')) {
        return HIDDEN.into();
    }
    let is_inside_parameter = |at: usize| rest[..at].contains('?') && rest[..at].contains('=');
    if rest.rfind('@').is_some_and(is_inside_parameter) {
        // Nobody can tell whether the `@` ends a user's name or stands in a parameter's value.
        return format!("{scheme}:{slashes}{HIDDEN}");
    }
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => match user.split_once(':') {
            Some((name, _)) => (format!("{name}:{HIDDEN}@"), rest),
            None => (format!("{user}@"), rest),
        },
        None => (String::new(), rest),
    };
    let (rest, has_more) = match rest.split_once('#') {
        Some((rest, _)) if !is_file => (rest, true),
        _ => (rest, false),
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let place = if is_file || is_place(place) {
        place
    } else {
        HIDDEN
    };
    let query = query.map_or_else(String::new, |query| format!("?{}", parameters(query)));
    let more = if has_more { "#***" } else { "" };
    format!("{scheme}:{slashes}{user}{place}{query}{more}")
}

/// Whether this is `HOST:PORT,HOST:PORT/NAME` and nothing else: a supposed port may be a password
/// without its host.
fn is_place(place: &str) -> bool {
    let (hosts, name) = place.split_once('/').unwrap_or((place, ""));
    let is_plain = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || "-_.%[]:/~+$".contains(c))
    };
    is_plain(name)
        && hosts.split(',').all(|host| {
            let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
            let port = port.map_or("", |at| &host[at + 1..]);
            is_plain(host) && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
        })
}

fn parameters(query: &str) -> String {
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if OPEN.contains(&name) || name.starts_with("options[") => pair.to_owned(),
        Some((name, _)) if is_name(name) => format!("{name}={HIDDEN}"),
        _ => HIDDEN.into(),
    };
    let shown: Vec<String> = query.split('&').map(shown).collect();
    shown.join("&")
}

/// Whether this may be a name that somebody gave to something, and not a misplaced secret.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_however_it_is_written() {
        for (url, shown) in [
            ("postgres://me:pw@db/x", "postgres://me:***@db/x"),
            ("postgres://me:p/w@db/x", "postgres://me:***@db/x"),
            ("postgres://me:p@w?x@db/x", "postgres://me:***@db/x"),
            (
                "postgres://db/x?user=me&password=pw&sslmode=require",
                "postgres://db/x?user=me&password=***&sslmode=require",
            ),
            (
                "postgres://db/x?user=me&pass=pw",
                "postgres://db/x?user=me&pass=***",
            ),
            ("postgres://db/x?user=me&password=p@w", "postgres://***"),
            ("mysql://db:3306/x?password=a:b@c", "mysql://***"),
            ("postgres://db/x?p%61ssword=pw", "postgres://db/x?***"),
            ("mysql://db/x?pw", "mysql://db/x?***"),
            ("postgres://db/x#password=pw", "postgres://db/x#***"),
            ("mysql://me:p#w@db/x", "mysql://me:***@db/x"),
            (
                "mariadb://me:pw@db/x?socket=/run/mysqld/mysqld.sock",
                "mariadb://me:***@db/x?socket=/run/mysqld/mysqld.sock",
            ),
            ("postgres://me:pw@a:1,b:2/x", "postgres://me:***@a:1,b:2/x"),
            ("mysql://me:p,w@a,[::1]/x", "mysql://me:***@a,[::1]/x"),
            ("postgres://me:p/w@a:1,b/x", "postgres://me:***@a:1,b/x"),
            ("postgres://me:pw@a,me:pw@b/x", "postgres://me:***@b/x"),
            ("postgres://me:pw", "postgres://***"),
            ("postgres://me:pw/x", "postgres://***"),
            ("postgres://user=me password=pw", "postgres://***"),
            ("host=db user=me password=pw", "***"),
            ("postgres:me:pw@db", "***"),
            ("pw", "***"),
            ("postgres://me@db/x", "postgres://me@db/x"),
            ("postgres://me@%2Frun%2Fa/x", "postgres://me@%2Frun%2Fa/x"),
            ("sqlite://contact-courier.db", "sqlite://contact-courier.db"),
            ("sqlite:///a b/x.db?mode=ro", "sqlite:///a b/x.db?mode=ro"),
            ("sqlite:x.db", "sqlite:x.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
