//! Users and the hashes of their passwords: lines `NAME:HASH`, as `htpasswd -B` makes them.

use std::collections::HashMap;

use bcrypt::HashParts;

/// The most work that a check may cost, as a power of two. More would take seconds of a processor.
const HIGHEST_COST: u32 = 14;

/// The work that a check of a line by [`hash_line`] costs: about a quarter of a second.
const COST: u32 = 12;

/// The longest name.
const LONGEST_NAME: usize = 64;

/// A line cannot be used. The error never shows its content, which may be a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    #[error(
        "line {0}: write NAME:HASH with a hash by bcrypt ($2y$...), as \
         `contact-courier hash-password NAME` or `htpasswd -nBC 12 NAME` prints it"
    )]
    NoHash(usize),
    #[error("line {0}: a name has 1 to 64 letters, digits or any of . _ - + @")]
    NoName(usize),
    #[error("line {0}: the hash costs 2^{1}, which takes seconds; make it anew with 2^12")]
    Costly(usize, u32),
    #[error("line {0}: this name has a line already")]
    Twice(usize),
    #[error("names no user; write a line NAME:HASH")]
    Nobody,
    #[error("a password has 1 to 71 bytes")]
    Length,
}

/// The users of a file.
#[derive(Debug, Default)]
pub(super) struct Users {
    hashes: HashMap<String, String>,
    /// The hash that takes longest to check: an unknown user's password is checked against it.
    decoy: String,
}

impl Users {
    /// Reads a file's text. Empty lines, and lines that begin with `#`, are skipped.
    pub(super) fn read(text: &str) -> Result<Self, UsersError> {
        let mut hashes = HashMap::new();
        let mut decoy = (0, String::new());
        for (nth, line) in text.lines().enumerate() {
            let (nth, line) = (nth + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line.split_once(':').ok_or(UsersError::NoHash(nth))?;
            if !is_name(name) {
                return Err(UsersError::NoName(nth));
            }
            let cost = cost(hash).ok_or(UsersError::NoHash(nth))?;
            if cost > HIGHEST_COST {
                return Err(UsersError::Costly(nth, cost));
            }
            if cost > decoy.0 {
                decoy = (cost, hash.to_owned());
            }
            if hashes.insert(name.to_owned(), hash.to_owned()).is_some() {
                return Err(UsersError::Twice(nth));
            }
        }
        if hashes.is_empty() {
            return Err(UsersError::Nobody);
        }
        let decoy = decoy.1;
        Ok(Self { hashes, decoy })
    }

    pub(super) fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Returns the hash of a user, which changes with the password.
    pub(super) fn hash(&self, name: &str) -> Option<&str> {
        self.hashes.get(name).map(String::as_str)
    }

    /// Whether the user is there and has this password. The check is slow, and takes as long for an
    /// unknown user.
    pub(super) fn has(&self, name: &str, password: &str) -> bool {
        let hash = self.hash(name);
        let right = bcrypt::non_truncating_verify(password, hash.unwrap_or(&self.decoy));
        hash.is_some() && right.unwrap_or(false)
    }
}

/// Returns the cost of a hash; `None`: it is not bcrypt's.
fn cost(hash: &str) -> Option<u32> {
    let known = ["$2y$", "$2b$", "$2a$"];
    let parts: HashParts = hash.parse().ok()?;
    let is_known = known.iter().any(|prefix| hash.starts_with(prefix));
    is_known.then(|| parts.get_cost())
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().all(allowed)
}

/// Makes the line of a user with this password, for the file.
pub fn hash_line(name: &str, password: &str) -> Result<String, UsersError> {
    line(name, password, COST)
}

fn line(name: &str, password: &str, cost: u32) -> Result<String, UsersError> {
    if !is_name(name) {
        return Err(UsersError::NoName(1));
    }
    if password.is_empty() {
        return Err(UsersError::Length);
    }
    // The length is the only thing that can be wrong with the password.
    let hash = bcrypt::non_truncating_hash(password, cost).map_err(|_| UsersError::Length)?;
    Ok(format!("{name}:{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `htpasswd -nbB -C 4 anna geheim`.
    const ANNA: &str = "anna:$2y$04$WHkkWQSdmXDo/Kkhw8tGLuFpwkyUmkBLl0wfPZBklKE7.GP/L6Yh2";

    #[test]
    fn lines_are_read_as_htpasswd_makes_them() {
        let ben = line("ben@shop", "好 密码", 4).unwrap();
        let users = Users::read(&format!("# who may act\n\n{ANNA}\r\n {ben}\n")).unwrap();
        for (name, password, is_right) in [
            ("anna", "geheim", true),
            ("anna", "Geheim", false),
            ("anna", "", false),
            ("ben@shop", "好 密码", true),
            ("ben@shop", "geheim", false),
            ("carla", "geheim", false),
            ("", "", false),
        ] {
            assert_eq!(users.has(name, password), is_right, "{name}");
        }
    }

    #[test]
    fn the_bytes_of_a_long_password_all_count_and_too_many_are_refused() {
        let long = "p".repeat(71);
        let users = Users::read(&line("u", &long, 4).unwrap()).unwrap();
        assert!(users.has("u", &long));
        // Bcrypt itself ignores all characters after the first 72.
        assert!(!users.has("u", &format!("{long}x")));
        assert!(!users.has("u", &format!("{long}xy")));
        let too_long = line("u", &format!("{long}x"), 4);
        assert_eq!(too_long, Err(UsersError::Length));
        assert_eq!(line("u", "", 4), Err(UsersError::Length));
    }

    #[test]
    fn a_line_that_is_none_is_named_and_never_shown() {
        let hash = ANNA.split_once(':').unwrap().1;
        let costly = hash.replace("$04$", "$31$");
        for (text, error) in [
            ("", UsersError::Nobody),
            ("# nobody yet\n", UsersError::Nobody),
            ("geheim", UsersError::NoHash(1)),
            ("\nanna:geheim", UsersError::NoHash(2)),
            ("anna:{SHA}geheim=", UsersError::NoHash(1)),
            ("anna:$apr1$geheim$geheim", UsersError::NoHash(1)),
            (&format!("{ANNA}:more"), UsersError::NoHash(1)),
            (
                &format!("anna:{}", hash.replace("2y", "2x")),
                UsersError::NoHash(1),
            ),
            (&format!("anna:{}", &hash[..59]), UsersError::NoHash(1)),
            (&format!(":{hash}"), UsersError::NoName(1)),
            (&format!("an na:{hash}"), UsersError::NoName(1)),
            (&format!("an\u{202e}na:{hash}"), UsersError::NoName(1)),
            (&format!("{}:{hash}", "a".repeat(65)), UsersError::NoName(1)),
            (&format!("{ANNA}\n{ANNA}"), UsersError::Twice(2)),
            (&format!("anna:{costly}"), UsersError::Costly(1, 31)),
        ] {
            let told = Users::read(text).unwrap_err();
            assert_eq!(told, error, "{text}");
            assert!(!told.to_string().contains("geheim"), "{told}");
        }
    }
}
