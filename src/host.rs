//! The host that a request is addressed to.
//!
//! A page from elsewhere can have its own name resolved to this machine, and its visitor's browser
//! would then read our answers for it. So a request by a name gets an answer only if the name is
//! known to be ours. A request by an IP address gets one, too, because no foreign name can lead to
//! it.

use std::net::IpAddr;

/// The names that a server answers to, beside `localhost`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// This host's own name, and these.
    pub(crate) fn of_this_host_and(more: &[String]) -> Self {
        let own = gethostname::gethostname().to_string_lossy().into_owned();
        Self(more.iter().cloned().chain([own]).collect())
    }

    /// Whether a request with this `Host` may be answered.
    pub(crate) fn may_ask(&self, host: Option<&str>) -> bool {
        let Some(host) = host else {
            return true;
        };
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => host.split(':').next(),
        };
        let name = name.unwrap_or_default().trim_end_matches('.');
        let is_ours = |known: &String| known.eq_ignore_ascii_case(name);
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || !name.is_empty() && self.0.iter().any(is_ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_ours_gets_no_answer() {
        let names = Names::of_this_host_and(&["courier.example".into()]);
        let own = gethostname::gethostname().to_string_lossy().into_owned();
        for host in [
            "127.0.0.1:9464",
            "localhost",
            "LOCALHOST:9464",
            "[::1]:9464",
            "10.0.0.1:9464",
            "courier.example",
            "Courier.Example.:9464",
            &own,
        ] {
            assert!(names.may_ask(Some(host)), "{host}");
        }
        assert!(names.may_ask(None));
        for host in [
            "evil.example",
            "localhost.evil.example:9464",
            "courier.example.evil.example",
            "10.0.0.1.evil.example",
            ":9464",
            "",
        ] {
            assert!(!names.may_ask(Some(host)), "{host}");
        }
    }
}
