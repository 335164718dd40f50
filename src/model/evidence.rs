//! The one way from raw text into what is kept: a mask that shows too little to be used, and keyed hashes for
//! telling whether two values or two parts are the same.
//!
//! Values of hits are hashed by HMAC-SHA-256, since they may be guessed (a card number has few possibilities);
//! parts, of which there are many and long ones, by a fast keyed 128-bit hash. Without a key there are no hashes.

use super::{Mask, Raw};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128_with_secret;

/// What is kept of a value: see [`Mask`] for how much of it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub masked: String,
    /// First 128 bits of the HMAC-SHA-256 of the value; all zero without a key.
    pub hmac: [u8; 16],
}

/// The key of every hash, and what is derived from it. Has no `Debug`.
#[derive(Clone)]
pub struct MaskKey(Option<Keys>);

#[derive(Clone)]
struct Keys {
    mac: Hmac<Sha256>,
    /// xxh3 takes a secret of at least 136 bytes.
    part_secret: [u8; 192],
    id: String,
}

impl MaskKey {
    /// No key: hashes stay empty.
    pub fn none() -> Self {
        MaskKey(None)
    }

    /// From the bytes of a key file. Surrounding white space does not count, so that an editor's newline does
    /// not make another key.
    pub fn new(key: &[u8]) -> Self {
        let key = key.trim_ascii();
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
        let mut part_secret = [0; 192];
        for (index, chunk) in part_secret.chunks_mut(32).enumerate() {
            let mut derived = mac.clone();
            derived.update(b"weir part hash");
            derived.update(&[index as u8]);
            chunk.copy_from_slice(&derived.finalize().into_bytes());
        }
        let digest = Sha256::digest([b"weir key id", key].concat());
        let id = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        MaskKey(Some(Keys { mac, part_secret, id }))
    }

    /// Names the key beside every hash made with it; empty without a key. It tells nothing about the key.
    pub fn id(&self) -> &str {
        self.0.as_ref().map_or("", |keys| &keys.id)
    }

    /// HMAC-SHA-256, first 128 bits; zero without a key.
    pub fn value_hash(&self, value: &[u8]) -> [u8; 16] {
        let Some(keys) = &self.0 else { return [0; 16] };
        let mut mac = keys.mac.clone();
        mac.update(value);
        mac.finalize().into_bytes()[..16].try_into().expect("SHA-256 gives 32 bytes")
    }

    /// The identity of a part's text; zero without a key.
    pub fn part_hash(&self, text: Raw<'_>) -> [u8; 16] {
        let Some(keys) = &self.0 else { return [0; 16] };
        xxh3_128_with_secret(text.expose().as_bytes(), &keys.part_secret).to_be_bytes()
    }
}

impl Evidence {
    /// Masks a value.
    pub fn new(value: Raw<'_>, mask: Mask, key: &MaskKey) -> Self {
        Evidence { masked: masked(value.expose(), mask), hmac: key.value_hash(value.expose().as_bytes()) }
    }
}

/// A name for a secret that stands where a name was expected: its mask and, with a key, the beginning of its hash,
/// so that the same secret has the same name and two secrets hardly ever do: `sk-a********9XYZ#3fa2b1c4`. Without one
/// secrets of one mask have one name.
pub fn alias(value: &str, mask: Mask, key: &MaskKey) -> String {
    let mut alias = masked(value, mask);
    if !key.id().is_empty() {
        alias.push('#');
        for byte in &key.value_hash(value.as_bytes())[..4] {
            alias.push_str(&format!("{byte:02x}"));
        }
    }
    alias
}

/// How many Unicode scalars stand before a byte offset of a text.
pub(super) fn scalars(text: Raw<'_>, byte: u32) -> u32 {
    let head = &text.expose().as_bytes()[..byte as usize];
    // Every byte but a continuation byte begins a scalar.
    head.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32
}

