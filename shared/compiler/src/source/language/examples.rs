//! Parts of definitions that show what the objects can say. Together with what
//! every file starts with, each is a definition that is accepted as it stands; a
//! test holds them to that, and to showing every key.

/// What every file starts with, and what the examples leave out.
pub(super) const HEAD: &str = "\
language: 1
id: shop
name: Shop
region: eu-central-1
source: { repository: https://github.com/example/shop }
";

pub(super) const PIPELINE: &str = r##"language: 1
id: shop
name: Shop
description: From a commit to staging.
region: eu-central-1
source: { repository: https://github.com/example/shop, path: services/shop }
on: { push: { branches: [main] } }
artifacts:
  image: { type: image, repository: shop }
environments:
  staging: { cluster: one, namespace: shop, verify: [kubectl rollout status deployment/shop] }
defaults: { timeout: 10m }
stages:
  - name: Package
    steps:
      - docker build --tag "$ECR_REGISTRY/shop:$IMAGE_TAG" .
      - docker push "$ECR_REGISTRY/shop:$IMAGE_TAG"
    produces: image
  - name: Deploy to Staging
    deploy: { artifact: image, environment: staging }
    steps: [kubectl set image deployment/shop shop="$IMAGE"]
downstream: [reports]
notify: { slack: "#shop" }
targets:
  lead-time: { target: "< 1 day" }
accept-unenforced: [targets]
budget: 3d
"##;

pub(super) const ON: &str = r##"on:
  push:
    - { branches: ["feature/*"], deploy: none }
    - { name: trunk, branches: [main], deploy: staging, skip: [Audit], budget: 1h }
    - { branches: ["spike/*"], stages: [Test] }
  pull-request:
    - { into: [main], name: review, deploy: none, skip: [Audit], budget: 30m }
    - { into: ["release/*"], stages: [Test, Audit] }
  tag:
    - { patterns: ["v*.*.*"], name: releases, deploy: [staging], skip: [Audit], budget: 2h }
    - { patterns: ["audit-*"], stages: [Audit] }
  manual: true
  schedule: { name: nightly, cron: "0 2 * * *", branch: main, stages: [Audit] }
  upstream: { pipeline: libraries, branch: main, deploy: none }
artifacts:
  image: { type: image, repository: shop }
environments:
  staging: { verify: [./verify.sh] }
stages:
  - { name: Test, steps: [make test] }
  - { name: Audit, steps: [make audit] }
  - { name: Package, steps: [make image], produces: image }
  - { name: Deploy, deploy: { artifact: image, environment: staging }, steps: [./deploy.sh] }
"##;

pub(super) const MANUAL: &str = r##"on:
  manual:
    - { environments: [test, staging], name: by hand, skip: [Audit], budget: 1h }
    - { name: tests, deploy: none, skip: [Package] }
artifacts:
  image: { type: image, repository: shop }
environments:
  test: { verify: [./verify.sh] }
  staging: { verify: [./verify.sh] }
stages:
  - { name: Test, steps: [make test] }
  - { name: Audit, steps: [make audit] }
  - { name: Package, steps: [make image], produces: image }
  - { name: Deploy to Test, deploy: { artifact: image, environment: test }, steps: [./deploy.sh] }
  - { name: Deploy to Staging, deploy: { artifact: image, environment: staging }, steps: [./deploy.sh] }
"##;

pub(super) const SCHEDULE: &str = r##"on:
  push: { branches: [main] }
  schedule:
    - { name: nightly, cron: "0 2 * * *", time-zone: Asia/Dhaka, branch: main, stages: [Audit] }
    - { name: weekly, cron: "30 5 * * mon", branch: main, deploy: none, skip: [Audit], budget: 1h }
stages:
  - { name: Test, steps: [make test] }
  - { name: Audit, on: [nightly], steps: [make audit] }
"##;

pub(super) const UPSTREAM: &str = r##"on:
  push: { branches: [main], deploy: none }
  upstream:
    - { pipeline: base-images, branch: main, name: new base, deploy: test, skip: [Lint], budget: 1h }
    - { pipeline: libraries, branch: main, stages: [Lint] }
artifacts:
  base: { type: image, repository: base, from: { pipeline: base-images, artifact: image } }
environments:
  test: { verify: [./verify.sh] }
stages:
  - { name: Lint, steps: [make lint] }
  - { name: Deploy, deploy: { artifact: base, environment: test }, steps: [./deploy.sh] }
"##;

pub(super) const ARTIFACT: &str = r##"on:
  push: { branches: [main] }
  upstream: { pipeline: base-images, branch: main }
artifacts:
  image: { type: image, repository: team/shop, version: semver, keep: 10, signed: true }
  module: { type: archive, path: dist/module.zip }
  plan: { type: plan, path: tfplan }
  workflows: { type: files, paths: ["workflows/*.json", schema.json] }
  base: { type: image, repository: base, from: { pipeline: base-images, artifact: image } }
"##;

pub(super) const ENVIRONMENT: &str = r##"environments:
  staging:
    description: What is tested before production.
    cluster: staging-cluster
    namespace: shop
    role: arn:aws:iam::123456789012:role/shop-staging
    url: https://staging.example.com
    data: made up
    access: [developers, testers]
    protected: false
    lease: 1h
    strategy: rolling
    verify:
      - kubectl rollout status deployment/shop --timeout=5m
    smoke:
      - { name: Health, run: curl --fail https://staging.example.com/health }
    rollback: automatic
    manual:
      Scale to zero: [kubectl scale deployment/shop --replicas=0 --namespace "$NAMESPACE"]
      Look at events: [kubectl get events --namespace "$NAMESPACE"]
  production:
    cluster: production-cluster
    protected: true
    verify: none
    windows: [{ days: [sat, sun], from: "22:00", to: "02:00" }]
    soak: 1d
    queue: newest
    wait: 10d
"##;

pub(super) const STRATEGY: &str = r##"environments:
  staging:
    verify: [kubectl rollout status deployment/shop-preview]
    smoke: [curl --fail "http://$PREVIEW/health"]
    strategy:
      blue-green: { preview: shop-preview, active: shop-active, watch: 5m, keep: 10m }
      canary: { steps: [5, 25, 100], pause: 10m }
      shift: [./traffic.sh --to "$PREVIEW" --percent "$WEIGHT"]
      retire:
        - ./install.sh "$ACTIVE" "$IMAGE"
        - ./traffic.sh --to "$PREVIEW" --percent 0
        - kubectl scale deployment/shop-preview --replicas=0
      watch:
        - metric: error-rate
          at-most: 1
          new: { namespace: Shop, name: ErrorRate, dimensions: { Service: shop-preview } }
          old: { namespace: Shop, name: ErrorRate, dimensions: { Service: shop-active } }
          at-most-times-old: 1.5
        - metric: latency-p90
          at-most: 500
          new: { namespace: Shop, name: Latency, statistic: p90, dimensions: { Service: shop-preview } }
        - { metric: health, alarm: shop-unhealthy-hosts }
      warm-up: 1m
      decide-within: 1h
    rollback:
      automatic: true
      steps:
        # Nothing changes where it still runs; days later it is not there any more.
        - ./install.sh "$ACTIVE" "$IMAGE"
        - ./traffic.sh --to "$PREVIEW" --percent 0
      verify: [curl --fail "http://$ACTIVE/health"]
"##;

pub(super) const WATCH: &str = r##"environments:
  staging:
    verify: [./check.sh]
    strategy:
      canary: { steps: [10, 100], pause: 10m }
      shift: [./traffic.sh --percent "$WEIGHT"]
      watch:
        # Behind an Application Load Balancer, as services of ECS are: the new
        # version's own target group.
        - metric: error-rate
          at-most: 1
          new:
            of:
              namespace: AWS/ApplicationELB
              name: HTTPCode_Target_5XX_Count
              dimensions: { LoadBalancer: app/shop/50dc6c495c0c9188, TargetGroup: targetgroup/shop-new/73e2d6bc24d8a067 }
            per:
              namespace: AWS/ApplicationELB
              name: RequestCount
              dimensions: { LoadBalancer: app/shop/50dc6c495c0c9188, TargetGroup: targetgroup/shop-new/73e2d6bc24d8a067 }
        - metric: latency-p90
          at-most: 500
          new:
            namespace: AWS/ApplicationELB
            name: TargetResponseTime
            statistic: p90
            unit: seconds
            dimensions: { LoadBalancer: app/shop/50dc6c495c0c9188, TargetGroup: targetgroup/shop-new/73e2d6bc24d8a067 }
        # A Lambda function behind an alias; its duration is in milliseconds.
        - metric: error-rate
          at-most: 1
          new:
            of: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: shop, Resource: "shop:live" } }
            per: { namespace: AWS/Lambda, name: Invocations, dimensions: { FunctionName: shop, Resource: "shop:live" } }
        - metric: latency-p99
          at-most: 900
          new: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: shop, Resource: "shop:live" } }
    rollback: { automatic: true, steps: [./traffic.sh --percent 0] }
