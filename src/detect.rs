//! STUB
use crate::model::{Hits, Interaction};
#[derive(Default)]
pub struct Scratch;
pub struct Scanner;
#[derive(Debug, thiserror::Error)]
#[error("never")]
pub struct CompileError;
impl Scanner {
    pub fn new(_: &crate::rules::Catalogue) -> Result<Self, CompileError> {
        Ok(Scanner)
    }
    pub fn scan<'e>(&'e self, _: &Interaction<'e>, _: &mut Scratch) -> Hits<'e> {
        Hits::default()
    }
}
