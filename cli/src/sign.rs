//! Signs a decision with AWS Signature Version 4, as API Gateway's IAM
//! authorisation wants it.

use crate::error::Failed;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use gatewright_domain::Timestamp;
use std::time::SystemTime;

/// The headers that sign a `POST` of `body` to `url`.
///
/// # Errors
/// When `url` cannot be signed.
pub fn post(
    url: &str,
    body: &[u8],
    credentials: &Credentials,
    region: &str,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Failed> {
    let failed = |why: String| Failed::unreachable(format!("the request cannot be signed: {why}"));
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("execute-api")
        .time(SystemTime::from(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let headers = [("content-type", "application/json")];
    let request = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body))
        .map_err(|error| failed(error.to_string()))?;
    let (instructions, _) = sign(request, &params.into())
        .map_err(|error| failed(error.to_string()))?
        .into_parts();
    let (signed, _) = instructions.into_parts();
    Ok(signed
        .into_iter()
        .map(|header| (header.name().to_owned(), header.value().to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_domain::after;

    fn signed(body: &[u8]) -> Vec<(String, String)> {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let url = "http://127.0.0.1:4566/_aws/execute-api/abc/$default/api/decisions";
        let now = after(Timestamp::UNIX_EPOCH, 1_790_000_000);
        post(url, body, &credentials, "ap-south-1", now).unwrap()
    }

    #[test]
    fn a_request_is_signed_for_execute_api_with_its_body() {
        let one = signed(b"{}");
        let value = |name: &str| one.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(value("x-amz-date"), "20260921T141320Z");
        let authorization = value("authorization");
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260921/ap-south-1/execute-api/aws4_request, SignedHeaders=content-type;host;x-amz-date"
            ),
            "{authorization}"
        );
        assert_ne!(one, signed(b"{\"other\":1}"), "the body is signed");
    }
}
