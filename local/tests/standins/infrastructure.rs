//! The stand-in for Terraform: a plan that is reviewed is the plan that is applied.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{stack::Stack, tools::Place};

const MAIN: &str = r#"
terraform {
  required_version = "~> 1.8.0"
  backend "s3" {
    bucket = "states"
    key    = "a"
  }
}

variable "days" {
  type    = number
  default = 30
}

locals {
  name = "tms-${var.days}"
}

resource "aws_s3_bucket" "backups" {
  bucket = "backups"
}

resource "aws_cloudwatch_log_group" "each" {
  for_each          = toset(["gps", "odoo"])
  name              = "/tms/${each.key}"
  retention_in_days = var.days
}

output "bucket" {
  value = aws_s3_bucket.backups.id
}
"#;

/// A stack and a folder of Terraform in it.
async fn folder(stack: &Stack) -> Place<'_> {
    let place = Place::new(stack);
    place.write("main.tf", MAIN);
    place
}

#[tokio::test]
async fn a_plan_is_applied_as_it_was_reviewed_and_only_once() {
    let stack = Stack::start().await;
    let place = folder(&stack).await;
    let (_, errors) = place.fail("terraform plan -out=tfplan").await;
    assert!(errors.contains("please run \"terraform init\""), "{errors}");
    place.run("terraform init -input=false").await;
    let valid = place.run("terraform validate -no-color").await;
    assert_eq!(valid, "Success! The configuration is valid.");

    let planned = place.run("terraform plan -input=false -out=tfplan").await;
    assert!(
        planned.contains("Plan: 3 to add, 0 to change, 0 to destroy."),
        "{planned}"
    );
    assert!(
        planned.contains("+ name              = \"/tms/gps\""),
        "{planned}"
    );
    let first = fs::read(place.folder.join("tfplan")).unwrap();
    place.run("terraform plan -out=again").await;
    let again = fs::read(place.folder.join("again")).unwrap();
    assert_eq!(
        first, again,
        "the same configuration and state are the same plan"
    );
    let shown = place.run("terraform show -no-color tfplan").await;
    assert!(planned.starts_with(&shown), "{shown}");

    let applied = place.run("terraform apply -input=false tfplan").await;
    assert!(applied.contains("Apply complete! Resources: 3 added, 0 changed, 0 destroyed."));
    assert_eq!(place.run("terraform output -raw bucket").await, "backups");
    let (code, errors) = place.fail("terraform apply tfplan").await;
    assert_eq!(code, 1);
    assert!(errors.contains("Error: Saved plan is stale"), "{errors}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_state_outlives_the_build_and_tells_changes() {
    let stack = Stack::start().await;
    let place = folder(&stack).await;
    place
        .run("terraform init && terraform apply -auto-approve")
        .await;
    // Another build: another folder, nothing initialised.
    let other = stack.folder.path().join("elsewhere");
    fs::create_dir_all(&other).unwrap();
    let changed = MAIN.replace("default = 30", "default = 7");
    let changed = changed.replace("[\"gps\", \"odoo\"]", "[\"gps\", \"web\"]");
    fs::write(other.join("main.tf"), changed).unwrap();
    let run = async |line: &str| {
        let output = place.try_run(line, Path::new(&other), &[]).await;
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    run("terraform init").await;
    let (code, planned) = run("terraform plan -detailed-exitcode -out=tfplan").await;
    assert_eq!(code, 2, "something would change");
    assert!(
        planned.contains("Plan: 1 to add, 1 to change, 1 to destroy."),
        "{planned}"
    );
    assert!(
        planned.contains("~ retention_in_days = 30 -> 7"),
        "{planned}"
    );
    let (_, json) = run("terraform show -json tfplan").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let actions: Vec<&Value> = (json["resource_changes"].as_array().unwrap().iter())
        .map(|change| &change["change"]["actions"][0])
        .collect();
    assert_eq!(actions, ["update", "delete", "create"]);

    // Somebody else applies in between: the reviewed plan is not applied.
    place
        .run("terraform apply -auto-approve -var days=90")
        .await;
    let (code, _) = run("terraform apply tfplan").await;
    assert_eq!(code, 1);
    run("terraform plan -out=tfplan && terraform apply tfplan").await;
    let (code, same) = run("terraform plan -detailed-exitcode").await;
    assert_eq!(code, 0, "{same}");
    assert!(same.starts_with("No changes."), "{same}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn workspaces_and_variable_files_have_states_of_their_own() {
    let stack = Stack::start().await;
    let place = folder(&stack).await;
    place.write("staging.tfvars", "days = 3\n");
    place
        .run("terraform init && terraform apply -auto-approve")
        .await;
    place
        .run("terraform plan -var-file=staging.tfvars -out=p | grep '3 to add'")
        .await;
    let (_, errors) = place.fail("terraform workspace select staging").await;
    assert!(errors.contains("doesn't exist"), "{errors}");
    place
        .run("terraform workspace select -or-create staging")
        .await;
    place.run("terraform plan | grep '3 to add'").await;
    place
        .run("rm -r .terraform && terraform init && terraform workspace select staging")
        .await;
    place
        .run("terraform workspace select default && terraform plan | grep 'No changes'")
        .await;
    place
        .run("terraform init -backend-config=key=b && terraform plan | grep '3 to add'")
        .await;
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn what_is_no_terraform_is_refused_where_it_is() {
    let stack = Stack::start().await;
    let place = folder(&stack).await;
    for (wrong, message) in [
        ("resource \"a_b\" \"c\" {\n", "main.tf"),
        ("resorce \"a_b\" \"c\" {\n}\n", "Unsupported block type"),
        ("resource \"a_b\" {\n}\n", "Wrong number of labels"),
        (
            "resource \"a_b\" \"c\" {\n  d = var.nobody\n}\n",
            "undeclared input variable",
        ),
        (
            "resource \"a_b\" \"c\" {\n  d = \"${a_x.y.id}\"\n}\n",
            "undeclared resource",
        ),
        (
            "locals {\n  a = 1\n}\nmodule \"m\" {\n  source = \"./m\"\n}\n",
            "does not know this",
        ),
    ] {
        place.write("main.tf", wrong);
        let (_, errors) = place.fail("terraform validate").await;
        assert!(errors.contains(message), "{wrong}: {errors}");
    }
    place.write("main.tf", "locals {\n   a = 1\n}\n");
    assert_eq!(place.fail("terraform fmt -check").await.0, 3);
    place.write("main.tf", "variable \"must\" {\n}\n");
    place.run("terraform fmt -check && terraform init").await;
    let (_, errors) = place.fail("terraform plan").await;
    assert!(errors.contains("\"must\" is not set"), "{errors}");
    place.write("main.tf", &MAIN.replace("~> 1.8.0", ">= 1.9"));
    let (_, errors) = place.fail("terraform plan").await;
    assert!(
        errors.contains("Unsupported Terraform Core version"),
        "{errors}"
    );
    assert_eq!(place.fail("terraform destroy").await.0, 2);
    stack.stand_ins.shutdown().await;
}