/// Shows the ends that `mask` allows and one `*` for each character between, at most eight.
fn masked(value: &str, mask: Mask) -> String {
    let length = value.chars().count();
    match mask {
        Mask::Length => format!("[{length} characters]"),
        Mask::Email => masked_email(value),
        Mask::LastFour => masked_digits(value),
        Mask::Ends => match length {
            0..8 => stars(length),
            8..16 => ends(value, length, 2, 0),
            _ => ends(value, length, 4, 4),
        },
    }
}

fn stars(count: usize) -> String {
    "*".repeat(count.min(8))
}

fn ends(value: &str, length: usize, first: usize, last: usize) -> String {
    let head: String = value.chars().take(first).collect();
    let tail: String = value.chars().skip(length - last).collect();
    format!("{head}{}{tail}", stars(length - first - last))
}

/// The last four digits of at least twelve; of fewer the last two of at least eight; else nothing.
fn masked_digits(value: &str) -> String {
    let digits: Vec<char> = value.chars().filter(char::is_ascii_alphanumeric).collect();
    let shown = match digits.len() {
        12.. => 4,
        8.. => 2,
        _ => 0,
    };
    let (hidden, tail) = digits.split_at(digits.len() - shown);
    format!("{}{}", stars(hidden.len()), tail.iter().collect::<String>())
}

/// `a***@***.com`: the first character and the last label.
fn masked_email(value: &str) -> String {
    let Some((local, domain)) = value.rsplit_once('@') else { return stars(value.chars().count()) };
    let first = local.chars().next().filter(|_| local.chars().count() > 2);
    let label = domain.rsplit_once('.').map_or("", |(_, label)| label);
    format!("{}***@***.{label}", first.map(String::from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_show_too_little_to_be_used() {
        let table = [
            (Mask::Ends, "AKIAZ7QXW3RT5YPL2MND", "AKIA********2MND"),
            (Mask::Ends, "tooshort", "to******"),
            (Mask::Ends, "short", "*****"),
            (Mask::Ends, "äöüäöüäöüäöüäöüß", "äöüä********äöüß"),
            (Mask::LastFour, "4539 1488 0343 6467", "********6467"),
            (Mask::LastFour, "219-09-9999", "*******99"),
            (Mask::LastFour, "12-34", "****"),
            (Mask::Email, "jane.roe@mail.acme.io", "j***@***.io"),
            (Mask::Email, "jr@acme.io", "***@***.io"),
            (Mask::Email, "no address", "********"),
            (Mask::Length, "hunter2 hunter2", "[15 characters]"),
        ];
        for (mask, value, expected) in table {
            assert_eq!(Evidence::new(Raw::new(value), mask, &MaskKey::none()).masked, expected);
        }
    }

    #[test]
    fn only_a_key_tells_secrets_of_one_mask_apart() {
        let names = |key: &MaskKey| ["hunter2", "letmein"].map(|secret| alias(secret, Mask::Length, key));
        let [one, other] = names(&MaskKey::none());
        assert!(one == "[7 characters]" && one == other);
        let [one, other] = names(&MaskKey::new(b"0123456789abcdef"));
        assert!(one != other && one.starts_with("[7 characters]#"), "{one}, {other}");
    }

    #[test]
    fn hashes_depend_on_the_key_and_are_empty_without_one() {
        let (a, b) = (MaskKey::new(b"0123456789abcdef\n"), MaskKey::new(b"fedcba9876543210"));
        assert_eq!(a.id(), MaskKey::new(b"0123456789abcdef").id());
        assert_ne!(a.value_hash(b"x"), b.value_hash(b"x"));
        assert_ne!(a.part_hash(Raw::new("x")), b.part_hash(Raw::new("x")));
        assert_eq!(MaskKey::none().value_hash(b"x"), [0; 16]);
        assert_eq!(MaskKey::none().part_hash(Raw::new("x")), [0; 16]);
        assert_eq!(MaskKey::none().id(), "");
    }
}
