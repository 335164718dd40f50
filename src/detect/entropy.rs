//! How random a value looks.
//!
//! A random look proves nothing; how much of it a rule asks for stands in the rule.

/// Shannon entropy of the bytes, in bits each: H = −Σ p·log2(p) over their frequencies. 0 for nothing, 4 for random
/// hex, towards 6 for long random base64. Short values cannot reach that: n bytes have at most log2(n).
pub(super) fn bits_per_byte(value: &[u8]) -> f32 {
    let mut counts = [0u32; 256];
    value.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let length = value.len() as f32;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| count as f32 / length)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::bits_per_byte;

    #[test]
    fn entropy_of_known_texts() {
        for (text, bits) in [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("0123456789abcdef", 4.0)] {
            assert!((bits_per_byte(text.as_bytes()) - bits).abs() < 1e-5, "{text}");
        }
    }
}