"##;

pub(super) const ROLLBACK: &str = r##"environments:
  staging:
    verify: [kubectl rollout status deployment/shop]
    rollback:
      automatic: true
      steps: [kubectl set image deployment/shop shop="$IMAGE"]
      verify: [kubectl rollout status deployment/shop --timeout=5m]
      by: [project-lead, devops-lead]
      quorum: [{ group: devops-lead, count: 1 }]
"##;

pub(super) const WINDOW: &str = r##"environments:
  staging:
    windows:
      - { days: [sat, sun], from: "22:00", to: "02:00", time-zone: Asia/Dhaka, rollbacks: true }
"##;

pub(super) const DEFAULTS: &str = r##"defaults:
  project: our-own-project
  image: aws/codebuild/amazonlinux-x86_64-standard:5.0
  compute: medium
  timeout: 20m
  retries: 2
  runtimes: { python: "3.11" }
  env: { PIP_QUIET: "1" }
  cache: ["/root/.cache/pip/**/*"]
  install: [pip install --requirement requirements.txt]
"##;

pub(super) const STAGE: &str = r##"on: { push: { branches: [main] }, tag: { patterns: ["v*"] } }
artifacts:
  image: { type: image, repository: shop }
environments:
  staging: { verify: [./verify.sh] }
stages:
  - name: Test
    matrix: { python: ["3.11", "3.12"] }
    fail-fast: false
    runtimes: { python: "${{ matrix.python }}" }
    steps: [pytest]

  - name: Checks
    parallel:
      - { name: Lint, steps: [make lint] }
      - { name: Licences, steps: [make licences] }

  - name: Package
    description: Builds and pushes the image.
    on: [push, tag]
    project: shop-with-docker
    image: aws/codebuild/amazonlinux-x86_64-standard:5.0
    compute: large
    timeout: 30m
    retries: 1
    runtimes: { nodejs: "22" }
    services:
      postgres:
        image: "postgres:16-alpine"
        env: { POSTGRES_PASSWORD: postgres }
        ports: [5432]
        health: pg_isready -U postgres
    cache: ["/root/.npm/**/*"]
    env:
      LEVEL: debug
      NPM_TOKEN: { secret: shop/npm-token }
      BASE_URL: { parameter: /shop/base-url }
    install: [npm ci]
    steps:
      - npm test
      - name: Build and Push
        run: |
          docker build --tag "$ECR_REGISTRY/shop:$IMAGE_TAG" .
          docker push "$ECR_REGISTRY/shop:$IMAGE_TAG"
    finally: [docker logs app]
    exports: [VERSION]
    reports:
      unit: { files: [reports/junit.xml], format: junit }
    produces: image
    gates: [steps, tests: unit]

  - name: May It Be Deployed
    environment: staging
    approval: { quorum: [{ group: project-lead }] }

  - name: Deploy
    deploy: { artifact: image, environment: staging }
    steps: [kubectl set image deployment/shop shop="$IMAGE"]

  - name: Migrate the Data
    environment: staging
    migration: reversible
    steps: [./migrate.sh]
