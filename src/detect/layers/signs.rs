//! One pass over a text that tells whether anything in it may hide something: what plain text pays for being looked
//! through. It may say yes to much; it says no only where the other files of this folder would find nothing.
//!
//! It works on blocks of fixed size without a branch in them, so that it becomes vector instructions.

/// What there is in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// A byte above ASCII.
    pub high: bool,
    /// What opens an escape, and what may follow it.
    pub escape: bool,
    /// A long run of the characters of base64; hex is one too.
    pub run: bool,
    /// Many single letters or digits between others.
    pub spaced: bool,
    /// A quote, and what may stand between it and the next literal.
    pub joint: bool,
}

/// Two neighbouring ones of these are a run. A run is therefore seen if it is three blocks less one byte long.
const BLOCK_BYTES: usize = 8;

/// Runs that are at least so long are seen.
pub(super) const RUN_SEEN_BYTES: usize = 3 * BLOCK_BYTES - 1;

/// Letters before something else, in twice a block.
const SPACED_MIN: u8 = 6;

/// Two blocks and the byte behind them.
const STEP_BYTES: usize = 2 * BLOCK_BYTES;

/// Looks at a text.
pub(super) fn of(text: &[u8]) -> Signs {
    let mut all = Seen::default();
    let mut at = 0;
    while let Some(block) = text.get(at..at + STEP_BYTES + 1) {
        let (block, next): (&[u8; STEP_BYTES], &[u8; STEP_BYTES]) = (
            block[..STEP_BYTES].try_into().expect("it is as long as that"),
            block[1..].try_into().expect("it is as long as that"),
        );
        all.add(block, next);
        at += STEP_BYTES;
    }
    // Blanks behind the end belong to nothing.
    let mut rest = [b' '; STEP_BYTES + 1];
    rest[..text.len() - at].copy_from_slice(&text[at..]);
    all.add(
        rest[..STEP_BYTES].try_into().expect("it is as long as that"),
        rest[1..].try_into().expect("it is as long as that"),
    );
    Signs {
        high: all.high >= 0x80,
        escape: all.escape != 0,
        run: all.run,
        spaced: all.spaced >= SPACED_MIN,
        joint: all.joint != 0,
    }
}

#[derive(Default)]
struct Seen {
    high: u8,
    escape: u8,
    joint: u8,
    spaced: u8,
    run: bool,
    /// Whether the last block was all of a run.
    last: bool,
}

impl Seen {
    #[inline(always)]
    fn add(&mut self, block: &[u8; STEP_BYTES], next: &[u8; STEP_BYTES]) {
        let (mut high, mut escape, mut joint, mut spaced) = (0u8, 0u8, 0u8, 0u8);
        let mut of_run = [0u8; STEP_BYTES];
        for index in 0..STEP_BYTES {
            let (byte, then) = (block[index], next[index]);
            let letter = alphanumeric(byte);
            high |= byte;
            of_run[index] = letter | is(byte, b'+') | is(byte, b'/') | is(byte, b'-') | is(byte, b'_') | is(byte, b'=');
            spaced += letter & !alphanumeric(then) & 1;
            let name = alphanumeric(then);
            let hex = u8::from(then.wrapping_sub(b'0') < 10) | u8::from(then.wrapping_sub(b'A') < 6);
            escape |= is(byte, b'%') & name
                | is(byte, b'&') & (name | is(then, b'#'))
                | is(byte, b'\\') & (is(then, b'"') | is(then, b'/') | is(then | 0x20, b'u') | is(then | 0x20, b'x'))
                | is(byte, b'=') & (hex | is(then, b'\n') | is(then, b'\r'));
            let between = is(then, b' ')
                | is(then, b'"')
                | is(then, b'\'')
                | is(then, b'+')
                | is(then, b'.')
                | is(then, b'&')
                | is(then, b'\n')
                | is(then, b'\r')
                | is(then, b'\\');
            joint |= (is(byte, b'"') | is(byte, b'\'') | is(byte, b'`')) & between;
        }
        self.high |= high;
        self.escape |= escape;
        self.joint |= joint;
        self.spaced = self.spaced.max(spaced);
        let all = |bytes: &[u8]| bytes.iter().fold(1, |all, byte| all & byte) == 1;
        let (first, second) = (all(&of_run[..BLOCK_BYTES]), all(&of_run[BLOCK_BYTES..]));
        self.run |= self.last & first | first & second;
        self.last = second;
    }
}

fn is(byte: u8, other: u8) -> u8 {
    u8::from(byte == other)
}

fn alphanumeric(byte: u8) -> u8 {
    u8::from((byte | 0x20).wrapping_sub(b'a') < 26) | u8::from(byte.wrapping_sub(b'0') < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_seen_wherever_they_stand() {
        let none = Signs::default();
        let table = [
            ("", none),
            ("é", Signs { high: true, ..none }),
            ("%4", Signs { escape: true, ..none }),
            ("\\\"", Signs { escape: true, joint: true, ..none }),
            ("&#", Signs { escape: true, ..none }),
            ("=\n", Signs { escape: true, ..none }),
            ("'+", Signs { joint: true, ..none }),
            ("a b c d e f g h i j k l m n o p", Signs { spaced: true, ..none }),
            ("abcdefghijklmnopqrstuvw", Signs { run: true, ..none }),
            ("The meeting has moved, to Thursday afternoon: 14.30. ", none),
        ];
        for (sign, expected) in table {
            for before in 0..40 {
                let text = format!("{}{sign}", ". ".repeat(20).split_at(before).1);
                assert_eq!(of(text.as_bytes()), expected, "{text:?}");
                let text = format!("{text}{}", " ,".repeat(before));
                assert_eq!(of(text.as_bytes()), expected, "{text:?}");
            }
        }
        assert_eq!(RUN_SEEN_BYTES, 23);
    }
}
