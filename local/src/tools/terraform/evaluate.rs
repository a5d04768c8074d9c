//! From a configuration to the resources it wants.
//!
//! Variables, locals, `count` and `for_each` are evaluated. What depends on
//! something that only exists after an apply stays as its expression's text.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use hcl::{
    Body, Expression, Structure,
    eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType},
    structure::Block,
};
use serde_json::{Value, json};

use super::{
    diagnostic,
    files::{self, Configuration, address},
};
use crate::{terraform::Resource, tools::ToolError};

/// Meta-arguments: they say how, not what.
const META: [&str; 5] = ["count", "for_each", "depends_on", "provider", "lifecycle"];

/// Every variable's value: its default, then files, then `-var`, as Terraform
/// orders them.
///
/// # Errors
/// When one has no value.
pub(super) fn variables(
    configuration: &Configuration,
    folder: &Path,
    var_files: &[String],
    given: &[String],
) -> Result<BTreeMap<String, Value>, ToolError> {
    let mut values = BTreeMap::new();
    let mut declared = BTreeMap::new();
    for block in configuration.of("variable") {
        let name = address(block);
        let default = (block.body().attributes()).find(|attribute| attribute.key() == "default");
        if let Some(default) = default {
            values.insert(name.clone(), value(default.expr(), &Context::new()));
        }
        let kind = (block.body().attributes()).find(|attribute| attribute.key() == "type");
        let kind = kind.map(|kind| kind.expr().to_string()).unwrap_or_default();
        if let Ok(set) = std::env::var(format!("TF_VAR_{name}")) {
            values.insert(name.clone(), typed(&kind, &set));
        }
        declared.insert(name, kind);
    }
    let automatic = ["terraform.tfvars".to_owned()];
    let present = automatic.iter().filter(|file| folder.join(file).is_file());
    for file in present.chain(var_files) {
        let body = files::parse(&folder.join(file))?;
        for attribute in body.attributes() {
            let value = value(attribute.expr(), &Context::new());
            values.insert(attribute.key().to_owned(), value);
        }
    }
    for one in given {
        let Some((name, text)) = one.split_once('=') else {
            let detail = format!("-var {one}: expected -var 'name=value'.");
            return Err(diagnostic("Invalid -var option", &detail));
        };
        let kind = declared.get(name).map_or("", String::as_str);
        values.insert(name.to_owned(), typed(kind, text));
    }
    if let Some(name) = declared.keys().find(|name| !values.contains_key(*name)) {
        let detail = format!(
            "The root module input variable \"{name}\" is not set, and has no default value. \
             Use a -var or -var-file command line argument to provide a value for this variable."
        );
        return Err(diagnostic("No value for required variable", &detail));
    }
    Ok(values)
}

/// A value given as text, by its variable's type.
fn typed(kind: &str, text: &str) -> Value {
    let string = || Value::String(text.to_owned());
    match kind {
        "" | "string" => string(),
        // A list or a map is given in a notation close enough to JSON.
        _ => serde_json::from_str(text).unwrap_or_else(|_| string()),
    }
}

/// The resources that a configuration wants.
///
/// # Errors
/// When `count` or `for_each` cannot be known before an apply.
pub(super) fn resources(
    configuration: &Configuration,
    variables: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Resource>, ToolError> {
    let context = scope(configuration, variables);
    let mut found = BTreeMap::new();
    for block in configuration.of("resource") {
        let [kind, name] = block.labels() else {
            continue;
        };
        for (key, context) in instances(block, &context)? {
            let resource = Resource {
                kind: kind.as_str().to_owned(),
                name: name.as_str().to_owned(),
                attributes: attributes(block.body(), &context),
            };
            found.insert(format!("{}{key}", address(block)), resource);
        }
    }
    Ok(found)
}

/// What the outputs are once `resources` exist.
pub(super) fn outputs(
    configuration: &Configuration,
    variables: &BTreeMap<String, Value>,
    resources: &BTreeMap<String, Resource>,
) -> BTreeMap<String, Value> {
    let mut context = scope(configuration, variables);
    for (kind, value) in existing(resources) {
        context.declare_var(kind, to_hcl(&value));
    }
    (configuration.of("output"))
        .filter_map(|block| {
            let attribute =
                (block.body().attributes()).find(|attribute| attribute.key() == "value")?;
            Some((address(block), value(attribute.expr(), &context)))
        })
        .collect()
}

/// Resources as expressions see them: by type, then name, then key.
fn existing(resources: &BTreeMap<String, Resource>) -> BTreeMap<&str, Value> {
    let mut kinds: BTreeMap<&str, Value> = BTreeMap::new();
    for (address, resource) in resources {
        let mut shown = json!(resource.attributes);
        // An id nobody chose would be random; here it is the address.
        let named = ["bucket", "name"].map(|key| resource.attributes.get(key).cloned());
        let id = named.into_iter().flatten().find(Value::is_string);
        shown["id"] = id.unwrap_or_else(|| json!(address));
        shown["arn"] = json!(format!("arn:aws:stand-in:::{address}"));
        let of_kind = kinds.entry(&resource.kind).or_insert_with(|| json!({}));
        let place = &mut of_kind[&resource.name];
        let key = address
            .split_once('[')
            .map(|(_, key)| key.trim_end_matches(']'));
        match key.map(|key| (key, key.parse::<usize>())) {
            None => *place = shown,
            Some((key, Err(_))) => place[key.trim_matches('"')] = shown,
            // `[10]` sorts before `[2]`.
            Some((_, Ok(index))) => {
                let mut list = place.as_array().cloned().unwrap_or_default();
                list.resize(list.len().max(index + 1), Value::Null);
                list[index] = shown;
                *place = Value::Array(list);
            }
        }
    }
    kinds
}

/// `var`, `local` and the functions.
fn scope(configuration: &Configuration, variables: &BTreeMap<String, Value>) -> Context<'static> {
    let mut context = Context::new();
    declare_functions(&mut context);
    context.declare_var("var", to_hcl(&json!(variables)));
    let mut locals = json!({});
    // Locals may refer to each other in any order: once more settles one step.
    for _ in 0..4 {
        let mut next = context.clone();
        next.declare_var("local", to_hcl(&locals));
        for block in configuration.of("locals") {
            for local in block.body().attributes() {
                locals[local.key()] = value(local.expr(), &next);
            }
        }
    }
    context.declare_var("local", to_hcl(&locals));
    context
}

