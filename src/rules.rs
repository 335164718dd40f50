//! STUB
use crate::model::RuleInfo;
#[derive(Clone, Debug)]
pub struct Rule {
    pub info: RuleInfo,
    pub title: String,
    pub description: String,
    pub taxonomy: Vec<String>,
    pub criteria: Vec<String>,
}
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rules: Vec<Rule>,
    pub digest: String,
}
pub struct PackFile {
    pub name: String,
    pub text: String,
}
impl PackFile {
    pub fn built_in() -> Vec<PackFile> {
        Vec::new()
    }
}
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PackError(String);
impl Catalogue {
    pub fn load(_: &[PackFile]) -> Result<Self, Vec<PackError>> {
        Ok(Self::default())
    }
    pub fn built_in() -> Self {
        Self::default()
    }
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.info.id == id)
    }
}
