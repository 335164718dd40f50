//! Tokens that carry their own proof, and the shape of those that do not.
//!
//! Nothing is asked of the service that would know them.

use super::super::radix;
use serde::Deserialize;

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// GitHub's and npm's tokens: after the prefix and its `_`, thirty characters and the CRC-32 of them in six digits of
/// base 62.
pub(super) fn github_crc(value: &str) -> bool {
    let Some((_, body)) = value.split_once('_') else { return false };
    let parts = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at));
    parts.is_some_and(|(random, checksum)| is_crc(random, checksum, BASE62))
}

/// Matrix' tokens, of Synapse and of its authentication service: behind the last `_` the CRC-32 of all before it, in six
/// digits of base 62.
pub(super) fn matrix_crc(value: &str) -> bool {
    value.rsplit_once('_').is_some_and(|(base, checksum)| checksum.len() == 6 && is_crc(base, checksum, BASE62))
}

/// GitLab's routable tokens: a payload in base64url, the version (from the second format on), and the length of the payload
/// in two digits of base 36; then the CRC-32 of all that in seven.
pub(super) fn gitlab_crc(value: &str) -> bool {
    let Some((base, checksum)) = value.len().checked_sub(7).and_then(|at| value.split_at_checked(at)) else {
        return false;
    };
    base.contains('.') && is_crc(base, checksum, BASE36)
}

/// Grafana's tokens of service accounts: behind the last `_` the CRC-32 of all before it, its bytes from the lowest, in
/// hexadecimal digits.
pub(super) fn grafana_crc(value: &str) -> bool {
    value.rsplit_once('_').is_some_and(|(base, checksum)| {
        let crc = crc32fast::hash(base.as_bytes()).swap_bytes();
        checksum.len() == 8 && u32::from_str_radix(checksum, 16) == Ok(crc)
    })
}

/// Whether digits of some base write the CRC-32 of a text, with zeros in front.
fn is_crc<const BASE: usize>(text: &str, checksum: &str, digits: &[u8; BASE]) -> bool {
    let mut crc = crc32fast::hash(text.as_bytes()) as usize;
    let is_written = checksum.bytes().rev().all(|byte| {
        let expected = digits[crc % BASE];
        crc /= BASE;
        byte == expected
    });
    is_written && crc == 0
}

/// Seeds of NATS: 36 bytes in base 32, of which the last two are the CRC-16 (polynomial 0x1021, from 0) of the others,
/// the lower first.
pub(super) fn nkey_crc(value: &str) -> bool {
    let bytes = unpacked(value, 5, |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    });
    let Some((key, checksum)) = bytes.as_deref().and_then(<[u8]>::split_last_chunk) else { return false };
    let crc = key.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc >> 15 == 1 { 0x1021 } else { 0 })
    });
    crc == u16::from_le_bytes(*checksum)
}

/// Sentry's tokens of organisations: between the prefix and the random part a claim in base64 that names the organisation
/// and when it was made.
pub(super) fn sentry_claim(value: &str) -> bool {
    #[derive(Deserialize)]
    struct Claim {
        iat: f64,
        org: String,
    }
    let claim = value.split_once('_').and_then(|(_, rest)| rest.rsplit_once('_')).map(|(claim, _)| claim);
    let json = claim.and_then(|claim| base64(claim.trim_end_matches('=')));
    let claim = json.and_then(|json| serde_json::from_slice::<Claim>(&json).ok());
    claim.is_some_and(|claim| claim.iat > 0.0 && !claim.org.is_empty())
}

/// The first segment of a JSON web token is an object in base64 that names an algorithm.
pub(super) fn jwt_header(value: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let Some((header, _)) = value.split_once('.') else { return false };
    let Some(json) = base64(header) else { return false };
    serde_json::from_slice::<Header>(&json).is_ok_and(|header| !header.alg.is_empty())
}

/// Decodes base64 of either alphabet, without padding; `None` when it is none.
fn base64(text: &str) -> Option<Vec<u8>> {
    unpacked(text, 6, radix::base64_digit)
}

fn unpacked(text: &str, digit_bits: u32, digit: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    radix::unpack(text.as_bytes(), digit_bits, digit, &mut out)?;
    Some(out)
}

/// Random tokens have digits among letters, or both cases, and are neither paths nor dotted names nor words joined by hyphens.
pub(super) fn token_shape(value: &str) -> bool {
    let (digits, letters, joints) = kinds(value);
    (digits >= 2 || is_mixed(value)) && letters >= 2 && joints * 8 <= value.len()
}

/// Digits, letters, and what joins words and paths.
fn kinds(value: &str) -> (usize, usize, usize) {
    let count = |is: fn(&u8) -> bool| value.bytes().filter(is).count();
    let joints = value.bytes().filter(|byte| matches!(byte, b'.' | b'/' | b'-' | b'_')).count();
    (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic), joints)
}

/// More digits and fewer joints than names and paths have.
pub(super) fn random(value: &str) -> bool {
    let (digits, letters, joints) = kinds(value);
    (digits >= 3 || is_mixed(value)) && letters >= 3 && joints * 10 <= value.len()
}

