//! decode

use crate::model::closed_set;
use std::fmt;

closed_set! {
    /// A format of input events.
    Format { Auto = 1 "auto", Native = 2 "native", OpenAi = 3 "openai" }
}
