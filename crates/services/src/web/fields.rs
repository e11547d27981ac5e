//! What a form's request says: a body of at most [`LONGEST`] bytes as browsers encode forms
//! (`application/x-www-form-urlencoded`, WHATWG URL 5.1), read strictly. What a browser wouldn't send is refused,
//! never guessed at.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// The body of a request. The longest form has twenty registers: under 2 KiB as shipped.
const LONGEST: usize = 16 * 1024;
/// Fields of a form: twice those of the longest.
const MOST: usize = 64;
/// From the end of a request's head to the end of its body. A form is a packet or two.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What is read and thrown away of a body that is too long, so that a client still sending it gets to read why.
const DISCARDED: usize = 256 * 1024;
/// A name is repeated in a sentence up to this length.
const SHOWN: usize = 60;
const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form, each once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

/// Why a request isn't a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FieldsError {
    #[error("a form comes as {FORM}: send it so")]
    Kind,
    #[error("a form has at most {LONGEST} bytes: this one is longer")]
    TooLong,
    #[error("a form comes within {} seconds: this one stopped in the middle, so nothing was done", PATIENCE.as_secs())]
    Slow,
    #[error("the form ended in the middle, so nothing was done")]
    Cut,
    #[error("the form can't be read: its fields are percent-encoded UTF-8")]
    Encoding,
    #[error("a form has at most {MOST} fields: this one has more")]
    TooMany,
    #[error("the form has the field \"{0}\" twice, so nothing was done")]
    Twice(String),
    #[error("this form has no field \"{0}\", so nothing was done: load it again")]
    Unknown(String),
}

impl FieldsError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Kind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl Fields {
    /// Reads the body of a request.
    pub async fn read(headers: &HeaderMap, body: Body) -> Result<Self, FieldsError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(FORM)
            || headers.get_all(CONTENT_TYPE).iter().count() != 1
            || headers.contains_key(CONTENT_ENCODING)
        {
            return Err(FieldsError::Kind);
        }
        let body = timeout(PATIENCE, whole(body)).await.map_err(|_| FieldsError::Slow)??;
        Self::parse(&body)
    }

    /// Reads the encoded fields.
    pub fn parse(body: &[u8]) -> Result<Self, FieldsError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MOST {
                return Err(FieldsError::TooMany);
            }
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let mut part = || decoded(parts.next().unwrap_or_default());
            let (name, value) = (part()?, part()?);
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(FieldsError::Twice(shown(&name)));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Nothing may be left that the form doesn't have.
    pub fn nothing_else(&self) -> Result<(), FieldsError> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(FieldsError::Unknown(shown(name))))
    }
}

async fn whole(mut body: Body) -> Result<Vec<u8>, FieldsError> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| FieldsError::Cut)?.into_data() else { continue };
        length += data.len();
        if length <= LONGEST {
            bytes.extend_from_slice(&data);
        } else if length > LONGEST + DISCARDED {
            break;
        }
    }
    if length > LONGEST { Err(FieldsError::TooLong) } else { Ok(bytes) }
}

/// A plus sign is a blank, and `%` comes with two hexadecimal digits.
fn decoded(encoded: &[u8]) -> Result<String, FieldsError> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).ok_or(FieldsError::Encoding);
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => (digit(rest.next())? * 16 + digit(rest.next())?) as u8,
            plain => *plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| FieldsError::Encoding)
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    #[test]
    fn what_a_browser_sends_is_read_and_anything_else_refused() {
        let fields = Fields::parse(b"Power+Meter+1%2FPT+Prim=120&Owner=Stadtwerke+K%C3%B6ln+%2b&empty=&bare").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("Power Meter 1/PT Prim", "120"),
            pair("Owner", "Stadtwerke Köln +"),
            pair("empty", ""),
            pair("bare", ""),
        ];
        assert_eq!(fields.0, expected);
        assert_eq!(Fields::parse(b"a=b=c").unwrap().0, [pair("a", "b=c")]);
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "%ff=1", "a=%c3%28", "a=%ed%a0%80"] {
            assert_eq!(Fields::parse(bad.as_bytes()), Err(FieldsError::Encoding), "{bad}");
        }
        assert_eq!(Fields::parse(b"a=\xff"), Err(FieldsError::Encoding));
        assert_eq!(Fields::parse(b"a=1&%61=2"), Err(FieldsError::Twice("a".into())));
        let many: Vec<String> = (0..=MOST).map(|n| format!("f{n}=")).collect();
        assert_eq!(Fields::parse(many.join("&").as_bytes()), Err(FieldsError::TooMany));
        assert!(Fields::parse(many[1..].join("&").as_bytes()).is_ok());
        assert!(Fields::parse(&[b'&'; LONGEST]).unwrap().0.is_empty());
        let long = Fields::parse("n".repeat(5000).as_bytes()).unwrap().nothing_else().unwrap_err().to_string();
        assert!(long.len() < 150, "{long}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_fields_or_a_sentence(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Fields::parse(&bytes);
        }

        #[test]
        fn what_is_encoded_is_read_back(name in "\\PC{1,20}", value in any::<String>()) {
            let mut fields = Fields::parse(format!("{}={}", encoded(&name), encoded(&value)).as_bytes()).unwrap();
            prop_assert_eq!(fields.take(&name), Some(value));
            prop_assert_eq!(fields.nothing_else(), Ok(()));
        }
    }
}