/// What `count` or `for_each` make of a block: keys such as `[0]`, and the
/// context of each.
fn instances<'c>(
    block: &Block,
    context: &Context<'c>,
) -> Result<Vec<(String, Context<'c>)>, ToolError> {
    let meta = |name: &str| {
        (block.body().attributes())
            .find(|attribute| attribute.key() == name)
            .map(|attribute| value(attribute.expr(), context))
    };
    let unknown = |name: &str| {
        diagnostic(
            &format!("Invalid {name} argument"),
            &format!(
                "{}: the {name} value depends on something that cannot be determined until apply.",
                address(block)
            ),
        )
    };
    if let Some(count) = meta("count") {
        let count = count.as_u64().ok_or_else(|| unknown("count"))?;
        return Ok((0..count)
            .map(|index| {
                let mut inner = context.clone();
                inner.declare_var("count", to_hcl(&json!({"index": index})));
                (format!("[{index}]"), inner)
            })
            .collect());
    }
    let Some(each) = meta("for_each") else {
        return Ok(vec![(String::new(), context.clone())]);
    };
    let pairs: Vec<(String, Value)> = match each {
        Value::Object(map) => map.into_iter().collect(),
        Value::Array(set) => (set.into_iter())
            .map(|item| (item.as_str().unwrap_or_default().to_owned(), item))
            .collect(),
        _ => return Err(unknown("for_each")),
    };
    Ok((pairs.into_iter())
        .map(|(key, value)| {
            let mut inner = context.clone();
            inner.declare_var("each", to_hcl(&json!({"key": key, "value": value})));
            (format!("[\"{key}\"]"), inner)
        })
        .collect())
}

/// A body's arguments; nested blocks are lists of the same.
fn attributes(body: &Body, context: &Context<'_>) -> BTreeMap<String, Value> {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) if !META.contains(&attribute.key()) => {
                let value = value(attribute.expr(), context);
                found.insert(attribute.key().to_owned(), value);
            }
            Structure::Block(block) if !META.contains(&block.identifier()) => {
                let inner = json!(attributes(block.body(), context));
                let list = found
                    .entry(block.identifier().to_owned())
                    .or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(inner);
                }
            }
            Structure::Attribute(_) | Structure::Block(_) => {}
        }
    }
    found
}

/// An expression's value, or `${text}` where it cannot be known yet.
fn value(expression: &Expression, context: &Context<'_>) -> Value {
    match expression.evaluate(context) {
        Ok(value) => serde_json::to_value(value).unwrap_or_default(),
        Err(_) => match expression {
            Expression::Array(items) => items.iter().map(|item| value(item, context)).collect(),
            other => Value::String(format!("${{{other}}}")),
        },
    }
}

fn to_hcl(value: &Value) -> hcl::Value {
    hcl::to_value(value).unwrap_or_default()
}

/// The few functions that small configurations use.
fn declare_functions(context: &mut Context<'_>) {
    let one = |function: fn(FuncArgs) -> Result<hcl::Value, String>| {
        FuncDef::new(function, [ParamType::Any])
    };
    context.declare_func("length", one(length));
    context.declare_func("toset", one(toset));
    context.declare_func("tostring", one(|args| Ok(text(&args[0]).into())));
    context.declare_func(
        "lower",
        one(|args| Ok(text(&args[0]).to_lowercase().into())),
    );
    context.declare_func(
        "upper",
        one(|args| Ok(text(&args[0]).to_uppercase().into())),
    );
    context.declare_func(
        "jsonencode",
        one(|args| {
            serde_json::to_string(&args[0])
                .map(Into::into)
                .map_err(|error| error.to_string())
        }),
    );
    let merge = FuncDef::builder().variadic_param(ParamType::Any);
    context.declare_func("merge", merge.build(merged));
}

fn text(value: &hcl::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn length(args: FuncArgs) -> Result<hcl::Value, String> {
    match &args[0] {
        hcl::Value::Array(items) => Ok(items.len().into()),
        hcl::Value::Object(items) => Ok(items.len().into()),
        hcl::Value::String(text) => Ok(text.chars().count().into()),
        _ => Err("length is of a list, a map or a string".to_owned()),
    }
}

fn toset(args: FuncArgs) -> Result<hcl::Value, String> {
    let items = args[0].as_array().ok_or("toset is of a list")?;
    let set: BTreeSet<String> = items.iter().map(text).collect();
    Ok(hcl::Value::Array(set.into_iter().map(Into::into).collect()))
}

fn merged(args: FuncArgs) -> Result<hcl::Value, String> {
    let mut all = hcl::Map::new();
    for map in args.into_values() {
        match map {
            hcl::Value::Object(map) => all.extend(map),
            _ => return Err("merge is of maps".to_owned()),
        }
    }
    Ok(hcl::Value::Object(all))
}
