//! The few shapes of CloudFormation that templates of pipelines are made of.

use serde_json::{Map, Value, json};

/// A template while it is written. Everything stays in the order in which it was
/// put, so that the same definition gives the same text.
#[derive(Debug, Default)]
pub(super) struct Template {
    parameters: Map<String, Value>,
    conditions: Map<String, Value>,
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
}

impl Template {
    /// A parameter that `infra/deploy.py` fills in, from the core stack's output
    /// of that name or with what it uploaded.
    pub(super) fn parameter(&mut self, name: &str, description: &str) {
        let parameter = json!({ "Type": "String", "Description": description });
        self.parameters.insert(name.to_owned(), parameter);
    }

    /// A parameter with further properties, for people.
    pub(super) fn option(&mut self, name: &str, description: &str, properties: Value) {
        let mut parameter = Map::new();
        parameter.insert("Type".to_owned(), json!("String"));
        if let Value::Object(properties) = properties {
            parameter.extend(properties);
        }
        parameter.insert("Description".to_owned(), json!(description));
        self.parameters
            .insert(name.to_owned(), Value::Object(parameter));
    }

    pub(super) fn condition(&mut self, name: &str, condition: Value) {
        self.conditions.insert(name.to_owned(), condition);
    }

    pub(super) fn resource(&mut self, name: &str, kind: &str, properties: Value) {
        self.resource_with(name, kind, json!({}), properties);
    }

    /// A resource with attributes of its own, such as a deletion policy.
    pub(super) fn resource_with(
        &mut self,
        name: &str,
        kind: &str,
        attributes: Value,
        properties: Value,
    ) {
        let mut resource = Map::new();
        resource.insert("Type".to_owned(), json!(kind));
        if let Value::Object(attributes) = attributes {
            resource.extend(attributes);
        }
        resource.insert("Properties".to_owned(), properties);
        self.resources
            .insert(name.to_owned(), Value::Object(resource));
    }

    pub(super) fn output(&mut self, name: &str, description: &str, value: Value) {
        let output = json!({ "Description": description, "Value": value });
        self.outputs.insert(name.to_owned(), output);
    }

    /// The whole, with what it is about.
    pub(super) fn finish(self, description: &str) -> Value {
        let mut template = Map::new();
        template.insert("AWSTemplateFormatVersion".to_owned(), json!("2010-09-09"));
        template.insert("Description".to_owned(), json!(description));
        let sections = [
            ("Parameters", self.parameters),
            ("Conditions", self.conditions),
            ("Resources", self.resources),
            ("Outputs", self.outputs),
        ];
        for (name, section) in sections {
            if !section.is_empty() {
                template.insert(name.to_owned(), Value::Object(section));
            }
        }
        Value::Object(template)
    }
}

/// What a parameter or a resource is.
pub(super) fn reference(name: &str) -> Value {
    json!({ "Ref": name })
}

/// An attribute of a resource.
pub(super) fn attribute(resource: &str, attribute: &str) -> Value {
    json!({ "Fn::GetAtt": [resource, attribute] })
}

/// Text with `${…}` filled in. What comes from a definition must have gone
/// through [`literal`].
pub(super) fn filled(text: &str) -> Value {
    json!({ "Fn::Sub": text })
}

/// The ARN of something of this account in this region.
pub(super) fn arn(service: &str, resource: &str) -> Value {
    filled(&format!(
        "arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"
    ))
}

/// Text of a definition inside the ARN of a policy, meaning nothing but itself:
/// neither a wildcard nor something that CloudFormation or IAM would fill in.
/// IAM writes such a character as a variable, `${*}`, and CloudFormation writes
/// that as `${!*}`.
pub(super) fn literal(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '*' | '?' | '$' => {
                safe.push_str("${!");
                safe.push(character);
                safe.push('}');
            }
            other => safe.push(other),
        }
    }
    safe
}

/// One statement of a policy.
pub(super) fn allow(actions: &[&str], resources: Vec<Value>) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// A role that only `service` assumes, and only for this account: without the
/// condition, somebody else's resource could have the service act as it.
pub(super) fn role(service: &str, statements: &[Value]) -> Value {
    json!({
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": service },
                "Action": "sts:AssumeRole",
                "Condition": { "StringEquals": { "aws:SourceAccount": reference("AWS::AccountId") } },
            }],
        },
        "Policies": [{
            "PolicyName": "needs",
            "PolicyDocument": { "Version": "2012-10-17", "Statement": statements },
        }],
    })
}

/// A logical id's part: `pl-gps-001` becomes `PlGps001`. Two texts can become the
/// same; `taken` keeps them apart.
pub(super) fn logical(text: &str, taken: &mut Vec<String>) -> String {
    let mut words = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        words.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        words.extend(letters);
    }
    let mut id = words.clone();
    let mut number = 2;
    while taken.contains(&id) {
        id = format!("{words}X{number}");
        number += 1;
    }
    taken.push(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_definition_stays_text() {
        assert_eq!(literal("gps/ingestion-1.2_x"), "gps/ingestion-1.2_x");
        assert_eq!(literal("*"), "${!*}");
        assert_eq!(literal("a?${AWS::Region}"), "a${!?}${!$}{AWS::Region}");
    }

    #[test]
    fn logical_ids_are_letters_and_digits_and_differ() {
        let mut taken = Vec::new();
        let mut made = |text| logical(text, &mut taken);
        assert_eq!(made("gps-ingestion-service"), "GpsIngestionService");
        assert_eq!(made("team/app_1"), "TeamApp1");
        assert_eq!(made("team-app-1"), "TeamApp1X2");
    }
}
