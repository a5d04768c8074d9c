//! Prints the committed definition of the GPS ingestion service as the table
//! holds it, with its version: what the bench's table answers with.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let definition = gatewright_fakes::definition();
    let item = serde_json::json!({
        "version": definition.version()?,
        "definition": serde_json::to_string(&definition)?,
    });
    writeln!(std::io::stdout(), "{item}")?;
    Ok(())
}
