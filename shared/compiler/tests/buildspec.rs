//! Buildspecs as they are written, and their commands run by a real bash.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{buildspec, read};
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A definition whose first stage has these keys, in the folder `path`.
fn spec(path: &str, stage: &str) -> Value {
    let text = format!(
        "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
         source: {{ repository: https://github.com/example/shop, path: \"{path}\" }}\n\
         on: {{ manual: true }}\n\
         artifacts: {{ image: {{ type: image, repository: shop }} }}\n\
         stages:\n  - name: One\n{stage}"
    );
    let read = read("shop.yaml", &text, None).unwrap_or_else(|d| panic!("{d}"));
    buildspec(&read.definition, &read.definition.stages[0])
}

#[test]
fn a_buildspec_has_everything_that_the_stage_says() {
    let spec = spec(
        "service",
        r#"
    runtimes: { python: 3.10 }
    install: [pip install -r requirements.txt]
    env:
      PORT: 8080
      GREETING: it's
      KEY: { secret: "shop/key:value" }
      MODE: { parameter: /shop/mode }
    steps:
      - name: Build it
        run: |
          docker build .
          docker push "$IMAGE_NAME"
      - pytest
    reports:
      unit: { files: [reports/*.xml], format: junit }
      cov: { files: [coverage.xml], format: cobertura }
    produces: image
"#,
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&spec).unwrap(), @r#"
{
  "version": 0.2,
  "env": {
    "shell": "bash",
    "variables": {
      "PORT": "8080",
      "GREETING": "it's"
    },
    "secrets-manager": {
      "KEY": "shop/key:value"
    },
    "parameter-store": {
      "MODE": "/shop/mode"
    },
    "exported-variables": [
      "IMAGE_TAG"
    ]
  },
  "phases": {
    "install": {
      "runtime-versions": {
        "python": "3.10"
      },
      "commands": [
        "cd \"$CODEBUILD_SRC_DIR\"/service",
        "set -eo pipefail\npip install -r requirements.txt"
      ]
    },
    "build": {
      "commands": [
        "cd \"$CODEBUILD_SRC_DIR\"/service",
        "echo '=== Build it'",
        "set -eo pipefail\ndocker build .\ndocker push \"$IMAGE_NAME\"",
        "echo '=== pytest'",
        "set -eo pipefail\npytest"
      ]
    }
  },
  "reports": {
    "shop-unit": {
      "files": [
        "reports/*.xml"
      ],
      "base-directory": "service",
      "file-format": "JUNITXML"
    },
    "shop-cov": {
      "files": [
        "coverage.xml"
      ],
      "base-directory": "service",
      "file-format": "COBERTURAXML"
    }
  }
}
"#);
}

#[test]
fn at_the_sources_root_there_is_no_folder_to_go_to() {
    let spec = spec(
        ".",
        "    steps: [make]\n    reports: { unit: { files: [u.xml], format: junit } }\n",
    );
    insta::assert_snapshot!(spec, @r#"{"version":0.2,"env":{"shell":"bash"},"phases":{"build":{"commands":["echo '=== make'","set -eo pipefail\nmake"]}},"reports":{"shop-unit":{"files":["u.xml"],"file-format":"JUNITXML"}}}"#);
}

/// Runs the commands of both phases as CodeBuild does: each in a shell of its
/// own, variables and folder handed on.
fn run(spec: &Value, source: &Path) -> Output {
    let commands = ["install", "build"].into_iter().flat_map(|phase| {
        let commands = &spec["phases"][phase]["commands"];
        commands.as_array().cloned().unwrap_or_default()
    });
    let state = source.with_extension("state");
    let mut script = format!("cd '{}'\n", source.display());
    let mut output = None;
    for command in commands {
        script.push_str(command.as_str().unwrap());
        script.push_str(&format!(
            "\nexport -p >'{0}'; echo \"cd '$PWD'\" >>'{0}'",
            state.display()
        ));
        let result = Command::new("bash")
            .args(["-c", &script])
            .env("CODEBUILD_SRC_DIR", source)
            .output()
            .unwrap();
        let before: Output = output.unwrap_or(Output {
            stdout: vec![],
            stderr: vec![],
            ..result.clone()
        });
        let stdout = [before.stdout, result.stdout.clone()].concat();
        let ended = Output { stdout, ..result };
        if !ended.status.success() {
            return ended;
        }
        output = Some(ended);
        script = format!(". '{}'\n", state.display());
    }
    output.unwrap()
}

fn check(path: &str, stage: &str, expect: Result<&str, &str>) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::create_dir_all(source.join(path)).unwrap();
    let output = run(&spec(path, stage), &source);
    let said = String::from_utf8(output.stdout).unwrap();
    let ended = if output.status.success() {
        Ok(said.as_str())
    } else {
        Err(said.as_str())
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(ended, expect, "{errors}");
}

#[test]
fn steps_run_in_the_source_path_under_their_headlines() {
    let stage = "    install: [basename \"$PWD\"]\n    steps:\n      - { name: \"Where's it?\", run: basename \"$PWD\" }\n";
    check("service", stage, Ok("service\n=== Where's it?\nservice\n"));
    check(
        "it's a; $(exit 3) `folder`",
        "    steps: [echo in]\n",
        Ok("=== echo in\nin\n"),
    );
}

#[test]
fn a_headline_is_text_whatever_is_in_it() {
    let stage = "    steps:\n      - { name: \"$(echo no) `echo no` \\\\n ' \\\" ; exit 1\", run: echo yes }\n";
    check(
        ".",
        stage,
        Ok("=== $(echo no) `echo no` \\n ' \" ; exit 1\nyes\n"),
    );
}

#[test]
fn the_first_failing_line_fails_the_step() {
    let lines = |run: &str| {
        format!(
            "    steps:\n      - name: S\n        run: |\n          {}\n      - echo next\n",
            run.replace('\n', "\n          ")
        )
    };
    check(".", &lines("false\necho hidden"), Err("=== S\n"));
    check(".", &lines("echo one\nfalse"), Err("=== S\none\n"));
    check(".", &lines("false | cat\necho hidden"), Err("=== S\n"));
    check(".", &lines("false; echo hidden"), Err("=== S\n"));
    check(".", &lines("(exit 7)"), Err("=== S\n"));
    check(
        ".",
        &lines("false || echo handled"),
        Ok("=== S\nhandled\n=== echo next\nnext\n"),
    );
    check(
        ".",
        &lines("set +e\nfalse\necho meant"),
        Ok("=== S\nmeant\n=== echo next\nnext\n"),
    );
}

#[test]
fn a_step_may_span_lines_in_every_way_that_bash_knows() {
    let stage = r#"    steps:
      - name: S
        run: |
          for n in 1 2; do
            echo $n
          done
          cat <<END
          here
          END
          echo a \
            b
"#;
    check(".", stage, Ok("=== S\n1\n2\nhere\na b\n"));
}

#[test]
fn what_a_step_exports_and_where_it_goes_holds_for_the_next() {
    let stage = "    steps:\n      - { name: A, run: \"export GREETING=hello\\nmkdir -p sub\\ncd sub\" }\n      - { name: B, run: \"echo $GREETING; basename $PWD\" }\n";
    check("service", stage, Ok("=== A\n=== B\nhello\nsub\n"));
}

/// The build of a stage that verifies the signature of a signed image and then has
/// a step, with a `notation` that does this; what it said and exported.
fn verified(notation: &str, image: Option<&str>) -> Result<String, String> {
    let text = "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
        source: { repository: https://github.com/example/shop, path: service }\n\
        on: { manual: true }\n\
        artifacts: { web-app: { type: image, repository: shop, signed: true } }\n\
        stages:\n  - { name: Package, steps: [make], produces: web-app }\n  \
        - { name: Verify, steps: [\"echo step; echo $GATEWRIGHT_SIGNED_WEB_APP\"], gates: [signature: web-app] }\n";
    let read = read("shop.yaml", text, None).unwrap_or_else(|d| panic!("{d}"));
    let mut spec = buildspec(&read.definition, &read.definition.stages[1]);
    let told = serde_json::json!(["GATEWRIGHT_SIGNED_WEB_APP"]);
    assert_eq!(spec["env"]["exported-variables"], told);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir_all(source.join("service")).unwrap();
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let tool = tools.join("notation");
    std::fs::write(&tool, format!("#!/bin/bash\n{notation}\n")).unwrap();
    std::fs::set_permissions(&tool, Permissions::from_mode(0o755)).unwrap();
    // What the build image has, and what `start-build` sets.
    let mut given = format!("export PATH=\"{}:$PATH\"", tools.display());
    if let Some(image) = image {
        given.push_str(&format!("\nexport IMAGE_WEB_APP={image}"));
    }
    let commands = spec["phases"]["build"]["commands"].as_array_mut().unwrap();
    commands.insert(0, given.into());
    let output = run(&spec, &source);
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    match output.status.success() {
        true => Ok(said),
        false => Err(errors),
    }
}

#[test]
fn a_signature_is_verified_by_digest_before_the_steps_and_the_digest_is_told() {
    let image = "1.dkr.ecr.eu-central-1.amazonaws.com/shop@sha256:ab12";
    let said = verified(
        "[ \"$1\" = verify ] && echo \"Successfully verified signature for $2\"",
        Some(image),
    );
    let expected = format!(
        "=== Verify the signature of web-app\nSuccessfully verified signature for {image}\n\
         === echo step; echo $GATEWRIGHT_SIGNED_WEB_APP\nstep\nsha256:ab12\n"
    );
    assert_eq!(said, Ok(expected));
}

#[test]
fn what_is_not_verified_fails_before_the_first_step_and_says_why() {
    let image = Some("r/shop@sha256:ab12");
    let cases = [
        (
            "echo 'Error: signature verification failed' >&2; exit 1",
            image,
            "Error: signature verification failed\n",
        ),
        (
            // Notation's words, and its 0, where the trust policy says `skip`.
            "echo \"Trust policy is configured to skip signature verification for $2\"",
            image,
            "notation has not verified the signature of web-app: its trust policy has to enforce it\n",
        ),
        (
            "echo Successfully verified",
            None,
            "the release has no image web-app, so there is nothing to verify\n",
        ),
    ];
    for (notation, image, why) in cases {
        let errors = verified(notation, image).unwrap_err();
        assert!(errors.ends_with(why), "{errors}");
    }
}
