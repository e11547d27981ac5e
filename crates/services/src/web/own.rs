//! Whether a change is its client's own wish. A browser sends its user's HTTP Basic login along with whatever any page
//! makes it send, so a login proves nothing about who asked for a change. Two things do, and every write needs both:
//! it comes from a page of this very meter ([`same_origin`]), and it carries the [`Seal`] of a form that this meter
//! has shown to this login. Reading is never decided here.

use std::net::IpAddr;

use axum::http::header::{HOST, HeaderName, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac as _};
use security::Who;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::forms::Form;

/// What browsers say of where a request comes from (Fetch Metadata), over connections that they trust.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a write is nobody's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Foreign {
    #[error("this change comes from a page that is not this meter's, so nothing was done: use the meter's own pages")]
    Origin,
    #[error("a change says in one Host header which meter it is for, and this one doesn't, so nothing was done")]
    Host,
    #[error(
        "without a login the meter takes changes only under its address or its Host Name, so nothing was done: under \
         another name it could be somebody else's page"
    )]
    Name,
    #[error(
        "this change doesn't come from a form that the meter has shown to this login, so nothing was done: load the form again"
    )]
    Seal,
}

/// Whether a request comes from a page of the meter that it is sent to, as far as it says where it comes from.
///
/// Browsers name the origin with every write; those of before 2010 only the page (Referer). What names neither is no
/// browser, and can't have the seal unless it has asked for the form itself.
pub(super) fn same_origin(request: &Parts) -> Result<(), Foreign> {
    let headers = &request.headers;
    let host = host(request)?;
    let same = |header: &HeaderValue, own: &dyn Fn(&str) -> bool| header.to_str().is_ok_and(own);
    // `null` is an origin too: that of a page which has none to tell.
    let origin = |origin: &str| origin.strip_prefix("http://").is_some_and(|origin| names_alike(origin, &host));
    let page = |page: &str| {
        let authority = page.strip_prefix("http://").and_then(|page| page.split(['/', '?', '#']).next());
        authority.is_some_and(|authority| names_alike(authority, &host))
    };
    let site = |site: &str| site == "same-origin";
    let all = |name: HeaderName, own: &dyn Fn(&str) -> bool| headers.get_all(name).iter().all(|one| same(one, own));
    let named = headers.contains_key(ORIGIN) || all(REFERER, &page);
    if named && all(ORIGIN, &origin) && all(SEC_FETCH_SITE, &site) { Ok(()) } else { Err(Foreign::Origin) }
}

/// Whether the meter is called what it may be called where something is changed: by an address, as on its own machine,
/// or by its Host Name. A name that somebody else owns could be made to lead to the meter (DNS rebinding), and then
/// their page would be of the meter's origin; with a login too, if they know one: a factory password is known to all.
pub(super) fn called_by_its_name(headers: &HeaderMap, host_name: &str) -> Result<(), Foreign> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).ok_or(Foreign::Host)?;
    let authority: Authority = host.parse().map_err(|_| Foreign::Host)?;
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let own = ["localhost", host_name].iter().any(|own| name.eq_ignore_ascii_case(own));
    if address || own { Ok(()) } else { Err(Foreign::Name) }
}

/// The one host that a request names. A target that names a host as well must name the same.
fn host(request: &Parts) -> Result<String, Foreign> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Foreign::Host) };
    let host = host.to_str().map_err(|_| Foreign::Host)?;
    let target = request.uri.authority().is_none_or(|target| names_alike(target.as_str(), host));
    if target && !host.is_empty() { Ok(host.to_owned()) } else { Err(Foreign::Host) }
}

/// Names are compared without case, and port 80 needn't be told.
fn names_alike(one: &str, other: &str) -> bool {
    let short = |name: &str| name.strip_suffix(":80").unwrap_or(name).to_ascii_lowercase();
    short(one) == short(other)
}

/// Marks the forms that a meter shows. Each start of the web server has a key of its own.
pub(super) struct Seal(Zeroizing<[u8; 32]>);

