//! The application neither sees cookies of ours nor sets them.

use ostiary_credentials::cookies::{self, Cleaned};

use crate::abi::{Headers, Http};
use crate::ending::Refusal;
use crate::roles::RouteSettings;

/// Cookies of ours do not go on.
pub(crate) fn clean_request(
    http: &Http<'_>,
    route: &RouteSettings,
    prefix: &str,
) -> Result<(), Refusal> {
    if !route.cookies {
        return Ok(());
    }
    let lines = http.header_values(Headers::Request, "cookie");
    match cookies::clean(&lines, prefix.as_bytes()).map_err(|_| Refusal::Twice)? {
        Cleaned::Unchanged => {}
        Cleaned::Empty => http.set_header(Headers::Request, "cookie", None),
        Cleaned::Kept(line) => http.set_header(Headers::Request, "cookie", Some(&line)),
    }
    Ok(())
}

/// Cookies that only we may set do not come back.
pub(crate) fn clean_response(http: &Http<'_>, prefix: &str) {
    let all = http.header_values(Headers::Response, "set-cookie");
    if !all
        .iter()
        .any(|one| cookies::sets_ours(one, prefix.as_bytes()))
    {
        return;
    }
    let kept = all
        .iter()
        .filter(|one| !cookies::sets_ours(one, prefix.as_bytes()));
    let kept: Vec<Vec<u8>> = kept.map(|one| one.to_vec()).collect();
    http.set_header(Headers::Response, "set-cookie", None);
    for one in kept {
        http.add_header(Headers::Response, "set-cookie", &one);
    }
}
