//! Rules as data: packs as they are written, rules as they are resolved, and the catalogue of them.
//!
//! A rule has three shapes. *As written* (`rules/written.rs`) is the YAML of a pack, every value with its place. *As
//! resolved* ([`Rule`]) is checked and typed: names became enums, the pattern is parsed and measured, and it is
//! proved that nothing can match without the literal or the trigger that gates the rule. *As compiled* belongs to
//! detection. Every error of every pack is reported at once, with file, line, column and what to do about it.
//!
//! This room reads no files (packs come as text) and searches no text.

mod overrides;
pub mod pattern;
mod resolve;
pub mod taxonomy;
mod written;

use crate::model::{Confidence, Direction, Role, RuleInfo, Severity, closed_set};
use crate::yaml::Problems;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// The packs that the binary carries, in the order of their names: every file below `pipelines/packs`.
pub const BUILT_IN: &[PackFile<'static>] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));

/// The text of a pack and the name by which errors and the digest know it.
#[derive(Clone, Copy)]
pub struct PackFile<'a> {
    /// Path as the user knows it: `packs/secrets/acme.yaml`.
    pub name: &'a str,
    pub text: &'a str,
}

closed_set! {
    /// A check of a candidate that no pattern can express. Detection implements them.
    Validator {
        Standalone = 1 "standalone",
        Card = 2 "card",
        Iban = 3 "iban",
        Ssn = 4 "ssn",
        Phone = 5 "phone",
        Ipv4 = 6 "ipv4",
        GithubCrc = 7 "github_crc",
        JwtHeader = 8 "jwt_header",
        TokenShape = 9 "token_shape",
        DataQuery = 10 "data_query",
        Random = 91 "random",
        RandomMixed = 92 "random_mixed",
        Password = 93 "password",
        PasswordMixed = 94 "password_mixed",
        SecretValue = 95 "secret_value",
        UsItin = 100 "us_itin",
        UsNpi = 101 "us_npi",
        AbaRouting = 102 "aba_routing",
        UsDea = 103 "us_dea",
        CaSin = 104 "ca_sin",
        BrCpf = 105 "br_cpf",
        BrCnpj = 106 "br_cnpj",
        MxCurp = 107 "mx_curp",
        MxRfc = 108 "mx_rfc",
        ArCuit = 109 "ar_cuit",
        ClRut = 110 "cl_rut",
        CoNit = 111 "co_nit",
        PeRuc = 112 "pe_ruc",
        EcCedula = 113 "ec_cedula",
        UyCi = 114 "uy_ci",
        DoCedula = 115 "do_cedula",
        UkNhs = 116 "uk_nhs",
        UkNino = 117 "uk_nino",
        UkUtr = 118 "uk_utr",
        UkDrivingLicence = 119 "uk_driving_licence",
        IePps = 120 "ie_pps",
        DeTaxId = 121 "de_tax_id",
        DeSocialSecurity = 122 "de_social_security",
        DeHealthInsurance = 123 "de_health_insurance",
        IcaoCheck = 124 "icao_check",
        DeLanr = 125 "de_lanr",
        DeVatId = 126 "de_vat_id",
        AtSvnr = 127 "at_svnr",
        ChAhv = 128 "ch_ahv",
        ChUid = 129 "ch_uid",
        FrNir = 130 "fr_nir",
        FrSiren = 131 "fr_siren",
        FrSiret = 132 "fr_siret",
        FrTaxId = 133 "fr_tax_id",
        BeNrn = 134 "be_nrn",
        BeEnterprise = 135 "be_enterprise",
        NlBsn = 136 "nl_bsn",
        LuMatricule = 137 "lu_matricule",
        EsNif = 138 "es_nif",
        EsCif = 139 "es_cif",
        EsNss = 140 "es_nss",
        PtNif = 141 "pt_nif",
        PtCc = 142 "pt_cc",
        ItFiscalCode = 143 "it_fiscal_code",
        ItVat = 144 "it_vat",
        SePersonnummer = 145 "se_personnummer",
        SeOrgnummer = 146 "se_orgnummer",
        NoFodselsnummer = 147 "no_fodselsnummer",
        NoOrgnr = 148 "no_orgnr",
        DkCpr = 149 "dk_cpr",
        DkCvr = 150 "dk_cvr",
        FiHetu = 151 "fi_hetu",
        FiBusinessId = 152 "fi_business_id",
        IsKennitala = 153 "is_kennitala",
        Lei = 154 "lei",
        PlPesel = 155 "pl_pesel",
        PlNip = 156 "pl_nip",
        PlRegon = 157 "pl_regon",
        PlIdCard = 158 "pl_id_card",
        CzRodneCislo = 159 "cz_rodne_cislo",
        CzIco = 160 "cz_ico",
        HuTaj = 161 "hu_taj",
        HuTaxId = 162 "hu_tax_id",
        RoCnp = 163 "ro_cnp",
        BgEgn = 164 "bg_egn",
        GrAfm = 165 "gr_afm",
        GrAmka = 166 "gr_amka",
        HrOib = 167 "hr_oib",
        Jmbg = 168 "jmbg",
        SiTaxId = 169 "si_tax_id",
        EeIsikukood = 170 "ee_isikukood",
        LvPersonasKods = 171 "lv_personas_kods",
        UaTaxId = 172 "ua_tax_id",
        RuInn = 173 "ru_inn",
        RuSnils = 174 "ru_snils",
        RuOgrn = 175 "ru_ogrn",
        RuPassport = 176 "ru_passport",
        TrKimlik = 177 "tr_kimlik",
        TrVkn = 178 "tr_vkn",
        TrPlate = 179 "tr_plate",
        KzIin = 180 "kz_iin",
        InAadhaar = 181 "in_aadhaar",
        InGstin = 182 "in_gstin",
        InPlate = 183 "in_plate",
        CnResidentId = 184 "cn_resident_id",
        CnUscc = 185 "cn_uscc",
        TwId = 186 "tw_id",
        HkId = 187 "hk_id",
        JpMyNumber = 188 "jp_my_number",
        JpCorporate = 189 "jp_corporate",
        KrRrn = 190 "kr_rrn",
        KrFrn = 191 "kr_frn",
        KrBrn = 192 "kr_brn",
        KrDriverLicense = 193 "kr_driver_license",
        ThTnin = 194 "th_tnin",
        SgNric = 195 "sg_nric",
        SgUen = 196 "sg_uen",
        MyNric = 197 "my_nric",
        IdNik = 198 "id_nik",
        PhTin = 199 "ph_tin",
        VnCccd = 200 "vn_cccd",
        IlId = 201 "il_id",
        AeEmiratesId = 202 "ae_emirates_id",
        SaId = 203 "sa_id",
        KwCivilId = 204 "kw_civil_id",
        EgNationalId = 205 "eg_national_id",
        ZaId = 206 "za_id",
        AuAbn = 207 "au_abn",
        AuAcn = 208 "au_acn",
        AuTfn = 209 "au_tfn",
        AuMedicare = 210 "au_medicare",
        NzIrd = 211 "nz_ird",
        Base58Check = 212 "base58_check",
        Bech32 = 213 "bech32",
        Ethereum = 214 "ethereum",
        Vin = 215 "vin",
        Imei = 216 "imei",
        Coordinates = 217 "coordinates",
        UkPlate = 218 "uk_plate",
        Ipv6 = 219 "ipv6",
        Mac = 220 "mac",
        PhoneNational = 221 "phone_national",
        PhonePlan = 222 "phone_plan",
        Date = 223 "date",
        Grouped = 224 "grouped",
        SomeDigit = 225 "some_digit",
        CardRare = 226 "card_rare",
        Ipv4Host = 227 "ipv4_host",
    }
}