impl Seal {
    /// `key` is random.
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The mark of a form as it was shown: to whom, and as of which state of the meter.
    pub fn mark(&self, form: Form, who: Who, state: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(form, who, state).finalize().into_bytes())
    }

    /// Whether a mark is this form's, in a time that tells nothing about it.
    pub fn fits(&self, form: Form, who: Who, state: &str, mark: &str) -> bool {
        let mark = URL_SAFE_NO_PAD.decode(mark);
        mark.is_ok_and(|mark| self.mac(form, who, state).verify_slice(&mark).is_ok())
    }

    fn mac(&self, form: Form, who: Who, state: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("a key of any length is taken");
        mac.update(format!("wattkeep form\0{}\0{who}\0{state}", form.path()).as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use security::UserId;

    use super::*;

    fn request(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method("POST").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_write_comes_from_a_page_of_the_host_it_is_sent_to() {
        const OWN: (&str, &str) = ("host", "10.1.2.3:8080");
        type Row<'a> = (&'a [(&'a str, &'a str)], Result<(), Foreign>);
        let rows: &[Row<'_>] = &[
            (&[OWN, ("origin", "http://10.1.2.3:8080")], Ok(())),
            (&[OWN, ("origin", "HTTP://10.1.2.3:8080")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3:8080"), ("sec-fetch-site", "same-origin")], Ok(())),
            (&[OWN, ("referer", "http://10.1.2.3:8080/SetupClock.html?x")], Ok(())),
            (&[OWN], Ok(())),
            (&[("host", "Meter"), ("origin", "http://meter:80")], Ok(())),
            (&[("host", "meter:80"), ("origin", "http://meter")], Ok(())),
            (&[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")], Ok(())),
            (&[OWN, ("origin", "null")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://evil.example")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3:80")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "https://10.1.2.3:8080")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3:8080.evil.example")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3:8080@evil.example")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://evil.example"), ("origin", "http://10.1.2.3:8080")], Err(Foreign::Origin)),
            (&[OWN, ("referer", "http://evil.example/http://10.1.2.3:8080/")], Err(Foreign::Origin)),
            (&[OWN, ("referer", "http://10.1.2.3:8080@evil.example/")], Err(Foreign::Origin)),
            (&[OWN, ("referer", "about:blank")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "null"), ("referer", "http://10.1.2.3:8080/")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3:8080"), ("sec-fetch-site", "cross-site")], Err(Foreign::Origin)),
            (&[OWN, ("origin", "http://10.1.2.3:8080"), ("sec-fetch-site", "same-site")], Err(Foreign::Origin)),
            (&[OWN, ("sec-fetch-site", "none")], Err(Foreign::Origin)),
            (&[("origin", "http://10.1.2.3:8080")], Err(Foreign::Host)),
            (&[OWN, OWN, ("origin", "http://10.1.2.3:8080")], Err(Foreign::Host)),
            (&[("host", ""), ("origin", "http://")], Err(Foreign::Host)),
        ];
        for (headers, expected) in rows {
            assert_eq!(same_origin(&request("/SetupClock.html", headers)), *expected, "{headers:?}");
        }
        let absolute = |target: &str| same_origin(&request(target, &[OWN, ("origin", "http://10.1.2.3:8080")]));
        assert_eq!(absolute("http://10.1.2.3:8080/SetupClock.html"), Ok(()));
        assert_eq!(absolute("http://evil.example/SetupClock.html"), Err(Foreign::Host));
    }

    #[test]
    fn without_a_login_only_a_name_that_nobody_else_can_have_will_do() {
        let called =
            |host: &str| called_by_its_name(&request("/", &[("host", host)]).headers, "meter17.utility.example");
        for own in ["127.0.0.1:8080", "10.0.0.5", "[fe80::1]:80", "localhost:8080", "Meter17.Utility.example:8080"] {
            assert_eq!(called(own), Ok(()), "{own}");
        }
        for other in
            ["evil.example", "127.0.0.1.evil.example:8080", "meter17.utility.example.evil.example", "2130706433"]
        {
            assert_eq!(called(other), Err(Foreign::Name), "{other}");
        }
        assert_eq!(called(""), Err(Foreign::Host));
    }

    #[test]
    fn a_mark_is_one_forms_for_one_login_as_of_one_state_under_one_key() {
        let seal = |byte| Seal::new(Zeroizing::new([byte; 32]));
        let (user1, user2) = (Who::User(UserId::new(1).unwrap()), Who::User(UserId::new(2).unwrap()));
        let mark = seal(7).mark(Form::Clock, user1, "12");
        assert!(seal(7).fits(Form::Clock, user1, "12", &mark));
        assert!(!seal(8).fits(Form::Clock, user1, "12", &mark));
        assert!(!seal(7).fits(Form::Demand, user1, "12", &mark));
        assert!(!seal(7).fits(Form::Clock, user2, "12", &mark));
        assert!(!seal(7).fits(Form::Clock, user1, "13", &mark));
        for bad in ["", "AAAA", "?", &mark[1..], &format!("{mark}A")] {
            assert!(!seal(7).fits(Form::Clock, user1, "12", bad), "{bad}");
        }
    }
}
