//! Plain manifests, Odoo, and Safety, as the transport systems use them.

use std::fs;

use serde_json::{Value, json};

use crate::{
    stack::Stack,
    tools::{DEPLOYMENT, Place, REGISTRY, page, push, service, with_repository},
};

const BEHIND: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{http: {paths: [{backend: {service: {name: web}}}]}}]}
";

#[tokio::test]
async fn a_file_is_applied_to_the_namespace_that_is_given() {
    let stack = with_repository().await;
    let place = Place::new(&stack);
    service(&place);
    let digest = push(&place, "v1").await;
    let manifest = format!("{DEPLOYMENT}{BEHIND}");
    place.write(
        "web.yaml",
        &manifest.replace("image: web", "image: IMAGE_BY_DIGEST # here"),
    );
    place
        .run("aws eks update-kubeconfig --name staging-eks-cluster --alias staging-eks-cluster")
        .await;
    let (_, errors) = place
        .fail("kubectl apply -f web.yaml --namespace staging")
        .await;
    assert!(errors.contains("IMAGE_BY_DIGEST"), "{errors}");

    let image = format!("{REGISTRY}/web@{digest}");
    place
        .run(&format!(
            "sed -i 's|image: IMAGE_BY_DIGEST.*|image: {image}|' web.yaml"
        ))
        .await;
    let applied = place
        .run("kubectl apply -f web.yaml --namespace staging")
        .await;
    assert!(applied.contains("deployment.apps/web created"), "{applied}");
    place
        .run("kubectl rollout status deployment/web --namespace staging --timeout=15s")
        .await;
    assert_eq!(page(&place).await, "one");
    let elsewhere =
        "kubectl --context production-eks-cluster rollout status deployment/web -n staging";
    let (_, errors) = place.fail(elsewhere).await;
    assert!(errors.contains("not found"), "{errors}");

    place.write(
        "own.yaml",
        "kind: Service\nmetadata: {name: x, namespace: other}\n",
    );
    let (_, errors) = place
        .fail("kubectl apply -f web.yaml -f own.yaml -n staging")
        .await;
    assert!(errors.contains("does not match the namespace"), "{errors}");
    assert_eq!(place.fail("kubectl apply -f .").await.0, 2);
    assert_eq!(place.fail("kubectl apply -f web.yaml -k kube").await.0, 2);
    stack.stand_ins.shutdown().await;
}

const CONTROLLER: &str = "
from odoo import http
from odoo.http import request
class Main(http.Controller):
    @http.route('/hello', type='http', auth='none', methods=['POST'], csrf=False)
    def hello(self):
        return request.make_json_response({'got': request.httprequest.get_data().decode()}, status=201)
";

#[tokio::test]
async fn an_addon_runs_without_odoo_as_far_as_its_routes_go() {
    let stack = with_repository().await;
    let place = Place::new(&stack);
    place.write("Dockerfile", "FROM odoo:18.0\nEXPOSE 8069\nCMD [\"odoo\", \"--init=addon\", \"--database=x\", \"--http-port=8069\"]\n");
    place.write("__init__.py", "from . import main\n");
    place.write("main.py", CONTROLLER);
    let digest = push(&place, "v1").await;
    let manifest = format!("{DEPLOYMENT}{BEHIND}")
        .replace("image: web", &format!("image: {REGISTRY}/web@{digest}"))
        .replace("8080", "8069")
        .replace("/index.html", "/web/health");
    place.write("web.yaml", &manifest);
    place.run("aws eks update-kubeconfig --name staging").await;
    place.run("kubectl apply -f web.yaml -n staging").await;
    place
        .run("kubectl rollout status deployment/web --timeout=15s")
        .await;
    let get = "kubectl get ingress web -o jsonpath='{.status.loadBalancer.ingress[0].hostname}'";
    let url = format!("http://{}/hello", place.run(get).await);
    let answer = stack.http.post(url).body("you").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"got": "you"}));
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn safety_finds_what_it_knows_and_says_how_bad_it_is() {
    let stack = Stack::start().await;
    let place = Place::new(&stack);
    place.write("requirements.txt", "pydantic==2.14.3\n");
    place.run("safety check -r requirements.txt").await;
    place.write("odoo.txt", "PyYAML==5.3.1\nrequests==2.31.0\n");
    let (code, _) = place
        .fail("safety check -r requirements.txt -r odoo.txt")
        .await;
    assert_eq!(code, 64);
    let line = "safety check -r requirements.txt -r odoo.txt --output json --continue-on-error > safety.json";
    place.run(line).await;
    let report = fs::read(place.folder.join("safety.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let scores: Vec<&Value> = (report["vulnerabilities"].as_array().unwrap().iter())
        .map(|found| &found["severity"]["cvssv3"]["base_score"])
        .collect();
    assert_eq!(scores, [&json!(9.8), &json!(5.6)]);
    assert_eq!(place.fail("safety scan").await.0, 2);
    stack.stand_ins.shutdown().await;
}
