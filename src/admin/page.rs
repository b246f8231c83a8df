//! The status page: one document with its style and its script in it, and nothing from elsewhere.
//!
//! Its policy lets exactly that style and that script in, by their hashes, and lets it ask this
//! server alone. The texts of the outbox reach it as JSON, and it writes them as text.

use std::sync::LazyLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/page.js"),
    include_str!("page/actions.js")
);

static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page/page.html")
        .replacen("/*style*/", STYLE, 1)
        .replacen("/*script*/", SCRIPT, 1)
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    )
});

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

pub(super) async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
    ];
    (headers, PAGE.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_takes_nothing_from_elsewhere() {
        assert!(PAGE.contains(STYLE) && PAGE.contains(SCRIPT));
        assert!(!PAGE.contains("/*style*/") && !PAGE.contains("/*script*/"));
        // The only address in it is the name of a format.
        let addresses = PAGE.matches("://").count();
        assert_eq!(
            addresses,
            PAGE.matches("http://www.w3.org/2000/svg").count()
        );
        assert!(!PAGE.contains("innerHTML"));
    }
}