"##;

pub(super) const PARALLEL: &str = r##"stages:
  - name: Checks
    fail-fast: false
    parallel:
      - name: Unit Tests
        timeout: 10m
        steps: [make test]
      - name: Security Scan
        steps: [make scan]
"##;

pub(super) const GATES: &str = r##"artifacts:
  image: { type: image, repository: shop, signed: true }
stages:
  - name: Package
    steps: [make test scan image push]
    produces: image
    reports:
      unit: { files: ["reports/*.xml"], format: junit }
      lines: { files: [coverage.xml], format: cobertura }
      sast: { files: [bandit.sarif], format: sarif }
    gates:
      - steps
      - tests: unit
      - coverage: { report: lines, at-least: 80 }
      - scan: { artifact: image, none-of: [CRITICAL], only-new: true, unless: waiver }
      - findings: { report: sast, none-of: [CRITICAL, HIGH], only-new: true, unless: { sign-off: security } }
  - name: Verify
    install: [./scripts/trust.sh]
    gates:
      - signature: image
"##;

pub(super) const DEPLOY: &str = r##"artifacts:
  web: { type: image, repository: shop/web }
  worker: { type: image, repository: shop/worker }
environments:
  staging: { verify: [./verify.sh] }
  production: { verify: [./verify.sh] }
