//! Whether what stands where a password should be is one, and not a name, a path or a placeholder.
//!
//! Passwords are anything; what they are not can be told: an expression of code, a word for a password.

use super::tokens;

/// What is written where a password belongs and is none, in lower case.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "string",
    "text",
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "required",
    "optional",
    "hidden",
    "input",
    "varchar",
    "change",
    "user",
    "username",
    "email",
    "test",
    "mypassword",
    "my_password",
    "newpassword",
    "new_password",
    "oldpassword",
    "old_password",
    "confirmpassword",
    "confirm_password",
    "secretkey",
    "secret_key",
    "password123",
    "type",
    "name",
];

/// No word for a password, and no names joined by dots, as code has them.
pub(super) fn password(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    !WORDS.contains(&lower.as_str())
        && !is_expression(value)
        && !is_constant(value)
        && !value.starts_with(['$', '%', '{', '<', '['])
}

/// As [`password`], and with digits or signs among letters, as words have not.
pub(super) fn password_mixed(value: &str) -> bool {
    let has_letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let has_other =
        value.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'!'..=b'-' | b'?' | b'@' | b'^' | b'~'));
    has_letter && has_other && password(value)
}

/// Least digits of a secret that has nothing else: shorter numbers are counts, years and ids.
const NUMBER_MIN_DIGITS: usize = 15;

/// As [`password_mixed`], or a long number, or letters as chance mixes them.
pub(super) fn secret_value(value: &str) -> bool {
    let is_number = value.len() >= NUMBER_MIN_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number || password_mixed(value) || tokens::is_mixed(value) && password(value)
}

/// The name of a variable of the environment: `DB_PASSWORD`.
fn is_constant(value: &str) -> bool {
    value.contains('_') && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Names joined by dots, colons or arrows: `config.db.password`, `os.environ`, `Foo::BAR`.
fn is_expression(value: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let value = value.trim_end_matches("()");
    let parts: Vec<&str> = value.split(['.', ':']).filter(|part| !part.is_empty()).collect();
    parts.len() > 1 && parts.into_iter().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_no_names() {
        for (value, is_password, is_mixed) in [
            ("harvest$Moon7", true, true),
            ("hunter22", true, true),
            ("open-sesame", true, true),
            ("thisisours", true, false),
            ("Password", false, false),
            ("config.db.password", false, false),
            ("self.password_2", false, false),
            ("os.environ()", false, false),
            ("Foo::BAR", false, false),
            ("$PASSWORD", false, false),
            ("{password}", false, false),
            ("CF_R2_ACCESS_KEY", false, false),
        ] {
            assert_eq!((password(value), password_mixed(value)), (is_password, is_mixed), "{value}");
        }
    }
}
