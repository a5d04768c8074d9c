//! The personal link in a real browser: it shows what is approved, decides, and
//! shows the outcome; a second click does nothing. Then the other approver
//! presses Slack's button on the inbox page.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what is wrong by panicking"
)]

use fantoccini::{Client, ClientBuilder, Locator};
use gatewright_domain::release::Status;
use gatewright_tests::Laptop;
use gatewright_tests::world::World;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Headless Chromium, and the driver that ends it.
struct Browser {
    client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn open() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is missing: run `make browser`");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("chromedriver ended at once");
            let told = line
                .rsplit_once("on port ")
                .map(|(_, port)| port.trim_end_matches('.').to_owned());
            if let Some(port) = told
                .filter(|_| line.contains("started successfully"))
                .and_then(|p| p.parse().ok())
            {
                break port;
            }
        };
        // What it says later is nobody's concern, but its pipe must not fill.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            folder.as_str(),
        ];
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": args }));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            client,
            driver,
            _profile: profile,
        }
    }

    /// What the page says once it says `wanted`. A click that sends a form may
    /// return before the next page is there, so that both its text and its
    /// elements can still be the last page's: the text is read in one go, until
    /// it is the one that is waited for.
    async fn until_says(&self, wanted: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let main = "return document.querySelector('main')?.innerText";
            let seen = self.client.execute(main, Vec::new()).await;
            if let Ok(Value::String(text)) = &seen
                && text.contains(wanted)
            {
                return text.clone();
            }
            assert!(
                Instant::now() < deadline,
                "the page never says {wanted:?}: {seen:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn click(&self, css: &str) {
        let element = self
            .client
            .wait()
            .at_most(Duration::from_secs(10))
            .for_element(Locator::Css(css))
            .await;
        element
            .unwrap_or_else(|e| panic!("{css}: {e}"))
            .click()
            .await
            .unwrap();
    }

    async fn close(mut self) {
        self.client.close().await.unwrap();
        self.driver.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approver_decides_in_a_browser_and_only_once() {
    let laptop = Laptop::up(|_| {}).await;
    let release = laptop.start("cp-browser", &World::push()).await;
    laptop.until_asked(&release).await;
    let link = laptop.personal_link("Priya").await;
    let browser = Browser::open().await;

    browser.client.goto(&link).await.unwrap();
    let page = browser
        .until_says("pl-gps-001#1: Production Approval")
        .await;
    for shown in [
        "Priya Raman, you are asked as Project Lead",
        "Refuse positions from the future",
        "measured 100 %",
        "57 of 57 tests passed",
        "2 LOW",
    ] {
        assert!(
            page.contains(shown),
            "{shown:?} is not on the page:\n{page}"
        );
    }
    // Without the box that says who decides, the browser itself holds the form back.
    browser.click("button[value=approve]").await;
    browser.until_says("Your decision").await;
    assert!(
        laptop
            .store
            .decisions(&release, 5)
            .await
            .unwrap()
            .is_empty()
    );

    browser.click("input[name=check-0]").await;
    browser.click("input[name=confirm]").await;
    let opened = browser.client.current_url().await.unwrap();
    browser.click("button[value=approve]").await;
    let outcome = browser.until_says("You approved pl-gps-001#1").await;
    assert!(
        outcome.contains("DevOps Lead is still missing."),
        "{outcome}"
    );
    assert_eq!(laptop.store.decisions(&release, 5).await.unwrap().len(), 1);

    // A second click: the same form sent once more, and the page opened anew.
    let before = laptop.store.known_head(&release).await.unwrap();
    browser.client.refresh().await.unwrap();
    let _ = browser.client.accept_alert().await;
    browser.client.goto(opened.as_str()).await.unwrap();
    let again = browser.until_says("You approved this").await;
    assert!(!again.contains("Reason (needed to reject)"), "{again}");
    assert_eq!(
        laptop.store.known_head(&release).await.unwrap(),
        before,
        "a second click changed something"
    );

    // The other approver, with the button in Slack.
    browser
        .client
        .goto(&format!("{}/inbox", laptop.stack.stand_ins_url()))
        .await
        .unwrap();
    browser.click("#user option[value=U0DEVAN]").await;
    browser.click("[data-action=approve]").await;
    let head = laptop
        .until(&release, "ended", |head| head.status.has_ended())
        .await;
    assert_eq!(head.status, Status::Succeeded, "{:?}", head.failure);
    let by: Vec<String> = laptop
        .store
        .decisions(&release, 5)
        .await
        .unwrap()
        .iter()
        .map(|d| format!("{} {:?}", d.person, d.via))
        .collect();
    assert_eq!(by, ["devan Slack", "priya Page"]);
    browser.close().await;
    laptop.down().await;
}