stages:
  - name: Build
    matrix: { part: [web, worker] }
    steps: ["make image push PART=${{ matrix.part }}"]
    produces: "${{ matrix.part }}"
  - name: Deploy to Staging
    deploy: { artifact: web, environment: staging }
    steps: [./deploy.sh web="$IMAGE_WEB"]
  - name: Production Approval
    environment: production
    approval:
      quorum:
        - { group: project-lead, count: 1 }
        - { group: devops-lead }
      checklist: [The release notes are written.]
      expires: 2d
      remind: 4h
  - name: Deploy to Production
    deploy: { artifacts: [web, worker], environment: production }
    migration: forward-only
    steps: [./deploy.sh web="$IMAGE_WEB" worker="$IMAGE_WORKER"]
"##;

pub(super) const CODEDEPLOY: &str = r##"artifacts:
  image: { type: image, repository: shop }
environments:
  staging:
    smoke: [curl --fail https://staging.example.com/health]
    rollback:
      automatic: true
      steps:
        - ./task-definition.sh "$IMAGE" > task-definition.json
        - export TASK_DEFINITION="$(./register.sh task-definition.json)"
        - codedeploy: { application: shop, group: staging, config: CodeDeployDefault.ECSAllAtOnce }
stages:
  - name: Package
    steps: [make image push]
    produces: image
  - name: Deploy to Staging
    deploy: { artifact: image, environment: staging }
    timeout: 30m
    steps:
      - ./task-definition.sh "$IMAGE" > task-definition.json
      - export TASK_DEFINITION="$(./register.sh task-definition.json)"
      - name: Shift the Traffic
        codedeploy:
          application: shop
          group: staging
          appspec: deploy/appspec.yaml
          config: CodeDeployDefault.ECSCanary10Percent5Minutes
"##;

pub(super) const NOTIFY: &str = r##"notify:
  slack: "#shop"
  routes:
    - { on: [build-failure, security-alert], slack: ["#dev"], email: [dev@example.com] }
    - { on: [recovery-needed], pagerduty: on-call }
targets:
  success-rate: { target: "> 95 %", alert: "< 90 %" }
"##;

pub(super) const DIRECTORY: &str = r##"people:
  - { id: priya, name: Priya Raman, email: priya@example.com, slack: U0PRIYA }
  - { id: devan, name: Devan Okafor, email: devan@example.com }
  - { id: lena, name: Lena Fischer, email: lena@example.com, aliases: [lena-fischer] }
groups:
  - { name: project-lead, title: Project Lead, members: [priya, lena] }
  - { name: devops-lead, members: [devan, lena] }
  - { name: security, members: [priya, devan] }
"##;
