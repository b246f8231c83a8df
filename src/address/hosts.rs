//! The servers that a database's address names: `postgres://me@a:5432,b:5433/shop` names two.
//!
//! Pure: an address in, addresses of one server each out. An address that cannot be read is refused
//! here. The error says what to do and shows nothing of the address, since a part of it may be a
//! password.

use percent_encoding::percent_decode_str;
use url::Url;

/// The address cannot be read. The error says what to do, and shows nothing of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// Most likely a character in the user or the password that means something in an address.
    #[error(
        "it cannot be read: write SCHEME://USER:PASSWORD@HOST:PORT/NAME; special characters of user \
         and password need percent-encoding (%25 for %, %2F for /, %3F for ?, %23 for #, %40 for @, \
         %3A for :), or put the password into database.password_file, where they need none"
    )]
    Unreadable,
    /// An empty place in the list of servers.
    #[error("a server between two commas is missing: write HOST:PORT,HOST:PORT")]
    Missing,
    /// Some of the servers have a port and some do not.
    #[error(
        "it is not clear whose port is meant: give one behind each of the servers, or one behind \
         the last that all have"
    )]
    Ports,
    /// Several servers cannot share a socket.
    #[error(
        "it names several servers and a socket or host behind the ?: give the one or the other"
    )]
    SocketAndHosts,
}

/// Returns the addresses of the single servers, in their order; everything else is the same in
/// each.
pub(crate) fn split(address: &str) -> Result<Vec<String>, AddressError> {
    let (scheme, rest) = address.split_once("://").ok_or(AddressError::Unreadable)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    check_tail(authority, tail)?;
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let hosts = with_ports(hosts)?;
    if hosts.len() > 1 && names_a_place(tail) {
        return Err(AddressError::SocketAndHosts);
    }
    let user = user.map_or_else(String::new, |user| format!("{user}@"));
    hosts
        .into_iter()
        .map(|host| {
            let address = format!("{scheme}://{user}{host}{tail}");
            is_readable(&address)?;
            Ok(address)
        })
        .collect()
}

/// Checks that the part behind the servers holds no more than the database's name and parameters. A
/// password with a `/`, `?` or `#` in it ends the servers too early, and its `@` comes behind them.
fn check_tail(authority: &str, tail: &str) -> Result<(), AddressError> {
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let stray = |pair: &str| pair.contains('@') && !pair.contains('=');
    let cut = !authority.contains('@') && query.split('&').any(stray);
    if tail.contains('#') || path.contains('@') || cut {
        return Err(AddressError::Unreadable);
    }
    Ok(())
}

/// Returns the servers of a list, each with its port, if there is any.
fn with_ports(list: &str) -> Result<Vec<String>, AddressError> {
    let hosts: Vec<(&str, Option<&str>)> = list.split(',').map(host_and_port).collect();
    if hosts.len() == 1 {
        return Ok(vec![list.to_owned()]);
    }
    if hosts.iter().any(|(host, _)| host.is_empty()) {
        return Err(AddressError::Missing);
    }
    let given = hosts.iter().filter(|(_, port)| port.is_some()).count();
    let of_all = hosts.last().and_then(|(_, port)| *port);
    if given != 0 && given != hosts.len() && !(given == 1 && of_all.is_some()) {
        return Err(AddressError::Ports);
    }
    let one = |(host, port): (&str, Option<&str>)| match port.or(of_all) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Ok(hosts.into_iter().map(one).collect())
}

/// Splits host and port. The colons between brackets are those of an IPv6 address.
fn host_and_port(host: &str) -> (&str, Option<&str>) {
    let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    match port {
        Some(at) => (&host[..at], Some(&host[at + 1..])),
        None => (host, None),
    }
}

/// Whether a parameter says where the server is.
fn names_a_place(tail: &str) -> bool {
    let query = tail.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, _)| matches!(name, "host" | "hostaddr" | "socket"))
}