impl Validator {
    /// Whether what passes has a digit for certain.
    pub fn demands_digit(self) -> bool {
        matches!(self, Validator::Mac | Validator::Ipv6 | Validator::SomeDigit)
    }
}

/// What must be near before the pattern of a rule is tried at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// One of these literals, which every match is proved to contain.
    Anchors(Vec<String>),
    /// An `@`, which every match is proved to contain.
    AtSign,
    /// As many digits as every match is proved to contain (a validator may see to the first), within its longest length.
    Digits,
    /// As long a stretch of token characters ([`pattern::is_token`]) as every match is proved to contain.
    Token,
}

/// Words whose nearness makes a match more credible.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Lower case; they match whole words, whatever their case.
    pub words: Vec<String>,
    pub confidence: Confidence,
}

/// A check that makes a match nearly certain when it succeeds, and costs it nothing when it fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub validator: Validator,
    pub confidence: Confidence,
}

/// Another rule whose match near by makes this one worse: a key id beside its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Id of the other rule.
    pub with: String,
    /// Greatest distance between the two values.
    pub within_bytes: u32,
    pub severity: Severity,
    pub confidence: Confidence,
}

/// Documented examples and test numbers: counted, but far below the reporting threshold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Whole values, in lower case and without blanks and hyphens.
    pub values: Vec<String>,
    /// Pieces of values, in lower case.
    pub containing: Vec<String>,
}

