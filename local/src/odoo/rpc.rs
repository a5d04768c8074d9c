//! The external API, as far as a smoke test uses it (Odoo documentation,
//! *External API*): `common.version`, `common.authenticate`, and
//! `ir.module.module.search_read`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{Odoo, SERVICE};

/// The only user there is.
const USER: i64 = 2;

/// One call. Errors are answers, as in Odoo: the HTTP status stays 200.
pub(super) async fn call(
    State(odoo): State<Arc<Odoo>>,
    Path(database): Path<String>,
    Json(request): Json<Value>,
) -> Json<Value> {
    let parameters = &request["params"];
    let word = |name: &str| parameters[name].as_str().unwrap_or_default().to_owned();
    let arguments = &parameters["args"];
    let answer = match (word("service").as_str(), word("method").as_str()) {
        ("common", "version") => Ok(json!({"server_version": "18.0", "protocol_version": 1})),
        ("common", "authenticate") => Ok(authenticate(&odoo, &database, arguments)),
        ("object", "execute_kw") => execute(&odoo, &database, arguments),
        (service, method) => Err(format!(
            "the laptop stand-in for Odoo does not know {service}.{method}"
        )),
    };
    let mut reply = json!({"jsonrpc": "2.0", "id": request["id"]});
    match answer {
        Ok(result) => reply["result"] = result,
        Err(message) => reply["error"] = json!({"code": 200, "message": message}),
    }
    Json(reply)
}

fn authenticate(odoo: &Odoo, database: &str, arguments: &Value) -> Value {
    let password = arguments[2].as_str().unwrap_or_default();
    let admitted = arguments[0] == database && odoo.keys.admits(SERVICE, database, password);
    // Odoo says false, not an error.
    if admitted { USER.into() } else { false.into() }
}

fn execute(odoo: &Odoo, database: &str, arguments: &Value) -> Result<Value, String> {
    let password = arguments[2].as_str().unwrap_or_default();
    if arguments[0] != database || !odoo.keys.admits(SERVICE, database, password) {
        return Err("Access Denied".to_owned());
    }
    let asked = (arguments[3].as_str(), arguments[4].as_str());
    if asked != (Some("ir.module.module"), Some("search_read")) {
        return Err(format!(
            "the laptop stand-in for Odoo knows ir.module.module.search_read, not {}.{}",
            arguments[3], arguments[4]
        ));
    }
    let names = (arguments[5][0].as_array().into_iter().flatten())
        .find(|term| term[0] == "name" && term[1] == "in")
        .and_then(|term| term[2].as_array());
    let wanted = |name: &str| names.is_none_or(|names| names.iter().any(|one| one == name));
    let modules = odoo.store.read(database).modules;
    let rows = (modules.iter().filter(|(name, _)| wanted(name))).map(
        |(name, version)| json!({"name": name, "installed_version": version, "state": "installed"}),
    );
    Ok(rows.collect())
}
