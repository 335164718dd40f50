//! Checks that no pattern can express: checksums, ranges, neighbours. Each is a pure function of the candidate and
//! the text round it, and none allocates for a candidate that fails early.

mod iban;
mod numbers;
mod passwords;
mod tokens;
mod url;

use crate::rules::Validator;

/// A value in its text. The range lies on characters' boundaries and is not empty.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'t> {
    pub text: &'t str,
    pub start: usize,
    pub end: usize,
}

impl<'t> Candidate<'t> {
    pub fn value(&self) -> &'t str {
        &self.text[self.start..self.end]
    }

    /// The ASCII digits of the value.
    fn digits(&self) -> impl Iterator<Item = u8> + Clone + 't {
        self.value().bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0')
    }

    /// The byte `distance` before the value, from 1.
    fn before(&self, distance: usize) -> Option<u8> {
        self.start.checked_sub(distance).map(|at| self.text.as_bytes()[at])
    }

    /// The byte `distance` behind the value, from 1.
    fn after(&self, distance: usize) -> Option<u8> {
        self.text.as_bytes().get(self.end + distance - 1).copied()
    }
}

/// Whether a candidate passes.
pub(super) fn holds(validator: Validator, candidate: &Candidate<'_>) -> bool {
    match validator {
        Validator::Standalone => numbers::standalone(candidate),
        Validator::Card => numbers::card(candidate),
        Validator::Iban => iban::iban(candidate.value()),
        Validator::Ssn => numbers::ssn(candidate),
        Validator::Phone => numbers::phone(candidate),
        Validator::Ipv4 => numbers::ipv4(candidate.value()),
        Validator::GithubCrc => tokens::github_crc(candidate.value()),
        Validator::JwtHeader => tokens::jwt_header(candidate.value()),
        Validator::TokenShape => tokens::token_shape(candidate.value()),
        Validator::Random => tokens::random(candidate.value()),
        Validator::RandomMixed => tokens::random_mixed(candidate.value()),
        Validator::Password => passwords::password(candidate.value()),
        Validator::PasswordMixed => passwords::password_mixed(candidate.value()),
        Validator::SecretValue => passwords::secret_value(candidate.value()),
        Validator::DataQuery => url::data_query(candidate.value()),
    }
}
