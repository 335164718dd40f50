//! Addresses of crypto currencies, which check themselves.
//!
//! Whether anything lies there is not asked.

use sha2::{Digest, Sha256};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Base58Check as Bitcoin has it: 21 bytes, and the first four of their double SHA-256.
pub(super) fn base58_check(value: &str) -> bool {
    let mut bytes = [0u8; 25];
    for character in value.bytes() {
        let Some(digit) = BASE58.iter().position(|known| *known == character) else { return false };
        let mut carry = digit as u32;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    Sha256::digest(Sha256::digest(&bytes[..21]))[..4] == bytes[21..]
}

/// Bech32 (BIP 173) and Bech32m (BIP 350): the prefix, then characters of five bits of which six check all.
pub(super) fn bech32(value: &str) -> bool {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let lower = value.to_ascii_lowercase();
    if lower != value && value.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return false;
    }
    let Some((prefix, data)) = lower.rsplit_once('1') else { return false };
    let step =
        |check: u32, value: u32| {
            let mixed = (check & 0x1ff_ffff) << 5 ^ value;
            GENERATORS.iter().enumerate().fold(mixed, |mixed, (bit, generator)| {
                if check >> (25 + bit) & 1 == 1 { mixed ^ generator } else { mixed }
            })
        };
    let mut check = prefix.bytes().map(|byte| u32::from(byte >> 5)).fold(1, step);
    check = prefix.bytes().map(|byte| u32::from(byte & 31)).fold(step(check, 0), step);
    for byte in data.bytes() {
        let Some(value) = BECH32.iter().position(|known| *known == byte) else { return false };
        check = step(check, value as u32);
    }
    data.len() >= 6 && matches!(check, 1 | 0x2bc8_30a3)
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
    let hash = keccak_256(lower.as_bytes());
    hex.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphabetic()).all(|(place, byte)| {
        let half = hash[place / 2] >> (4 * (1 - place % 2)) & 15;
        (half >= 8) == byte.is_ascii_uppercase()
    })
}

/// Keccak-256 as it was before it became SHA-3, of less than one block.
fn keccak_256(message: &[u8]) -> [u8; 32] {
    const RATE: usize = 136;
    let mut block = [0u8; RATE];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 1;
    block[RATE - 1] |= 0x80;
    let mut state = [0u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
        *lane = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
    }
    keccak_f(&mut state);
    let mut hash = [0; 32];
    for (bytes, lane) in hash.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    hash
}

/// Keccak-f[1600] of FIPS 202; its round constants come from a shift register of eight bits.
fn keccak_f(state: &mut [u64; 25]) {
    let mut register = 1u8;
    for _ in 0..24 {
        let parity: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |all, y| all ^ state[x + 5 * y]));
        for (place, lane) in state.iter_mut().enumerate() {
            *lane ^= parity[(place % 5 + 4) % 5] ^ parity[(place % 5 + 1) % 5].rotate_left(1);
        }
        let (mut x, mut y) = (1, 0);
        let mut held = state[1];
        for turn in 1..=24u32 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            held = std::mem::replace(&mut state[x + 5 * y], held.rotate_left(turn * (turn + 1) / 2 % 64));
        }
        for row in state.chunks_exact_mut(5) {
            let old: [u64; 5] = std::array::from_fn(|x| row[x]);
            for x in 0..5 {
                row[x] = old[x] ^ !old[(x + 1) % 5] & old[(x + 2) % 5];
            }
        }
        for bit in 0..7 {
            if register & 1 == 1 {
                state[0] ^= 1 << ((1u32 << bit) - 1);
            }
            register = register << 1 ^ if register & 0x80 == 0 { 0 } else { 0x71 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP 173 and 350, EIP-55 and the genesis block publish these.
    #[test]
    fn addresses_check_themselves() {
        type Check = fn(&str) -> bool;
        let table: &[(Check, &str, bool)] = &[
            (base58_check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", true),
            (base58_check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", false),
            (base58_check, "0", false),
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
