//! Addresses and keys of crypto currencies and their like, which check themselves.
//!
//! Whether anything lies there is not asked.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Bech32m};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

/// Base58Check, as Bitcoin has it for addresses: 21 bytes, and the first four of their double SHA-256.
pub(super) fn base58_check(value: &str) -> bool {
    checked_bytes(value) == Some(21)
}

/// Base58Check of private keys: in WIF a version and 32 bytes, with one more for those whose public key is compressed;
/// extended ones (BIP 32) are 78 bytes.
pub(super) fn base58_key(value: &str) -> bool {
    matches!(checked_bytes(value), Some(33 | 34 | 78))
}

/// How many bytes a text in Base58Check carries beside its checksum; `None` when that is wrong.
fn checked_bytes(value: &str) -> Option<usize> {
    let mut bytes = [0u8; 82];
    let length = bs58::decode(value).onto(&mut bytes).ok()?;
    let (carried, checksum) = bytes[..length].split_last_chunk::<4>()?;
    (Sha256::digest(Sha256::digest(carried))[..4] == checksum[..]).then_some(carried.len())
}

/// Bech32 (BIP 173) and Bech32m (BIP 350): the prefix, then characters of five bits of which six check all.
pub(super) fn bech32(value: &str) -> bool {
    CheckedHrpstring::new::<Bech32>(value).is_ok() || CheckedHrpstring::new::<Bech32m>(value).is_ok()
}

/// Ethereum's addresses of mixed case (EIP-55): letters are capitals where the Keccak-256 of the lower case has a digit of
/// 8 or more. Those of one case say nothing, and pass when digits and letters are mixed.
pub(super) fn ethereum(value: &str) -> bool {
    let Some(hex) = value.get(2..).filter(|hex| hex.len() == 40) else { return false };
    let (lower, upper) = (hex.to_ascii_lowercase(), hex.to_ascii_uppercase());
    if hex == lower || hex == upper {
        let kinds: std::collections::BTreeSet<u8> = hex.bytes().collect();
        return kinds.len() >= 8;
    }
    let hash = Keccak256::digest(lower.as_bytes());
    hex.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphabetic()).all(|(place, byte)| {
        let half = hash[place / 2] >> (4 * (1 - place % 2)) & 15;
        (half >= 8) == byte.is_ascii_uppercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of BIP 32's test vectors.
    const EXTENDED: &str = "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi";

    /// BIP 173 and 350, EIP-55 and the genesis block publish these, the wiki of Bitcoin the keys.
    #[test]
    fn addresses_and_keys_check_themselves() {
        type Check = fn(&str) -> bool;
        let table: &[(Check, &str, bool)] = &[
            (base58_check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", true),
            (base58_check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", false),
            (base58_check, "0", false),
            (base58_check, "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ", false),
            (base58_key, "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ", true),
            (base58_key, "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK", false),
            (base58_key, "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617", true),
            (base58_key, EXTENDED, true),
            (base58_key, &EXTENDED[..110], false),
            (bech32, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", true),
            (bech32, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true),
            (bech32, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", false),
            (bech32, "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", false),
            (ethereum, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", true),
            (ethereum, "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", true),
            (ethereum, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", false),
            (ethereum, "0x0000000000000000000000000000000000000000", false),
        ];
        for (check, value, expected) in table {
            assert_eq!(check(value), *expected, "{value}");
        }
    }
}
