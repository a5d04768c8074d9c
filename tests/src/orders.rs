//! Orders, as the command line gives them.

use crate::World;
use serde_json::{Value, json};

impl World {
    /// `person` orders this: what the endpoint answers, as status and body.
    ///
    /// # Panics
    /// When the function fails altogether.
    pub async fn order(&self, person: &str, order: Value) -> (u64, Value) {
        let event = json!({
            "version": "2.0", "rawPath": "/api/orders", "rawQueryString": "", "headers": {},
            "requestContext": {
                "http": { "method": "POST", "path": "/api/orders", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
                "authorizer": { "iam": { "userArn": format!("{person}@example.com") } },
                "stage": "$default", "routeKey": "$default", "requestId": "1", "accountId": "123456789012",
                "apiId": "api", "domainName": "example.com", "time": "", "timeEpoch": 0,
            },
            "isBase64Encoded": false, "body": order.to_string(),
        });
        let reply = self.call("TakeOrder", event).await;
        let reply = reply.unwrap_or_else(|e| panic!("{e:?}"));
        let body = reply["body"].as_str().unwrap_or("null");
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        (reply["statusCode"].as_u64().unwrap_or(0), body)
    }

    /// As [`World::order`], which must be taken.
    ///
    /// # Panics
    /// When it is not.
    pub async fn ordered(&self, person: &str, order: Value) -> Value {
        let (status, body) = self.order(person, order).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}