/// A rule as resolved. See the packs for what each field means to its writer.
#[derive(Clone, Debug)]
pub struct Rule {
    pub info: RuleInfo,
    /// The pack it came from.
    pub file: String,
    /// Who issues what it finds; empty where nobody does.
    pub provider: String,
    /// One line for people: `AWS access key id`.
    pub title: String,
    /// What it is and what an attacker gains.
    pub description: String,
    /// OWASP LLM Top 10 and MITRE ATLAS ids.
    pub taxonomy: Vec<String>,
    /// SOC 2 criteria.
    pub criteria: Vec<String>,
    pub references: Vec<String>,
    /// What to do about a finding, for the person who is paged; empty: what the category says.
    pub next_step: String,
    /// Before context, proof, pair and allow list. Nothing: no hit unless one of them raises it.
    pub confidence: Confidence,
    /// When the value is all there is in its part but for blanks, quotes and a label: a form's field, a tool's argument.
    pub alone: Option<Confidence>,
    /// With its short forms written out; parsed and measured in `shape`.
    pub pattern: String,
    pub shape: pattern::Shape,
    /// Whether ASCII case counts in pattern and anchors.
    pub ignore_case: bool,
    /// Which capture is the value; 0 is the whole match.
    pub group: usize,
    pub trigger: Trigger,
    /// Within how many bytes of its start every match has come to the end of an anchor; `None`: there is no bound, or no
    /// anchor.
    pub lead_bytes: Option<usize>,
    /// All of them must hold.
    pub validators: Vec<Validator>,
    /// Least Shannon entropy of the value, in bits a character.
    pub entropy_min: Option<f32>,
    /// Lower case; a value that contains one is a placeholder, not a hit.
    pub stop_words: Vec<String>,
    pub context: Option<Context>,
    pub proof: Option<Proof>,
    pub pair: Option<Pair>,
    pub allow: Allow,
    /// Whether it gives way to a more specific rule of its category whose value overlaps.
    pub gives_way: bool,
    /// Empty for all.
    pub roles: Vec<Role>,
    /// Empty for both.
    pub directions: Vec<Direction>,
    pub examples: Vec<String>,
    pub counter_examples: Vec<String>,
    /// What other packs changed of it, in their order.
    pub changes: Vec<Change>,
}

/// What a pack changed of a rule of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The pack that changed it.
    pub file: String,
    /// The keys that it gave.
    pub keys: Vec<&'static str>,
    /// Empty when it does not say.
    pub reason: String,
}

/// By which pack a rule was switched off, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Off {
    pub file: String,
    pub reason: String,
}

impl Allow {
    /// Whether a value is a documented example.
    pub fn covers(&self, value: &str) -> bool {
        if self.values.is_empty() && self.containing.is_empty() {
            return false;
        }
        let lower = value.to_ascii_lowercase();
        self.values.contains(&resolve::plain(value)) || self.containing.iter().any(|piece| lower.contains(piece))
    }
}

impl Rule {
    /// Whether the rule looks at messages of this direction and role.
    pub fn applies_to(&self, direction: Direction, role: Role) -> bool {
        (self.directions.is_empty() || self.directions.contains(&direction))
            && (self.roles.is_empty() || self.roles.contains(&role))
    }

    /// Whether what it finds and how sure it is of it is what its own pack says, by which its examples were written.
    pub fn finds_as_written(&self) -> bool {
        let matters = |key: &&str| ["confidence", "context", "stop_words", "allow"].contains(key);
        !self.changes.iter().any(|change| change.keys.iter().any(matters))
    }
}

/// Every rule that is in force, by id.
#[derive(Clone)]
pub struct Catalogue {
    rules: Vec<Rule>,
    by_id: HashMap<String, usize>,
    off: Vec<(Rule, Off)>,
    digest: String,
}

impl Catalogue {
    /// Parses and resolves packs. Reports everything that is wrong with them at once.
    pub fn load(packs: &[PackFile<'_>]) -> Result<Catalogue, Problems> {
        let mut all = resolve::Packs::default();
        packs.iter().for_each(|pack| all.add(pack));
        all.across();
        let digest = digest(packs, &all.overriding);
        let mut problems = Problems::default();
        all.files.into_iter().for_each(|file| problems.append(file.into_problems()));
        if !problems.is_empty() {
            return Err(problems);
        }
        all.rules.sort_by(|a, b| a.rule.info.id.cmp(&b.rule.info.id));
        let (mut rules, mut off) = (Vec::new(), Vec::new());
        for placed in all.rules {
            match placed.off {
                None => rules.push(placed.rule),
                Some(by) => off.push((placed.rule, by)),
            }
        }
        let by_id = rules.iter().enumerate().map(|(index, rule)| (rule.info.id.clone(), index)).collect();
        Ok(Catalogue { rules, by_id, off, digest })
    }

    /// The packs that the binary carries.
    pub fn built_in() -> &'static Catalogue {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::load(BUILT_IN).unwrap_or_else(|errors| panic!("a built-in pack is broken: {errors}"))
        });
        &CATALOGUE
    }

    /// The rule with this id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(id).map(|&index| &self.rules[index])
    }

    /// Every rule, by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Rules that a pack switched off, by id.
    pub fn off(&self) -> &[(Rule, Off)] {
        &self.off
    }

    /// SHA-256 in hex over names and texts of the packs in the order of their names, and over the order of those that
    /// change rules of others: two catalogues with the same digest find the same.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({} rules, {})", self.rules.len(), self.digest)
    }
}

/// Lengths stand before names and texts, so that bytes cannot move from one to the other unseen.
fn digest(packs: &[PackFile<'_>], overriding: &[&str]) -> String {
    let mut sorted: Vec<&PackFile<'_>> = packs.iter().collect();
    sorted.sort_by(|a, b| (a.name, a.text).cmp(&(b.name, b.text)));
    let mut hash = Sha256::new();
    for text in sorted.iter().flat_map(|pack| [pack.name, pack.text]).chain(overriding.iter().copied()) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