/// Upper and lower case as chance mixes them, in a value that may have no digit: of names in camel case far fewer letters
/// are capitals.
pub(super) fn is_mixed(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.bytes().filter(is).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    upper + lower >= 16 && upper * 10 >= (upper + lower) * 3 && lower * 10 >= (upper + lower) * 3
}

/// Random, in upper and lower case as well as digits.
pub(super) fn random_mixed(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.bytes().filter(is).count();
    count(u8::is_ascii_digit) >= 3
        && random(value)
        && count(u8::is_ascii_uppercase) >= 3
        && count(u8::is_ascii_lowercase) >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_tokens() {
        // GitHub's documentation shows this one.
        assert!(github_crc("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"));
        assert!(!github_crc("ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18"));
        assert!(!github_crc("ghp_"));
        assert!(!github_crc("ghp_é"));
        assert!(!github_crc("nothing"));
    }

    /// Made by another implementation of what the vendors' sources say; and each with one character changed.
    #[test]
    fn tokens_carry_their_own_proof() {
        type Check = fn(&str) -> bool;
        let table: &[(Check, &str)] = &[
            (matrix_crc, "mat_WiL9dv4wtfUQ1VQ3OZRkt4aQng5VP2_1bDecR"),
            (matrix_crc, "syt_bGVkZ2VyYm90_fqXZZLTtrKieNQrCIuis_3FXIvN"),
            (gitlab_crc, "glpat-tXDHCs77EeND_Ni7kaOyXW86MQp1OjRmMgk.01.0z1nivzg9"),
            (gitlab_crc, "glpat-sy-7DaGPrIxg1ox2b5vJjWM6MQpvOjEKcDoyYQp1OjFiEQ.1a0ip3plz"),
            (grafana_crc, "glsa_4GjUQg1AoeaSYeUXzENOjqnMD8v0OmeH_36b7e5c8"),
            (nkey_crc, "SUAA6EDX7SNSJQT7KB6G5I5YCSGV27OJPR56TL4BM6P65YAUZDDA3ZD3WY"),
            (nkey_crc, "SOAO6VQJR2BF5BLCSZMJIUU6M5QOLVDZVRWTGAVOSCLR2DQBMBOJS4KNIQ"),
        ];
        for (check, token) in table {
            assert!(check(token), "{token}");
            for at in [6, token.len() - 3] {
                let other = if token.as_bytes()[at] == b'2' { "3" } else { "2" };
                let changed = [&token[..at], other, &token[at + 1..]].concat();
                assert!(!check(&changed), "{changed}");
            }
            assert!(!check(""));
            assert!(!check("é"));
            assert!(!check("_é"));
        }
    }

    #[test]
    fn claims_of_tokens() {
        // {"iat":1764490000.25,"url":"https://sentry.io","org":"acme"}, and without `org`.
        let claim = "eyJpYXQiOjE3NjQ0OTAwMDAuMjUsInVybCI6Imh0dHBzOi8vc2VudHJ5LmlvIiwib3JnIjoiYWNtZSJ9";
        assert!(sentry_claim(&format!("sntrys_{claim}_KvsYFJGufE0w6HjwXmDMwmctuUHtirNLU09X0fmnR7n")));
        assert!(!sentry_claim("sntrys_eyJpYXQiOjE3NjQ0OTAwMDAuMjV9_KvsYFJGufE0w6HjwXmDMwmctuUHtirNLU09X0fmnR7n"));
        assert!(!sentry_claim("sntrys_eyJ_x"));
        assert!(!sentry_claim("é"));
    }

    #[test]
    fn headers_of_tokens() {
        assert!(jwt_header("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.sig"));
        assert!(!jwt_header("eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhIn0.sig"));
        assert!(!jwt_header("eyJhbGciOiJIUzI1NiJ.x.y"));
        assert!(!jwt_header("é.x.y"));
    }

    #[test]
    fn random_values() {
        for (value, is_random, is_mixed) in [
            ("t7Qm2xWv9LpZ4rYc8NsB", true, true),
            ("9c1f4e7ab2d85306f1e4a7c90b3d6e82", true, false),
            ("internationalization_v22", false, false),
            ("data/2024/10/weather/x1", false, false),
            ("12345678901234567890", false, false),
            ("wKpXQzRtYmBnLcJsHdGfAe", true, false),
            ("getUserAccountTokenFromService", false, false),
        ] {
            assert_eq!((random(value), random_mixed(value)), (is_random, is_mixed), "{value}");
        }
    }

    #[test]
    fn shapes_of_tokens() {
        for (value, expected) in [
            ("q8ZrT2vNw4KxLm7Pd0Ys", true),
            ("3f2b8c1e-9a7d-4c55-8e21-0d4f6b7a9c13", true),
            ("my-service-account-name-2024", false),
            ("config.default.settings.v2", false),
            ("aaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(token_shape(value), expected, "{value}");
        }
    }
}
