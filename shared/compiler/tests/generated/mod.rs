//! Definitions in the whole language, made from a tape of numbers: most of them
//! right, some with a mistake. Shorter and smaller tapes make plainer ones, so
//! proptest finds the plainest that breaks something.

mod stages;

use serde_json::{Map, Value, json};

/// Numbers that decide; when they are over, zeros.
pub struct Tape {
    numbers: std::vec::IntoIter<u8>,
    /// How many names were made.
    names: usize,
}

impl Tape {
    pub fn new(numbers: Vec<u8>) -> Self {
        Self {
            numbers: numbers.into_iter(),
            names: 0,
        }
    }

    fn next(&mut self) -> usize {
        usize::from(self.numbers.next().unwrap_or(0))
    }

    /// A number below `most`; the plainest is 0.
    fn below(&mut self, most: usize) -> usize {
        self.next() % most
    }

    /// True in so many of a hundred; false is plainer.
    fn chance(&mut self, percent: usize) -> bool {
        self.next() * 100 > 255 * (100 - percent)
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A name that no other stage has, as people choose them.
    fn name(&mut self) -> String {
        const WORDS: &[&str] = &[
            "Stage",
            "Unit Tests & Co",
            "It's",
            "Prüfung",
            "100 % \"done\"",
            "a/b (c)",
            "x: y",
        ];
        self.names += 1;
        format!("{} {}", self.pick(WORDS), self.names)
    }
}

/// A definition as YAML. Whether it is right is for the compiler to say.
pub fn definition(tape: &mut Tape) -> String {
    let mut parts = Parts::new(tape);
    let mut stages = stages::stages(tape, &mut parts);
    let on = on(tape, &parts, &stages);
    only_on(tape, &on, &mut stages);
    let mut root = json!({
        "language": 1,
        "id": tape.pick(&["shop", "PL-ODOO-MOD", "smart_dairy"]),
        "name": "Shop",
        "region": "ap-south-1",
        "source": { "repository": "https://github.com/example/shop", "path": tape.pick(&[".", "services/shop"]) },
        "on": on,
        "artifacts": parts.artifacts,
        "environments": parts.environments,
        "defaults": defaults(tape),
        "stages": stages,
        "budget": "360d",
    });
    if tape.chance(30) {
        root["notify"] = json!({ "slack": "#shop", "routes": [{ "on": ["blocked"], "email": ["dev@example.com"] }] });
        root["targets"] = json!({ "lead-time": { "target": "< 1 day" } });
        root["downstream"] = json!(["other"]);
    }
    if tape.chance(15) {
        mistake(tape, &mut root);
    }
    let mut text = String::new();
    block(&root, 0, &mut text);
    text
}

/// What stages refer to.
pub struct Parts {
    pub artifacts: Map<String, Value>,
    /// The names of those that this pipeline builds.
    pub built: Vec<String>,
    pub environments: Map<String, Value>,
    /// Whether one comes from another pipeline.
    pub upstream: bool,
}

impl Parts {
    fn new(tape: &mut Tape) -> Self {
        let mut parts = Self {
            artifacts: Map::new(),
            built: Vec::new(),
            environments: Map::new(),
            upstream: false,
        };
        for name in ["web", "worker", "module", "plan"]
            .iter()
            .take(1 + tape.below(4))
        {
            let artifact = match *name {
                "module" => {
                    json!({ "type": "archive", "path": "dist/module.zip", "version": "semver" })
                }
                "plan" => json!({ "type": tape.pick(&["plan", "archive"]), "path": "tfplan" }),
                image => json!({ "type": "image", "repository": format!("shop/{image}") }),
            };
            parts.artifacts.insert((*name).to_owned(), artifact);
            parts.built.push((*name).to_owned());
        }
        if tape.chance(20) {
            parts.artifacts.insert(
                "flows".to_owned(),
                json!({ "type": "files", "paths": ["flows/*.json"] }),
            );
            parts.built.push("flows".to_owned());
        }
        if tape.chance(20) {
            let base = json!({ "type": "image", "repository": "base", "from": { "pipeline": "bases", "artifact": "image" } });
            parts.artifacts.insert("base".to_owned(), base);
            parts.upstream = true;
        }
        let known = ["dev", "staging", "pre-production", "production"];
        for name in &known[..tape.below(5)] {
            let environment = environment(tape);
            parts.environments.insert((*name).to_owned(), environment);
        }
        parts
    }
}

fn environment(tape: &mut Tape) -> Value {
    let mut environment = json!({
        "verify": tape.pick(&["none", "kubectl rollout status deployment/shop"]),
    });
    if environment["verify"] != "none" {
        environment["verify"] = json!([environment["verify"]]);
    }
    if tape.chance(60) {
        environment["cluster"] = "c".into();
        environment["namespace"] = "n".into();
    }
    if tape.chance(30) {
        environment["smoke"] = json!([{ "name": "Smoke Test", "run": "curl --fail x" }]);
    }
    match tape.below(6) {
        0 => {}
        1 => environment["strategy"] = "rolling".into(),
        kind => takeover(tape, kind, &mut environment),
    }
    if environment.get("rollback").is_none() {
        match tape.below(4) {
            0 => {}
            1 => environment["rollback"] = "automatic".into(),
            2 => environment["rollback"] = json!({ "automatic": true, "steps": ["./back.sh"] }),
            _ => {
                environment["rollback"] =
                    json!({ "by": ["project-lead"], "quorum": [{ "group": "devops-lead" }] })
            }
        }
    }
    if tape.chance(20) {
        environment["windows"] = json!([{ "days": ["sat", "sun"], "from": "22:00", "to": "02:00", "time-zone": "Asia/Dhaka" }]);
        environment["queue"] = tape.pick(&["in-order", "newest"]).into();
    }
    if tape.chance(20) {
        environment["protected"] = tape.chance(50).into();
    }
    environment
}

fn takeover(tape: &mut Tape, kind: usize, environment: &mut Value) {
    let mut strategy = json!({ "shift": ["./shift.sh \"$WEIGHT\""] });
    if kind != 2 {
        strategy["canary"] = match tape.below(3) {
            0 => json!({ "steps": [100] }),
            1 => json!({ "steps": [5, 25, 100], "pause": "10m" }),
            _ => json!({ "steps": [1, 2, 3, 50, 99, 100], "pause": "1d" }),
        };
    }
    if kind != 3 {
        strategy["blue-green"] = json!({ "preview": "p", "watch": "5m", "keep": "10m" });
        if tape.chance(50) {
            strategy["retire"] = json!(["./retire.sh"]);
        }
    }
    let paused = kind != 3 || strategy["canary"]["steps"] != json!([100]);
    if paused && tape.chance(30) {
        strategy["watch"] = json!([{ "metric": "error-rate", "at-most": 0.5, "new": { "namespace": "S", "name": "E" } }, { "metric": "health", "alarm": "a" }]);
    }
    environment["strategy"] = strategy;
    environment["rollback"] = json!({ "automatic": tape.chance(60), "steps": ["./shift.sh back"] });
}

fn defaults(tape: &mut Tape) -> Value {
    let mut defaults = json!({ "timeout": "10m" });
    if tape.chance(40) {
        defaults["install"] = json!(["pip install --requirement requirements.txt"]);
        defaults["cache"] = json!(["/root/.cache/**/*"]);
        defaults["env"] = json!({ "LEVEL": "debug" });
        defaults["retries"] = tape.below(6).into();
    }
    defaults
}

/// The triggers. One of them runs everything, so that every stage is on a route.
fn on(tape: &mut Tape, parts: &Parts, stages: &[Value]) -> Value {
    let environments: Vec<&String> = parts.environments.keys().collect();
    let mut on = json!({});
    match tape.below(3) {
        0 => on["manual"] = true.into(),
        1 => on["tag"] = json!({ "patterns": ["v*.*.*", "release-?"], "name": "releases" }),
        _ => on["push"] = json!({ "branches": ["main"] }),
    }
    if on.get("push").is_none() && tape.chance(70) {
        let mut pushes = vec![json!({ "branches": ["feature/*"], "deploy": "none" })];
        for environment in &environments {
            if tape.chance(50) {
                let branch = format!("to-{environment}");
                pushes.push(
                    json!({ "branches": [branch, format!("{branch}/*")], "deploy": environment }),
                );
            }
        }
        if tape.chance(30) {
            pushes[0]["budget"] = "30d".into();
        }
        on["push"] = pushes.into();
    }
    if tape.chance(40) {
        on["pull-request"] = json!({ "into": ["*"], "deploy": "none" });
        let build = stages.iter().rfind(|stage| is_plain(stage));
        if let Some(build) = build.filter(|_| tape.chance(40)) {
            on["pull-request"]["skip"] = json!([build["name"]]);
        }
    }
    if on.get("manual").is_none() && !environments.is_empty() && tape.chance(50) {
        on["manual"] = json!({ "environments": environments });
    }
    if tape.chance(30) {
        let build = stages
            .iter()
            .find(|s| s.get("steps").is_some() && s.get("deploy").is_none());
        if let Some(build) = build {
            on["schedule"] = json!([{
                "name": "nightly",
                "cron": tape.pick(&["0 2 * * *", "*/15 0-6 1,15 jan-mar *", "30 5 * * mon-fri"]),
                "time-zone": tape.pick(&["UTC", "Asia/Dhaka"]),
                "branch": "main",
                "stages": [build["name"]],
            }]);
        }
    }
    if parts.upstream {
        on["upstream"] = json!({ "pipeline": "bases", "branch": "main" });
    }
    on
}

/// Whether a stage can be left out: nothing else needs it.
fn is_plain(stage: &Value) -> bool {
    let other = ["deploy", "produces", "approval"];
    other.iter().all(|key| stage.get(key).is_none())
}

/// Some stages run only on the trigger that runs everything.
fn only_on(tape: &mut Tape, on: &Value, stages: &mut [Value]) {
    let Some(kind) = on.as_object().and_then(|on| on.keys().next().cloned()) else {
        return;
    };
    for stage in stages.iter_mut().filter(|stage| is_plain(stage)) {
        if tape.chance(10) {
            stage["on"] = json!([kind]);
        }
    }
}

/// Something that should be refused, most of the time.
fn mistake(tape: &mut Tape, root: &mut Value) {
    match tape.below(8) {
        0 => root["stages"][0]["name"] = "Finish".into(),
        1 => root["stages"][0]["steps"] = json!([]),
        2 => {
            root["on"]["push"] =
                json!([{ "branches": ["*"], "deploy": "none" }, { "branches": ["main"] }])
        }
        3 => root["budget"] = "1h".into(),
        4 => root["artifacts"] = json!({}),
        5 => root["environments"] = json!({}),
        6 => root["stages"][0]["on"] = json!(["nightly"]),
        _ => {
            let stages = root["stages"].as_array_mut().unwrap();
            stages.retain(|stage| stage.get("approval").is_none());
        }
    }
}

/// YAML as people write it: mappings and lists in lines, text in quotes.
fn block(value: &Value, indent: usize, text: &mut String) {
    let space = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                text.push_str(&format!("{space}{key}:"));
                nested(value, indent, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                text.push_str(&format!("{space}-"));
                nested(item, indent, text);
            }
        }
        other => text.push_str(&format!("{space}{other}\n")),
    }
}

fn nested(value: &Value, indent: usize, text: &mut String) {
    let deep = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if deep {
        text.push('\n');
        block(value, indent + 2, text);
    } else {
        text.push_str(&format!(" {value}\n"));
    }
}
