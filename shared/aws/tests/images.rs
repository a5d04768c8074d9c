//! ECR's tags, against a server that answers as ECR does.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod served;

use gatewright_aws::Kind;
use gatewright_aws::registry::{Ecr, Registry};
use gatewright_domain::Digest;
use serde_json::json;
use served::{failing, service};

fn image() -> Digest {
    Digest::of_bytes(b"image")
}

#[tokio::test]
async fn a_tag_is_added_to_the_very_image() {
    let kind = "application/vnd.oci.image.index.v1+json";
    let got = json!({ "images": [{ "imageManifest": "{ }", "imageManifestMediaType": kind,
                                   "imageId": { "imageDigest": image() } }] });
    let described = |digest: &Digest| json!({ "imageDetails": [{ "imageDigest": digest }] });
    let taken = failing(400, "ImageTagAlreadyExistsException");
    let other = Digest::of_bytes(b"other");
    let rows = [
        (vec![(200, json!({}))], true),
        (vec![failing(400, "ImageAlreadyExistsException")], true),
        (vec![taken.clone(), (200, described(&image()))], true),
        (vec![taken.clone(), (200, described(&other))], false),
        (vec![taken, failing(400, "ImageNotFoundException")], false),
        (vec![failing(400, "ThrottlingException")], false),
    ];
    for (put, done) in rows {
        let answers = [vec![(200, got.clone())], put].concat();
        let (config, asked) = service(answers).await;
        let retained = Ecr::new(&config).retain("gps", &image(), "in-x").await;
        assert_eq!(retained.is_ok(), done, "{retained:?}");
        let asked = asked.lock().unwrap();
        let accepted = asked[0].1["acceptedMediaTypes"].as_array().unwrap();
        assert!(accepted.contains(&json!(kind)), "{accepted:?}");
        let put = json!({ "repositoryName": "gps", "imageTag": "in-x", "imageManifest": "{ }",
                          "imageManifestMediaType": kind, "imageDigest": image() });
        assert_eq!(asked[1], ("PutImage".to_owned(), put));
    }
    let failures = json!([{ "failureCode": "ImageNotFound", "failureReason": "not found" }]);
    let (config, _) = service(vec![(200, json!({ "images": [], "failures": failures }))]).await;
    let missing = Ecr::new(&config).retain("gps", &image(), "in-x").await;
    assert_eq!(missing.unwrap_err().kind, Kind::Missing);
}

#[tokio::test]
async fn tags_are_read_to_the_last_page_and_taken_away_one_by_one() {
    let page = |tag: &str, next: Option<&str>| {
        let ids = json!([{ "imageTag": tag, "imageDigest": image() }]);
        (200, json!({ "imageIds": ids, "nextToken": next }))
    };
    let refused = |code: &str| (200, json!({ "failures": [{ "failureCode": code }] }));
    let (config, asked) = service(vec![
        page("a", Some("two")),
        page("b", None),
        (200, json!({ "imageIds": [] })),
        refused("ImageNotFound"),
        refused("KmsError"),
    ])
    .await;
    let ecr = Ecr::new(&config);
    let tags = ecr.tags("gps").await.unwrap();
    assert_eq!(tags, [("a".to_owned(), image()), ("b".to_owned(), image())]);
    assert_eq!(ecr.release_tag("gps", "a").await, Ok(()));
    assert_eq!(ecr.release_tag("gps", "a").await, Ok(()), "gone already");
    assert!(ecr.release_tag("gps", "a").await.is_err());
    let deleted = json!({ "repositoryName": "gps", "imageIds": [{ "imageTag": "a" }] });
    // By the tag alone: with the digest the whole image would go.
    assert_eq!(asked.lock().unwrap()[2].1, deleted);
}
