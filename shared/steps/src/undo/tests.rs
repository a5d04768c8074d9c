use super::*;
use serde_json::json;

fn artifact(version: &str) -> ArtifactEvidence {
    ArtifactEvidence {
        name: "page".to_owned(),
        digest: Digest::of_bytes(version.as_bytes()),
        location: String::new(),
        version: None,
    }
}

fn bad(version: &str, commit: char) -> Bad {
    let commit = commit.to_string().repeat(40);
    let head = json!({
        "release": "bad", "pipeline": "shop", "version": Digest::of_bytes(b"v"),
        "trigger": { "pipeline": "shop", "ref": "refs/heads/main", "commit": commit },
        "input": Digest::of_bytes(b"i"), "execution": "e", "status": "running",
        "started_at": "2026-11-22T00:00:00Z", "last_seq": 1,
    });
    Bad {
        head: serde_json::from_value(head).unwrap(),
        artifacts: vec![artifact(version)],
    }
}

#[test]
fn what_runs_again_is_not_to_blame_but_the_commit_that_brought_it_is() {
    let again = Deployment {
        pipeline: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: "back".parse().unwrap(),
        title: "shop#3".to_owned(),
        number: None,
        commit: "1".repeat(40).parse().unwrap(),
        artifacts: vec![artifact("one")],
        restored: Some("one".parse().unwrap()),
        at: Timestamp::UNIX_EPOCH,
        fencing: 1,
    };
    let other = bad("two", '2').stays_back_as(&again);
    assert_eq!(other, Some(artifact("two").digest));
    let same = bad("one", '2').stays_back_as(&again).unwrap();
    assert_ne!(same, artifact("one").digest, "what runs would be refused");
    assert_ne!(Some(same), bad("one", '3').stays_back_as(&again));
    assert_eq!(bad("one", '1').stays_back_as(&again), None);
}
