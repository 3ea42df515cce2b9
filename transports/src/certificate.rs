//! When a certificate ends, read from a PEM file. Nothing else of it is looked at: TLS checks it when it is used.

use std::path::Path;

use depsync_engine::error::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The tags that are met on the way.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When the first of the certificates in `path` to end does so.
///
/// # Errors
/// [`ErrorKind::Usage`] if the file cannot be read, or holds no certificate.
pub fn end(path: &Path) -> Result<Timestamp> {
    let unusable =
        |why: String| Error::new(ErrorKind::Usage, format!("no PEM file with certificates: {why}")).at(path.display());
    // Read first, so that a missing file is not called a bad one.
    std::fs::File::open(path)
        .map_err(|source| Error::io("read the certificate", path.display(), source).with_kind(ErrorKind::Usage))?;
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unusable(source.to_string()))?;
    let ends: Option<Vec<Timestamp>> = certificates.iter().map(|certificate| not_after(certificate)).collect();
    let ends = ends.ok_or_else(|| unusable("one of them says no time that can be read".to_owned()))?;
    ends.into_iter().min().ok_or_else(|| unusable("there is none in it".to_owned()))
}

/// `Certificate ::= { { [0] version, serial, algorithm, issuer, { notBefore, notAfter }, … } … }`
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, after_version) = element(signed)?;
    let mut rest = if tag == VERSION { after_version } else { signed };
    for _ in ["serial", "algorithm", "issuer"] {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    let (_, _, after_begin) = element(validity).filter(|_| tag == SEQUENCE)?;
    let (tag, end, _) = element(after_begin)?;
    time(tag, std::str::from_utf8(end).ok()?)
}

/// The first element: its tag, what is in it, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], mut rest) = der.split_first_chunk()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        let bytes = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = &rest[count..];
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ` (1950 to 2049) or `YYYYMMDDhhmmssZ`.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let text = match (tag, text.get(..2)) {
        (UTC_TIME, Some(year)) => format!("{}{text}", if year < "50" { "20" } else { "19" }),
        (GENERALIZED_TIME, Some(_)) => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `openssl req -x509 -newkey ed25519 -noenc -days 1 -subj /CN=a`, with the clock at the day before.
    const TIMES: [(&str, &str); 2] = [
        (
            "UTC",
            "-----BEGIN CERTIFICATE-----\n\
        MIIBLDCB36ADAgECAhQXiJNZ58OBEvfQ7uubMiACghugTjAFBgMrZXAwDDEKMAgGA1UEAwwBYTAeFw0zMTA1MDUwNzA4MDlaFw0z\
        MTA1MDYwNzA4MDlaMAwxCjAIBgNVBAMMAWEwKjAFBgMrZXADIQDQUjMx4mQKeIG+hIOhw5kV56Wkhf0FkT/NWr2dkM28QaNTMFEw\
        HQYDVR0OBBYEFE4C9JN6iF8P8XaiC3Jasjzq6ot/MB8GA1UdIwQYMBaAFE4C9JN6iF8P8XaiC3Jasjzq6ot/MA8GA1UdEwEB/wQF\
        MAMBAf8wBQYDK2VwA0EAr3rRH0mNYM0mMf2hqWYw4CxG3AS7NFJWMKUa6hgIHyh6Yioe6hwtj0UTheVreUoIk/DKKkrI9C/XdHYN\
        5BGMAQ==\n-----END CERTIFICATE-----\n",
        ),
        (
            "general",
            "-----BEGIN CERTIFICATE-----\n\
        MIIBMDCB46ADAgECAhQsbOdGRE9pckA89eEi6dJfmQ/hDDAFBgMrZXAwDDEKMAgGA1UEAwwBYTAiGA8yMDYxMDUwNTA3MDgwOVoY\
        DzIwNjEwNTA2MDcwODA5WjAMMQowCAYDVQQDDAFhMCowBQYDK2VwAyEAePbbG65YPjYvJFOqNVzPVuetWRoPMtuAGADdMdmdTjKj\
        UzBRMB0GA1UdDgQWBBSP1mphIwyifjHYyft2sj2anEz3HjAfBgNVHSMEGDAWgBSP1mphIwyifjHYyft2sj2anEz3HjAPBgNVHRMB\
        Af8EBTADAQH/MAUGAytlcANBACoYNgM7XnqLLbtRJBEUUA/LvDYaaOWZI8VQzJ9LFUllhmAxPwIX0fBBPsGZyRm3ds1jA3JerG2A\
        R1yh4doJIQk=\n-----END CERTIFICATE-----\n",
        ),
    ];

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        let place = tempfile::tempdir().expect("a directory");
        let ends = |text: &str| {
            let path = place.path().join("c.pem");
            std::fs::write(&path, text).expect("written");
            end(&path)
        };
        for ((name, pem), wanted) in TIMES.into_iter().zip(["2031-05-06T07:08:09Z", "2061-05-06T07:08:09Z"]) {
            assert_eq!(ends(pem).expect(name).to_string(), wanted);
        }
        let both = format!("{}{}", TIMES[1].1, TIMES[0].1);
        assert_eq!(ends(&both).expect("both").to_string(), "2031-05-06T07:08:09Z", "the first to end");
        for bad in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"] {
            assert_eq!(ends(bad).expect_err(bad).kind(), ErrorKind::Usage);
        }
        assert_eq!(end(&place.path().join("none")).expect_err("missing").kind(), ErrorKind::Usage);
    }

    #[test]
    fn what_is_cut_or_made_up_is_no_time() {
        let der = CertificateDer::from_pem_slice(TIMES[0].1.as_bytes()).expect("a certificate");
        assert!(not_after(&der).is_some());
        for length in 0..90 {
            assert_eq!(not_after(&der[..length]), None);
        }
        for bad in
            [&[0x30, 0x85, 1, 1, 1, 1, 1][..], &[0x30, 0x80], &[0x30, 0xff], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(not_after(bad), None);
        }
        assert_eq!(time(UTC_TIME, "991301000000Z"), None);
        assert!(time(UTC_TIME, "990101000000Z").is_some_and(|time| time.to_string().starts_with("1999")));
    }
}
