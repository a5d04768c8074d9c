//! Jobs in a line: each after what it needs, those that need the same side by
//! side.

use super::workflow::Job;

/// Jobs at one place of the line.
pub type Place<'a> = Vec<&'a Job>;

/// The jobs in an order in which every one comes after what it needs, in the
/// file's order otherwise. Neighbours that need the same and only build are at
/// one place.
///
/// # Errors
/// When a job needs one that is not there, or itself.
pub fn ordered(jobs: &[Job]) -> Result<Vec<Place<'_>>, String> {
    for job in jobs {
        for need in &job.needs {
            if !jobs.iter().any(|other| &other.id == need) {
                let id = &job.id;
                return Err(format!(
                    "job {id:?} needs {need:?}, and there is no such job"
                ));
            }
        }
    }
    let mut rest: Vec<&Job> = jobs.iter().collect();
    let mut places: Vec<Place<'_>> = Vec::new();
    while !rest.is_empty() {
        let waits = |job: &Job| rest.iter().any(|other| job.needs.contains(&other.id));
        let ready: Vec<&Job> = rest.iter().copied().filter(|job| !waits(job)).collect();
        // Deploys last: what is checked beside one is checked before it.
        let first = ready
            .iter()
            .find(|job| job.environment.is_none())
            .or(ready.first());
        let Some(first) = first else {
            let ids: Vec<&str> = rest.iter().map(|job| job.id.as_str()).collect();
            return Err(format!(
                "the jobs {} need each other in a circle",
                ids.join(", ")
            ));
        };
        let same = |job: &&&Job| is_beside(job) && needs(job) == needs(first);
        let mut place: Place<'_> = if is_beside(first) {
            ready.iter().filter(same).copied().collect()
        } else {
            vec![first]
        };
        place.dedup_by(|a, b| a.id == b.id);
        rest.retain(|job| !place.iter().any(|placed| placed.id == job.id));
        places.push(place);
    }
    Ok(places)
}

/// Whether it may stand beside others: it only builds, and once.
fn is_beside(job: &Job) -> bool {
    job.environment.is_none() && job.matrix.is_empty() && job.uses.is_none()
}

fn needs(job: &Job) -> Vec<&String> {
    let mut needs: Vec<&String> = job.needs.iter().collect();
    needs.sort();
    needs
}
