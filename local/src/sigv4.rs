//! AWS Signature Version 4, as far as builds and the stand-ins sign requests to
//! the emulator, which verifies them.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};
use url::Url;

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The access key id.
    pub(crate) key: String,
    /// The secret access key.
    pub(crate) secret: String,
    /// The session's token, when it is a role's.
    pub(crate) token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What is signed.
pub(crate) struct Request<'r> {
    /// The method.
    pub(crate) method: &'r str,
    /// The address; its path as it is sent.
    pub(crate) url: &'r Url,
    /// The service's name in signatures, such as `s3`.
    pub(crate) service: &'r str,
    /// The region.
    pub(crate) region: &'r str,
    /// Headers that are signed too, names in lower case.
    pub(crate) headers: &'r [(&'r str, &'r str)],
    /// The body.
    pub(crate) body: &'r [u8],
}

impl Request<'_> {
    /// The headers to send, those that were given among them.
    pub(crate) fn signed(&self, by: &Credentials, at: Timestamp) -> Vec<(String, String)> {
        let at = at.to_zoned(TimeZone::UTC);
        let (day, time) = (at.strftime("%Y%m%d"), at.strftime("%Y%m%dT%H%M%SZ"));
        let digest = hex::encode(Sha256::digest(self.body));
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
        put("x-amz-date", time.to_string());
        if self.service == "s3" {
            put("x-amz-content-sha256", digest.clone());
        }
        if let Some(token) = &by.token {
            put("x-amz-security-token", token.clone());
        }
        let mut canonical = headers.clone();
        canonical.push(("host".to_owned(), host(self.url)));
        canonical.sort();
        let names: Vec<&str> = canonical.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String = canonical
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let (method, path, query) = (self.method, self.url.path(), query(self.url));
        let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}");
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex::encode(Sha256::digest(request))
        );
        let first = format!("AWS4{}", by.secret).into_bytes();
        let parts = [&day.to_string(), self.region, self.service, "aws4_request"];
        let key = parts.iter().fold(first, |key, part| mac(&key, part));
        let signature = hex::encode(mac(&key, &text));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            by.key
        );
        headers.push(("authorization".to_owned(), authorization));
        headers
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The query's pairs in order, encoded as signatures have them: everything but
/// letters, digits and `-._~`.
fn query(url: &Url) -> String {
    let mut pairs: Vec<String> = url
        .query_pairs()
        .map(|(name, value)| format!("{}={}", encoded(&name), encoded(&value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// Text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes a key of any length; the error is that of other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_awss_own_example() {
        let url = Url::parse("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08");
        let request = Request {
            method: "GET",
            url: &url.unwrap(),
            service: "iam",
            region: "us-east-1",
            headers: &[(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )],
            body: b"",
        };
        let by = Credentials {
            key: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let headers = request.signed(&by, "2015-08-30T12:36:00Z".parse().unwrap());
        let (_, authorization) = headers.last().unwrap();
        assert!(
            authorization.ends_with(
                "SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
            ),
            "{authorization}"
        );
    }
}
