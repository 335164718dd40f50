//! Tokens that carry their own proof, and the shape of those that do not.
//!
//! Nothing is asked of the service that would know them.

use serde::Deserialize;

/// CRC-32 (reflected, polynomial 0xEDB88320), one entry a byte.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// GitHub's and npm's tokens: after the prefix and its `_`, thirty characters and the CRC-32 of them in six digits of
/// base 62.
pub(super) fn github_crc(value: &str) -> bool {
    let Some((_, body)) = value.split_once('_') else { return false };
    let Some((random, checksum)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else {
        return false;
    };
    let mut crc =
        random.bytes().fold(u32::MAX, |crc, byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8) ^ u32::MAX;
    checksum.bytes().rev().all(|byte| {
        let expected = BASE62[(crc % 62) as usize];
        crc /= 62;
        byte == expected
    })
}

/// The first segment of a JSON web token is an object in base64url that names an algorithm.
pub(super) fn jwt_header(value: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let Some((header, _)) = value.split_once('.') else { return false };
    let Some(json) = base64url(header) else { return false };
    serde_json::from_slice::<Header>(&json).is_ok_and(|header| !header.alg.is_empty())
}

/// Decodes base64url without padding; `None` when it is none.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
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