fn is_readable(address: &str) -> Result<(), AddressError> {
    let url = Url::parse(address).map_err(|_| AddressError::Unreadable)?;
    let parts = [Some(url.username()), url.password(), Some(url.path())];
    let is_text = |part: &str| percent_decode_str(part).decode_utf8().is_ok();
    if parts.into_iter().flatten().all(is_text) {
        Ok(())
    } else {
        Err(AddressError::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_one_server_or_several() {
        for (address, servers) in [
            ("postgres://me:pw@db/x", &["postgres://me:pw@db/x"][..]),
            ("mysql://db", &["mysql://db"]),
            (
                "postgres://me:pw@a:5432,b:5433/x?sslmode=require",
                &[
                    "postgres://me:pw@a:5432/x?sslmode=require",
                    "postgres://me:pw@b:5433/x?sslmode=require",
                ],
            ),
            (
                "mysql://a,b,c/shop",
                &["mysql://a/shop", "mysql://b/shop", "mysql://c/shop"],
            ),
            (
                "mariadb://me:p,w@a,b:3307/shop",
                &[
                    "mariadb://me:p,w@a:3307/shop",
                    "mariadb://me:p,w@b:3307/shop",
                ],
            ),
            (
                "postgres://me@[::1]:1,[fe80::2]:2/x",
                &["postgres://me@[::1]:1/x", "postgres://me@[fe80::2]:2/x"],
            ),
            (
                "postgres://[::1],[::2]/x",
                &["postgres://[::1]/x", "postgres://[::2]/x"],
            ),
            (
                "postgres://me@%2Frun%2Fa,%2Frun%2Fb/x",
                &["postgres://me@%2Frun%2Fa/x", "postgres://me@%2Frun%2Fb/x"],
            ),
            (
                "postgres:///x?host=/run/postgresql",
                &["postgres:///x?host=/run/postgresql"],
            ),
            (
                "mysql://me:p@w@db/x?socket=/run/s@1",
                &["mysql://me:p@w@db/x?socket=/run/s@1"],
            ),
            ("postgres://db/x?user=a@b", &["postgres://db/x?user=a@b"]),
            ("mysql://me:p%23w:x@db/x", &["mysql://me:p%23w:x@db/x"]),
        ] {
            assert_eq!(split(address).unwrap(), servers, "{address}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_refused_without_a_word_of_it() {
        use AddressError::{Missing, Ports, SocketAndHosts, Unreadable};
        for (address, why) in [
            ("postgres://me:sec/ret@db/x", Unreadable),
            ("postgres://me:12/ret@db/x", Unreadable),
            ("postgres://me:sec#ret@db/x", Unreadable),
            ("mysql://me:12#ret@db/x", Unreadable),
            ("mysql://me:12?ret@db/x", Unreadable),
            ("postgres://me:sec?ret@db/x", Unreadable),
            ("postgres://me:sec%ffret@db/x", Unreadable),
            ("postgres://me:secret", Unreadable),
            ("postgres:me:secret@db/x", Unreadable),
            ("postgres://me:p@se[cret/x", Unreadable),
            ("postgres://me:secret@db:99999/x", Unreadable),
            ("postgres://me:secret@a:1,b:ret/x", Unreadable),
            ("postgres://me:secret@a,,b/x", Missing),
            ("postgres://me:secret@a,b,/x", Missing),
            ("postgres://me:secret@a:1,b/x", Ports),
            ("postgres://me:secret@a:1,b,c:2/x", Ports),
            ("postgres://me:secret@a,b/x?host=/run", SocketAndHosts),
            ("mysql://me:secret@a,b/x?socket=/run/s", SocketAndHosts),
        ] {
            let error = split(address).unwrap_err();
            assert_eq!(error, why, "{address}");
            let said = error.to_string();
            assert!(!said.contains("sec") && !said.contains("ret"), "{said}");
            assert!(!said.contains('\n'));
        }
    }
}
