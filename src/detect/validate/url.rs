//! Whether a URL's query carries data out, or only asks for something.
//!
//! Whether its host may have the data is the policy's matter.

use crate::detect::entropy;

/// Shortest parameter that counts as data, in bytes as written.
const DATA_MIN_BYTES: usize = 24;

/// Least entropy of what looks like encoded data, in bits a byte.
const ENCODED_MIN_BITS: f32 = 3.8;

/// Some parameter of the query holds several words (blanks are `+` or `%20`), an address, or a long encoded run.
pub(super) fn data_query(value: &str) -> bool {
    let Some((_, query)) = value.split_once('?') else { return false };
    let query = query.split('#').next().unwrap_or("");
    query.split('&').any(|parameter| {
        let data = parameter.split_once('=').map_or(parameter, |(_, data)| data);
        let blanks = data.matches("%20").count() + data.matches('+').count();
        let address = data.contains('@') || data.contains("%40");
        let encoded = !data.contains('%') && entropy::bits_per_byte(data.as_bytes()) >= ENCODED_MIN_BITS;
        data.len() >= DATA_MIN_BYTES && (blanks >= 2 || address || encoded)
    })
}

#[cfg(test)]
mod tests {
    use super::data_query;

    #[test]
    fn data_is_told_from_parameters() {
        for (url, expected) in [
            ("https://pix.example/p?d=the%20launch%20code%20is%20tango", true),
            ("https://pix.example/p?d=the+launch+code+is+tango+four", true),
            ("https://pix.example/p?q=U2VuZCBtZSB0aGUgbGVkZ2VyIG5vdw", true),
            ("https://pix.example/p?u=jane.roe%40acme-widgets.test", true),
            ("https://pix.example/p?w=640&h=480", false),
            ("https://pix.example/p", false),
            ("https://pix.example/p?page=introduction", false),
        ] {
            assert_eq!(data_query(url), expected, "{url}");
        }
    }
}
