//! Sends the files of the website: names with a hash in them for ever, everything else to be asked for again, and all
//! of it under rules that let a browser load nothing from elsewhere.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, REFERRER_POLICY, VARY,
};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::api::caching;
use crate::api::encoding::Encoding;
use crate::website::{File, Found, Website};

/// What a page may load, and from where: itself, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
/// What no page of ours needs.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Names in it change with their content.
const HASHED: &str = "assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const ROBOTS: &str = "User-agent: *\nDisallow: /api/\nDisallow: /sync\nDisallow: /sign-in\n";
const LEFT_OUT: &str = "website left out: this relay was built without it. Where Node.js 20 or newer is, run \
                        `cargo xtask website --build` and build the relay again. The HTTP interface is there: \
                        /api/v1/openapi.json describes it.\n";

/// What a browser gets at a path that no route takes; `None` if that is nothing of the website.
#[must_use]
pub fn page(website: &Website, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let mut response = match website.at(uri.path()) {
        Found::File(file) => sent(file, StatusCode::OK, headers),
        Found::Page(index) => sent(index, StatusCode::OK, headers),
        // Programs are told in their own words.
        Found::NoPage(index) if wants_page(headers) => sent(index, StatusCode::NOT_FOUND, headers),
        Found::LeftOut => text(StatusCode::NOT_FOUND, LEFT_OUT),
        Found::Nothing if uri.path() == "/robots.txt" => text(StatusCode::OK, ROBOTS),
        Found::NoPage(_) | Found::Nothing => return None,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")))
}

fn text(status: StatusCode, text: &'static str) -> Response {
    (status, [(CONTENT_TYPE, PLAIN_TEXT), (CACHE_CONTROL, ASK_AGAIN)], text).into_response()
}

fn sent(file: &File, status: StatusCode, headers: &HeaderMap) -> Response {
    let (strong, weak) = caching::public_etags(file.plain);
    let kept = if file.path.starts_with(HASHED) { FOR_EVER } else { ASK_AGAIN };
    if status == StatusCode::OK && caching::is_known(headers, &strong) {
        return (StatusCode::NOT_MODIFIED, [(CACHE_CONTROL, kept), (ETAG, weak)]).into_response();
    }
    let of = |encoding| match encoding {
        Encoding::Brotli => file.brotli,
        Encoding::Gzip => file.gzip,
        Encoding::Zstd => None,
    };
    let about = [(CONTENT_TYPE, kind(file.path)), (CACHE_CONTROL, kept)];
    if file.brotli.is_none() && file.gzip.is_none() {
        return (status, about, [(ETAG, strong)], file.plain).into_response();
    }
    let vary = [(VARY, HeaderValue::from_name(ACCEPT_ENCODING))];
    let best = Encoding::accepted_among(headers, |encoding| of(encoding).is_some());
    match best.and_then(|encoding| Some((encoding, of(encoding)?))) {
        Some((encoding, body)) => {
            (status, about, vary, [(ETAG, weak), (CONTENT_ENCODING, encoding.header())], body).into_response()
        }
        None => (status, about, vary, [(ETAG, strong)], file.plain).into_response(),
    }
}

/// By the end of its name; a browser guesses nothing (`nosniff`).
fn kind(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[File] = &[
        File { path: "index.html", plain: b"<html>", brotli: None, gzip: None },
        File { path: "assets/a-1.js", plain: b"plain", brotli: Some(b"br"), gzip: Some(b"gz") },
    ];

    fn ask(path: &'static str, headers: &[(HeaderName, &'static str)]) -> Option<Response> {
        let website = Website::of(FILES, Some(b"[\"/\", \"/vault\"]"));
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        page(&website, &Method::GET, &Uri::from_static(path), &headers)
    }

    fn header(response: &Response, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn pages_are_asked_for_again_and_names_with_a_hash_kept_for_ever() {
        let page = ask("/vault", &[]).unwrap();
        assert_eq!((page.status(), header(&page, CACHE_CONTROL)), (StatusCode::OK, "no-cache"));
        assert_eq!(header(&page, CONTENT_TYPE), "text/html; charset=utf-8");
        let script = ask("/assets/a-1.js", &[]).unwrap();
        assert_eq!(header(&script, CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(header(&script, CONTENT_TYPE), "text/javascript; charset=utf-8");
        for answer in [page, script] {
            let tag: &'static str = header(&answer, ETAG).to_owned().leak();
            let path = if header(&answer, CONTENT_TYPE).starts_with("text/html") { "/" } else { "/assets/a-1.js" };
            let known = ask(path, &[(http::header::IF_NONE_MATCH, tag)]).unwrap();
            assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{tag}");
            assert!(header(&answer, CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self';"));
            assert_eq!(header(&answer, OPENER_POLICY), "same-origin");
        }
    }

    #[tokio::test]
    async fn the_form_that_the_browser_likes_best_is_sent_of_those_that_are_there() {
        for (accepted, encoding, body) in
            [("gzip, br, zstd", "br", "br"), ("gzip", "gzip", "gz"), ("zstd", "", "plain"), ("", "", "plain")]
        {
            let answer = ask("/assets/a-1.js", &[(ACCEPT_ENCODING, accepted)]).unwrap();
            assert_eq!((header(&answer, CONTENT_ENCODING), header(&answer, VARY)), (encoding, "accept-encoding"));
            assert_eq!(header(&answer, ETAG).starts_with("W/"), !encoding.is_empty());
            assert_eq!(axum::body::to_bytes(answer.into_body(), 99).await.unwrap(), body);
        }
    }

    #[test]
    fn no_page_is_a_page_for_people_and_a_problem_for_programs() {
        let status = |path, accepted| ask(path, &[(ACCEPT, accepted)]).map(|answer| answer.status());
        assert_eq!(status("/nothing", "text/html,*/*;q=0.8"), Some(StatusCode::NOT_FOUND));
        assert_eq!(status("/nothing", "*/*"), None);
        assert_eq!(status("/assets/b.js", "text/html"), None);
        assert_eq!(status("/robots.txt", "*/*"), Some(StatusCode::OK));
        let website = Website::of(FILES, None);
        assert!(page(&website, &Method::POST, &Uri::from_static("/"), &HeaderMap::new()).is_none());
    }

    #[test]
    fn a_relay_without_website_says_so_at_its_first_page() {
        let website = Website::of(&[], None);
        let answer = page(&website, &Method::GET, &Uri::from_static("/"), &HeaderMap::new()).unwrap();
        assert_eq!(
            (answer.status(), header(&answer, CONTENT_TYPE)),
            (StatusCode::NOT_FOUND, "text/plain; charset=utf-8")
        );
        assert!(page(&website, &Method::GET, &Uri::from_static("/vault"), &HeaderMap::new()).is_none());
    }
}
