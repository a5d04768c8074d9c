//! What the expressions of a block refer to.

use hcl::{
    Body, Expression, Structure,
    expr::{ObjectKey, Operation, TraversalOperator},
    structure::Block,
    template::{Directive, Element, Template},
};

/// Every reference `root.name` of a body, nested blocks included.
pub(super) fn of(body: &Body) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => visit(attribute.expr(), &mut found),
            Structure::Block(block) => found.extend(of_block(block)),
        }
    }
    found
}

fn of_block(block: &Block) -> Vec<(String, String)> {
    of(block.body())
}

fn visit(expression: &Expression, found: &mut Vec<(String, String)>) {
    match expression {
        Expression::Array(items) => items.iter().for_each(|item| visit(item, found)),
        Expression::Object(object) => {
            for (key, value) in object {
                if let ObjectKey::Expression(key) = key {
                    visit(key, found);
                }
                visit(value, found);
            }
        }
        Expression::TemplateExpr(template) => {
            if let Ok(template) = Template::from_expr(template) {
                visit_template(&template, found);
            }
        }
        Expression::Traversal(traversal) => {
            match (&traversal.expr, traversal.operators.first()) {
                (Expression::Variable(root), Some(TraversalOperator::GetAttr(name))) => {
                    found.push((root.as_str().to_owned(), name.as_str().to_owned()));
                }
                (other, _) => visit(other, found),
            }
            for operator in &traversal.operators {
                if let TraversalOperator::Index(index) = operator {
                    visit(index, found);
                }
            }
        }
        Expression::FuncCall(call) => call.args.iter().for_each(|item| visit(item, found)),
        Expression::Parenthesis(inner) => visit(inner, found),
        Expression::Conditional(choice) => {
            for part in [&choice.cond_expr, &choice.true_expr, &choice.false_expr] {
                visit(part, found);
            }
        }
        Expression::Operation(operation) => match &**operation {
            Operation::Unary(unary) => visit(&unary.expr, found),
            Operation::Binary(binary) => {
                visit(&binary.lhs_expr, found);
                visit(&binary.rhs_expr, found);
            }
        },
        Expression::ForExpr(each) => {
            visit(&each.collection_expr, found);
            visit(&each.value_expr, found);
            (each.key_expr.iter().chain(&each.cond_expr)).for_each(|part| visit(part, found));
        }
        // Literals, and whatever a later HCL may add.
        _ => {}
    }
}

fn visit_template(template: &Template, found: &mut Vec<(String, String)>) {
    for element in template.elements() {
        match element {
            Element::Interpolation(interpolation) => visit(&interpolation.expr, found),
            Element::Directive(directive) => match &**directive {
                Directive::If(choice) => {
                    visit(&choice.cond_expr, found);
                    visit_template(&choice.true_template, found);
                    (choice.false_template.iter()).for_each(|part| visit_template(part, found));
                }
                Directive::For(each) => {
                    visit(&each.collection_expr, found);
                    visit_template(&each.template, found);
                }
            },
            Element::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_wherever_they_hide() {
        let text = "a = \"x-${var.one}\"\nb = [for x in local.two : x.name if x.id != aws_x.three.id]\n\
             c {\n  d = f(var.four[count.index])\n}\ne = \"var.five\"\n";
        let body: Body = text.parse().unwrap();
        let found: Vec<String> = (of(&body).iter())
            .map(|(root, name)| format!("{root}.{name}"))
            .collect();
        for wanted in [
            "var.one",
            "local.two",
            "aws_x.three",
            "var.four",
            "count.index",
        ] {
            assert!(found.contains(&wanted.to_owned()), "{wanted}: {found:?}");
        }
        assert!(!found.contains(&"var.five".to_owned()));
    }
}
