use super::*;
use crate::files::{Checked, check};
use crate::out::Colour;

fn args(kind: Kind, folder: &Path) -> Args {
    Args {
        kind: Some(kind),
        id: Some("Order_Service".to_owned()),
        repository: Some("https://github.com/example/orders".to_owned()),
        path: ".".to_owned(),
        name: None,
        region: "ap-south-1".to_owned(),
        approvers: "release-manager".to_owned(),
        folder: folder.to_owned(),
        force: false,
    }
}

fn quiet() -> Out {
    Out::new(true, Colour::Never)
}

fn written(args: &Args) -> Result<Vec<(PathBuf, Is)>, Failed> {
    files(args, &said(args, &quiet())?)
}

/// What is wrong with what was written.
fn wrong(kind: Kind) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    written(&args(kind, folder.path())).unwrap();
    let checked = check(&[path_of(folder.path(), "Order_Service")]).unwrap();
    assert_eq!(checked.len(), 2);
    let wrong = checked
        .iter()
        .filter(|c| !c.is_valid() || !c.found.0.is_empty());
    wrong.map(|c: &Checked| c.found.render(false)).collect()
}

#[test]
fn first_definitions_of_services_validate() {
    for kind in [Kind::PythonService, Kind::NodeService] {
        assert_eq!(wrong(kind), [""; 0], "{kind:?}");
    }
}

#[test]
fn first_definitions_of_plans_and_archives_validate() {
    for kind in [Kind::Terraform, Kind::Archive] {
        assert_eq!(wrong(kind), [""; 0], "{kind:?}");
    }
}

#[test]
fn every_mark_is_filled_in_and_the_rest_is_yaml() {
    let folder = tempfile::tempdir().unwrap();
    for kind in Kind::value_variants() {
        let mut args = args(*kind, folder.path());
        args.name = Some("Orders: \"the\" service # 1".to_owned());
        args.force = true;
        written(&args).unwrap();
        let text = std::fs::read_to_string(path_of(folder.path(), "Order_Service")).unwrap();
        assert!(!text.contains("{{"), "{kind:?}");
        let body: String = text
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect();
        let read: serde_json::Value = serde_saphyr::from_str(&body).unwrap();
        assert_eq!(read["id"], "Order_Service");
        assert_eq!(read["name"], "Orders: \"the\" service # 1");
    }
}

#[test]
fn nothing_is_written_over_unless_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(Kind::PythonService, folder.path());
    written(&args).unwrap();
    std::fs::write(folder.path().join(APPROVERS), "people: []\n").unwrap();
    let path = path_of(folder.path(), "Order_Service");
    std::fs::write(&path, "mine").unwrap();
    let refused = written(&args).unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.what.ends_with("is there already"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    args.force = true;
    written(&args).unwrap();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), "mine");
    let kept = std::fs::read_to_string(folder.path().join(APPROVERS)).unwrap();
    assert_eq!(kept, "people: []\n");
}

#[test]
fn without_a_terminal_what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(Kind::PythonService, folder.path());
    args.kind = None;
    let failed = written(&args).unwrap_err();
    assert_eq!(failed.code, Code::Usage);
    let help = failed.help.unwrap();
    assert_eq!(
        help,
        "--kind: one of python-service, node-service, terraform, archive"
    );
    args.kind = Some(Kind::Archive);
    args.id = None;
    let failed = written(&args).unwrap_err();
    assert!(failed.what.starts_with("--id is missing"), "{failed:?}");
}

#[test]
fn a_name_is_made_from_the_id() {
    assert_eq!(titled("order-service"), "Order Service");
    assert_eq!(titled("PL_ODOO"), "PL ODOO");
}
