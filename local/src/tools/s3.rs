//! `aws s3` of the stand-in for the AWS CLI: files to and from the emulator's S3,
//! as the role that the build acts as.

use std::{fs, path::Path};

use clap::{Args, Subcommand};
use reqwest::Method;
use url::Url;

use super::{Console, ToolError, install_crypto, variable};
use crate::sigv4::{Credentials, Request, encoded};

/// The commands of `aws s3`.
#[derive(Debug, Subcommand)]
pub(super) enum S3 {
    /// Copy one file to or from a bucket.
    Cp(Cp),
    /// List what begins with a prefix.
    Ls {
        /// `s3://bucket/prefix`
        location: String,
        #[arg(long)]
        recursive: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Cp {
    /// A file or `s3://bucket/key`
    from: String,
    /// A file, a folder or `s3://bucket/key`
    to: String,
    #[arg(long)]
    quiet: bool,
    #[arg(long)]
    only_show_errors: bool,
    #[arg(long)]
    no_progress: bool,
}

/// Runs a command.
pub(super) async fn run(command: S3, console: &mut Console) -> Result<(), ToolError> {
    let bucket = Bucket::from_environment()?;
    console.note("aws s3: the bucket is in the emulator on this machine");
    match command {
        S3::Cp(cp) => copy(&bucket, &cp, console).await,
        S3::Ls {
            location,
            recursive,
        } => list(&bucket, &location, recursive, console).await,
    }
}

async fn copy(bucket: &Bucket, cp: &Cp, console: &mut Console) -> Result<(), ToolError> {
    let did = match (Place::of(&cp.from), Place::of(&cp.to)) {
        (Place::File(from), Place::Object(mut to)) => {
            to.complete(from);
            let content = fs::read(from).map_err(|_| {
                ToolError::Failed(format!("The user-provided path {from} does not exist."))
            })?;
            let url = bucket.url(&to, &[])?;
            bucket.call(Method::PUT, "PutObject", &url, content).await?;
            format!("upload: {from} to {to}")
        }
        (Place::Object(from), Place::File(to)) => {
            let mut to = Path::new(to).to_path_buf();
            if to.is_dir() {
                to.push(from.name());
            }
            let url = bucket.url(&from, &[])?;
            let content = bucket
                .call(Method::GET, "GetObject", &url, Vec::new())
                .await?;
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&to, content)?;
            format!("download: {from} to {}", to.display())
        }
        _ => {
            let why = "it copies one file to a bucket, or one object to a file";
            let line = format!("s3 cp {} {}", cp.from, cp.to);
            return Err(ToolError::unknown("aws", line, why));
        }
    };
    if !(cp.quiet || cp.only_show_errors) {
        console.line(&did);
    }
    Ok(())
}

async fn list(
    bucket: &Bucket,
    location: &str,
    recursive: bool,
    console: &mut Console,
) -> Result<(), ToolError> {
    let Place::Object(place) = Place::of(location) else {
        let why = "it lists s3://bucket/prefix";
        return Err(ToolError::unknown("aws", format!("s3 ls {location}"), why));
    };
    let mut query = vec![("list-type", "2"), ("prefix", place.key.as_str())];
    if !recursive {
        query.push(("delimiter", "/"));
    }
    let whole = Object {
        bucket: place.bucket.clone(),
        key: String::new(),
    };
    let url = bucket.url(&whole, &query)?;
    let found = bucket
        .call(Method::GET, "ListObjectsV2", &url, Vec::new())
        .await?;
    let found = String::from_utf8_lossy(&found);
    if element(&found, "IsTruncated") == Some("true") {
        let why = "it lists at most a thousand objects";
        return Err(ToolError::unknown("aws", format!("s3 ls {location}"), why));
    }
    let folder = place
        .key
        .rsplit_once('/')
        .map_or(0, |(folder, _)| folder.len() + 1);
    let shown = |key: &str| {
        if recursive {
            key.to_owned()
        } else {
            key[folder..].to_owned()
        }
    };
    let mut lines: Vec<String> = parts(&found, "CommonPrefixes")
        .filter_map(|part| Some(format!("{:>30} {}", "PRE", shown(element(part, "Prefix")?))))
        .collect();
    lines.extend(parts(&found, "Contents").filter_map(|part| {
        let (size, key) = (element(part, "Size")?, element(part, "Key")?);
        let changed = element(part, "LastModified")?.get(..19)?.replace('T', " ");
        Some(format!("{changed} {size:>10} {}", shown(&unescaped(key))))
    }));
    if lines.is_empty() {
        // As the CLI: nothing is said, and the exit code tells.
        return Err(ToolError::Code {
            code: 1,
            message: format!("aws s3 ls: nothing begins with {place}"),
        });
    }
    lines.iter().for_each(|line| console.line(line));
    Ok(())
}

enum Place<'p> {
    File(&'p str),
    Object(Object),
}

impl<'p> Place<'p> {
    fn of(text: &'p str) -> Self {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Self::File(text);
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Self::Object(Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

struct Object {
    bucket: String,
    key: String,
}

impl Object {
    /// A key that names a folder gets the file's name, as with the CLI.
    fn complete(&mut self, file: &str) {
        if self.key.is_empty() || self.key.ends_with('/') {
            self.key.push_str(file.rsplit('/').next().unwrap_or(file));
        }
    }

    fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// The emulator's S3 and who asks it.
struct Bucket {
    http: reqwest::Client,
    endpoint: Url,
    region: String,
    by: Credentials,
}

impl Bucket {
    fn from_environment() -> Result<Self, ToolError> {
        let endpoint = variable("AWS_ENDPOINT_URL")?;
        let endpoint = Url::parse(&endpoint)
            .map_err(|error| ToolError::Failed(format!("AWS_ENDPOINT_URL={endpoint}: {error}")))?;
        install_crypto();
        let http = (reqwest::Client::builder().no_proxy().build())
            .map_err(|error| ToolError::Failed(error.to_string()))?;
        Ok(Self {
            http,
            endpoint,
            region: variable("AWS_REGION")?,
            by: Credentials {
                key: variable("AWS_ACCESS_KEY_ID")?,
                secret: variable("AWS_SECRET_ACCESS_KEY")?,
                token: std::env::var("AWS_SESSION_TOKEN").ok(),
            },
        })
    }

    /// The address with the bucket in its path: the emulator's host has no
    /// sub-domains.
    fn url(&self, object: &Object, query: &[(&str, &str)]) -> Result<Url, ToolError> {
        let key: Vec<String> = object.key.split('/').map(encoded).collect();
        let mut url = self.endpoint.clone();
        url.set_path(&format!("/{}/{}", encoded(&object.bucket), key.join("/")));
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        if object.bucket.is_empty() {
            return Err(ToolError::Failed("s3:// must name a bucket".to_owned()));
        }
        Ok(url)
    }

    async fn call(
        &self,
        method: Method,
        operation: &str,
        url: &Url,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ToolError> {
        let signed = Request {
            method: method.as_str(),
            url,
            service: "s3",
            region: &self.region,
            headers: &[],
            body: &body,
        }
        .signed(&self.by, crate::ids::now());
        let mut call = self.http.request(method, url.clone());
        for (name, value) in signed {
            call = call.header(name, value);
        }
        let failed = |error: reqwest::Error| {
            ToolError::Failed(format!("the emulator did not answer: {error}"))
        };
        let answer = call.body(body).send().await.map_err(failed)?;
        let ok = answer.status().is_success();
        let content = answer.bytes().await.map_err(failed)?.to_vec();
        if ok {
            return Ok(content);
        }
        let text = String::from_utf8_lossy(&content);
        let member = |name| unescaped(element(&text, name).unwrap_or_default());
        // As `aws s3` says it, which ends with 1 and not with 254.
        Err(ToolError::Failed(format!(
            "fatal error: An error occurred ({}) when calling the {operation} operation: {}",
            member("Code"),
            member("Message")
        )))
    }
}

/// The text of the first element of that name.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let from = xml.split_once(&format!("<{name}>"))?.1;
    Some(from.split_once(&format!("</{name}>"))?.0)
}

/// What is inside each element of that name.
fn parts<'x>(xml: &'x str, name: &str) -> impl Iterator<Item = &'x str> {
    let end = format!("</{name}>");
    xml.split(&format!("<{name}>"))
        .skip(1)
        .filter_map(move |part| Some(part.split_once(end.as_str())?.0))
        .collect::<Vec<_>>()
        .into_iter()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_and_folders_get_the_files_name() {
        let Place::Object(mut to) = Place::of("s3://bucket/a/") else {
            panic!("it is an object");
        };
        to.complete("dist/module.zip");
        assert_eq!(to.to_string(), "s3://bucket/a/module.zip");
        assert!(matches!(Place::of("dist/s3"), Place::File("dist/s3")));
    }

    #[test]
    fn answers_are_taken_apart() {
        let xml = "<R><Contents><Key>a&amp;b</Key></Contents><Contents><Key>c</Key></Contents></R>";
        let keys: Vec<String> = parts(xml, "Contents")
            .filter_map(|part| element(part, "Key"))
            .map(unescaped)
            .collect();
        assert_eq!(keys, ["a&b", "c"]);
    }
}
