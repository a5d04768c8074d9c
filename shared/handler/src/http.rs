//! HTTP through API Gateway (payload format 2.0): a request and a response that
//! handlers and tests can make without a gateway.

use crate::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query's members; of a repeated one the last.
    pub query: BTreeMap<String, String>,
    /// Headers, by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body, as it was sent.
    pub body: Vec<u8>,
    /// The ARN of the caller whom IAM has authenticated, if it has.
    pub iam: Option<String>,
}

impl Request {
    /// Reads API Gateway's event.
    ///
    /// # Errors
    /// `BadInput` when it is no such event.
    pub fn from_event(event: &Value) -> Result<Self, Failure> {
        let context = &event["requestContext"];
        let method = context["http"]["method"].as_str();
        let method = method.ok_or_else(|| {
            Failure::bad_input("this is not an HTTP request of payload format 2.0")
        })?;
        let text = event["body"].as_str().unwrap_or_default();
        let body = if event["isBase64Encoded"] == json!(true) {
            STANDARD
                .decode(text)
                .map_err(|_| Failure::bad_input("the body is not the base64 that it says it is"))?
        } else {
            text.as_bytes().to_vec()
        };
        let headers = event["headers"].as_object().into_iter().flatten();
        Ok(Self {
            method: method.to_ascii_uppercase(),
            path: event["rawPath"].as_str().unwrap_or("/").to_owned(),
            query: form(
                event["rawQueryString"]
                    .as_str()
                    .unwrap_or_default()
                    .as_bytes(),
            ),
            headers: headers
                .filter_map(|(n, v)| Some((n.to_ascii_lowercase(), v.as_str()?.to_owned())))
                .collect(),
            body,
            iam: context["authorizer"]["iam"]["userArn"]
                .as_str()
                .map(str::to_owned),
        })
    }

    /// The body's members, when it is a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        form(&self.body)
    }

    /// A header by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn form(bytes: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(bytes)
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect()
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// A page.
    pub fn html(status: u16, body: String, headers: &[(&str, &str)]) -> Self {
        let mut all = vec![(
            "content-type".to_owned(),
            "text/html; charset=utf-8".to_owned(),
        )];
        all.extend(
            headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        Self {
            status,
            headers: all,
            body,
        }
    }

    /// A JSON document.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("cache-control".to_owned(), "no-store".to_owned()),
        ];
        Self {
            status,
            headers,
            body: body.to_string(),
        }
    }

    /// Without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// As API Gateway wants it.
    pub fn into_event(self) -> Value {
        let headers: serde_json::Map<_, _> = self
            .headers
            .into_iter()
            .map(|(n, v)| (n, json!(v)))
            .collect();
        json!({ "statusCode": self.status, "headers": headers, "body": self.body })
    }
}
