//! The pages: complete HTML documents that load nothing from anywhere and work
//! without JavaScript. Serve each with [`SECURITY_HEADERS`] and
//! `Content-Type: text/html; charset=utf-8`.

mod approval;
mod outcome;
mod parts;
mod release;
mod releases;

pub use approval::{ApprovalView, approval, form};
pub use outcome::{DecidedView, decided, refused};
pub use release::{ReleaseView, release};
pub use releases::{PipelineRow, ReleaseRow, ReleasesView, releases};

use askama::Template;

/// The one style sheet, inline in every page. The policy below names its hash,
/// and a test holds the two together.
const STYLE: &str = include_str!("../../templates/style.css");

/// The headers of every page.
///
/// - The policy allows our own style sheet, by its SHA-256, and forms that post
///   to where they came from; nothing else: no script, no image, no frame.
/// - `no-referrer` keeps the personal link out of other sites' logs. It also
///   makes browsers send `Origin: null` with the form, so a form is known to be
///   ours by its nonce and not by its origin.
/// - `no-store` keeps pages out of shared caches and of the back button.
pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'sha256-lmsd3y8SYuwWx9qkWsRSbch3GiBbuAwNxQxvGPN7rYA='; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    (
        "Strict-Transport-Security",
        "max-age=31536000; includeSubDomains",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("X-Robots-Tag", "noindex, nofollow"),
];

/// A page's text. Writing to a string fails only when a value's own `Display`
/// does, and none of ours does; should one, people still get a page.
fn rendered(page: &impl Template) -> String {
    page.render().unwrap_or_else(|_| {
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Gatewright</title></head>\
         <body><main><h1>This page could not be made</h1><p>Nothing was changed. Open it again, and report it when it happens again.</p></main></body></html>"
            .to_owned()
    })
}
