//! The stages of a generated definition.

use super::{Parts, Tape};
use serde_json::{Value, json};

/// Builds, then what produces the artifacts, then each environment.
pub fn stages(tape: &mut Tape, parts: &mut Parts) -> Vec<Value> {
    let mut all = Vec::new();
    for _ in 0..tape.below(3) {
        let stage = match tape.below(4) {
            0 | 1 => build(tape),
            2 => matrix(tape),
            _ => group(tape),
        };
        all.push(stage);
    }
    producers(tape, parts, &mut all);
    let environments: Vec<(String, Value)> = parts
        .environments
        .iter()
        .map(|(name, environment)| (name.clone(), environment.clone()))
        .collect();
    for (name, environment) in environments {
        let protected = environment["protected"]
            .as_bool()
            .unwrap_or(name.contains("production"));
        if protected || tape.chance(20) {
            all.push(approval(tape, &name));
        }
        all.push(deploy(tape, parts, &name));
        for _ in 0..tape.below(3) {
            let mut stage = match tape.chance(20) {
                true => matrix(tape),
                false => build(tape),
            };
            stage["environment"] = name.as_str().into();
            all.push(stage);
        }
        if tape.chance(20) {
            all.push(build(tape));
        }
    }
    all
}

fn build(tape: &mut Tape) -> Value {
    let mut stage = json!({
        "name": tape.name(),
        "steps": ["make", { "name": "it's", "run": "a | b\nc \"$VERSION\"" }],
    });
    if tape.chance(30) {
        stage["timeout"] = format!("{}m", 5 + tape.below(100)).into();
        stage["compute"] = tape.pick(&["small", "large", "2xlarge"]).into();
        stage["runtimes"] = json!({ "python": "3.11" });
    }
    if tape.chance(25) {
        stage["services"] = json!({
            "postgres": { "image": "postgres:16-alpine", "env": { "POSTGRES_PASSWORD": "postgres" }, "ports": [5432], "health": "pg_isready" },
            "redis": { "image": "redis:7", "ports": [6379] },
        });
    }
    if tape.chance(25) {
        stage["env"] = json!({ "TEXT": "x", "N": 3, "KEY": { "secret": "shop/key" }, "P": { "parameter": "/p" } });
        stage["finally"] = json!(["docker ps"]);
        stage["cache"] = json!(["node_modules/**/*"]);
        stage["install"] = json!(["npm ci"]);
    }
    if tape.chance(15) {
        stage["exports"] = json!(["VERSION", "RESULT"]);
    }
    if tape.chance(40) {
        stage["reports"] = json!({
            "unit": { "files": ["junit.xml"], "format": "junit" },
            "lines": { "files": ["coverage.xml"], "format": "cobertura" },
            "sast": { "files": ["scan.sarif"], "format": "sarif" },
        });
        stage["gates"] = json!([
            "steps",
            { "tests": "unit" },
            { "coverage": { "report": "lines", "at-least": 87.5 } },
            { "findings": { "report": "sast", "none-of": ["CRITICAL", "HIGH"], "only-new": true, "unless": { "sign-off": "devops-lead" } } },
        ]);
    }
    stage
}

fn matrix(tape: &mut Tape) -> Value {
    let mut stage = json!({
        "name": tape.name(),
        "matrix": { "python": ["3.11", 3.12], "os": ["debian", "alpine"] },
        "fail-fast": tape.chance(50),
        "env": { "OS": "${{ matrix.os }}" },
        "steps": ["make OS=${{ matrix.os }} PYTHON=${{matrix.python}}"],
        "reports": { "unit": { "files": ["${{ matrix.os }}/junit.xml"], "format": "junit" } },
        "gates": [{ "tests": "unit" }],
    });
    if tape.chance(30) {
        stage["matrix"] = json!({ "os": ["debian"], "python": [3] });
    }
    stage
}

fn group(tape: &mut Tape) -> Value {
    let members: Vec<Value> = (0..2 + tape.below(3)).map(|_| build_alone(tape)).collect();
    json!({ "name": tape.name(), "parallel": members, "fail-fast": tape.chance(50) })
}

/// A build that exports nothing: beside others it could not.
fn build_alone(tape: &mut Tape) -> Value {
    let mut stage = build(tape);
    if let Some(stage) = stage.as_object_mut() {
        stage.remove("exports");
    }
    stage
}

fn producers(tape: &mut Tape, parts: &Parts, all: &mut Vec<Value>) {
    let is_image = |name: &&String| ["web", "worker"].contains(&name.as_str());
    let images: Vec<&String> = parts.built.iter().filter(is_image).collect();
    let together = images.len() > 1 && tape.chance(60);
    let scan = |artifact: &str| json!({ "scan": { "artifact": artifact, "none-of": ["CRITICAL"], "unless": "waiver" } });
    if together {
        let it = "${{ matrix.image }}";
        all.push(json!({
            "name": tape.name(),
            "matrix": { "image": images },
            "steps": ["docker build --tag ${{ matrix.image }} ."],
            "produces": it,
            "gates": ["steps", scan(it)],
        }));
    }
    for name in &parts.built {
        if together && is_image(&name) {
            continue;
        }
        let mut stage = build(tape);
        stage["produces"] = name.as_str().into();
        if is_image(&name) && tape.chance(50) {
            stage["gates"] = json!(["steps", scan(name)]);
        }
        all.push(stage);
    }
}

fn approval(tape: &mut Tape, environment: &str) -> Value {
    json!({
        "name": tape.name(),
        "environment": environment,
        "approval": {
            "quorum": [{ "group": "project-lead", "count": 1 + tape.below(2) }, { "group": "devops-lead" }],
            "checklist": ["It was tested."],
            "expires": format!("{}d", 1 + tape.below(5)),
        },
    })
}

fn deploy(tape: &mut Tape, parts: &Parts, environment: &str) -> Value {
    let mut stage = json!({
        "name": tape.name(),
        "deploy": { "environment": environment },
        "steps": ["./deploy.sh \"$IMAGE\""],
    });
    if tape.chance(50) {
        stage["deploy"]["artifact"] = parts.built[0].as_str().into();
    } else {
        let all: Vec<&String> = parts.artifacts.keys().collect();
        stage["deploy"]["artifacts"] = json!(all);
    }
    if tape.chance(20) {
        stage["install"] = json!(["aws eks update-kubeconfig --name \"$CLUSTER\""]);
        stage["finally"] = json!(["kubectl get pods"]);
    }
    stage
}
