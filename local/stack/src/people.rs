//! An IAM user for each approver, so that the command line's signed decisions
//! work on the laptop as they do on AWS: the signature is verified and the
//! user's ARN is who decides.

use crate::StackError;
use crate::connection::Credentials;
use crate::emulator::Emulator;
use gatewright_domain::people::Directory;
use serde_json::json;
use std::collections::BTreeMap;

const VERSION: &str = "2010-05-08";

/// Makes a user with an access key for everybody in the directory.
///
/// # Errors
/// When the emulator refuses.
pub(crate) async fn users(
    emulator: &Emulator,
    directory: &Directory,
) -> Result<BTreeMap<String, Credentials>, StackError> {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*" } ] })
    .to_string();
    let mut made = BTreeMap::new();
    for person in &directory.people {
        let user = ("UserName", person.id.as_str());
        emulator
            .query("iam", "CreateUser", VERSION, &[user])
            .await?;
        let document = [
            user,
            ("PolicyName", "decide"),
            ("PolicyDocument", policy.as_str()),
        ];
        emulator
            .query("iam", "PutUserPolicy", VERSION, &document)
            .await?;
        let reply = emulator
            .query("iam", "CreateAccessKey", VERSION, &[user])
            .await?;
        let element = |name: &str| {
            let text = reply.split_once(&format!("<{name}>"))?.1;
            Some(text.split_once('<')?.0.to_owned())
        };
        let (Some(key), Some(secret)) = (element("AccessKeyId"), element("SecretAccessKey")) else {
            return Err(StackError::Service(format!(
                "iam:CreateAccessKey made no key for {}",
                person.id
            )));
        };
        made.insert(person.id.to_string(), Credentials { key, secret });
    }
    Ok(made)
}

/// The directory in which everybody is known by their user's ARN as well.
pub(crate) fn with_users(mut directory: Directory, account: &str) -> Directory {
    for person in &mut directory.people {
        person
            .aliases
            .push(format!("arn:aws:iam::{account}:user/{}", person.id));
    }
    directory
}
