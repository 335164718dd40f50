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
use std::sync::{Arc, LazyLock};

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
        Random = 11 "random",
        RandomMixed = 12 "random_mixed",
        Password = 13 "password",
        PasswordMixed = 14 "password_mixed",
        SecretValue = 15 "secret_value",
        UsItin = 16 "us_itin",
        UsNpi = 17 "us_npi",
        AbaRouting = 18 "aba_routing",
        UsDea = 19 "us_dea",
        CaSin = 20 "ca_sin",
        BrCpf = 21 "br_cpf",
        BrCnpj = 22 "br_cnpj",
        MxCurp = 23 "mx_curp",
        MxRfc = 24 "mx_rfc",
        ArCuit = 25 "ar_cuit",
        ClRut = 26 "cl_rut",
        CoNit = 27 "co_nit",
        PeRuc = 28 "pe_ruc",
        EcCedula = 29 "ec_cedula",
        UyCi = 30 "uy_ci",
        DoCedula = 31 "do_cedula",
        UkNhs = 32 "uk_nhs",
        UkNino = 33 "uk_nino",
        UkUtr = 34 "uk_utr",
        UkDrivingLicence = 35 "uk_driving_licence",
        IePps = 36 "ie_pps",
        DeTaxId = 37 "de_tax_id",
        DeSocialSecurity = 38 "de_social_security",
        DeHealthInsurance = 39 "de_health_insurance",
        IcaoCheck = 40 "icao_check",
        DeLanr = 41 "de_lanr",
        DeVatId = 42 "de_vat_id",
        AtSvnr = 43 "at_svnr",
        ChAhv = 44 "ch_ahv",
        ChUid = 45 "ch_uid",
        FrNir = 46 "fr_nir",
        FrSiren = 47 "fr_siren",
        FrSiret = 48 "fr_siret",
        FrTaxId = 49 "fr_tax_id",
        BeNrn = 50 "be_nrn",
        BeEnterprise = 51 "be_enterprise",
        NlBsn = 52 "nl_bsn",
        LuMatricule = 53 "lu_matricule",
        EsNif = 54 "es_nif",
        EsCif = 55 "es_cif",
        EsNss = 56 "es_nss",
        PtNif = 57 "pt_nif",
        PtCc = 58 "pt_cc",
        ItFiscalCode = 59 "it_fiscal_code",
        ItVat = 60 "it_vat",
        SePersonnummer = 61 "se_personnummer",
        SeOrgnummer = 62 "se_orgnummer",
        NoFodselsnummer = 63 "no_fodselsnummer",
        NoOrgnr = 64 "no_orgnr",
        DkCpr = 65 "dk_cpr",
        DkCvr = 66 "dk_cvr",
        FiHetu = 67 "fi_hetu",
        FiBusinessId = 68 "fi_business_id",
        IsKennitala = 69 "is_kennitala",
        Lei = 70 "lei",
        PlPesel = 71 "pl_pesel",
        PlNip = 72 "pl_nip",
        PlRegon = 73 "pl_regon",
        PlIdCard = 74 "pl_id_card",
        CzRodneCislo = 75 "cz_rodne_cislo",
        CzIco = 76 "cz_ico",
        HuTaj = 77 "hu_taj",
        HuTaxId = 78 "hu_tax_id",
        RoCnp = 79 "ro_cnp",
        BgEgn = 80 "bg_egn",
        GrAfm = 81 "gr_afm",
        GrAmka = 82 "gr_amka",
        HrOib = 83 "hr_oib",
        Jmbg = 84 "jmbg",
        SiTaxId = 85 "si_tax_id",
        EeIsikukood = 86 "ee_isikukood",
        LvPersonasKods = 87 "lv_personas_kods",
        UaTaxId = 88 "ua_tax_id",
        RuInn = 89 "ru_inn",
        RuSnils = 90 "ru_snils",
        RuOgrn = 91 "ru_ogrn",
        RuPassport = 92 "ru_passport",
        TrKimlik = 93 "tr_kimlik",
        TrVkn = 94 "tr_vkn",
        TrPlate = 95 "tr_plate",
        KzIin = 96 "kz_iin",
        InAadhaar = 97 "in_aadhaar",
        InGstin = 98 "in_gstin",
        InPlate = 99 "in_plate",
        CnResidentId = 100 "cn_resident_id",
        CnUscc = 101 "cn_uscc",
        TwId = 102 "tw_id",
        HkId = 103 "hk_id",
        JpMyNumber = 104 "jp_my_number",
        JpCorporate = 105 "jp_corporate",
        KrRrn = 106 "kr_rrn",
        KrFrn = 107 "kr_frn",
        KrBrn = 108 "kr_brn",
        KrDriverLicense = 109 "kr_driver_license",
        ThTnin = 110 "th_tnin",
        SgNric = 111 "sg_nric",
        SgUen = 112 "sg_uen",
        MyNric = 113 "my_nric",
        IdNik = 114 "id_nik",
        PhTin = 115 "ph_tin",
        VnCccd = 116 "vn_cccd",
        IlId = 117 "il_id",
        AeEmiratesId = 118 "ae_emirates_id",
        SaId = 119 "sa_id",
        KwCivilId = 120 "kw_civil_id",
        EgNationalId = 121 "eg_national_id",
        ZaId = 122 "za_id",
        AuAbn = 123 "au_abn",
        AuAcn = 124 "au_acn",
        AuTfn = 125 "au_tfn",
        AuMedicare = 126 "au_medicare",
        NzIrd = 127 "nz_ird",
        Base58Check = 128 "base58_check",
        Bech32 = 129 "bech32",
        Ethereum = 130 "ethereum",
        Vin = 131 "vin",
        Imei = 132 "imei",
        Coordinates = 133 "coordinates",
        UkPlate = 134 "uk_plate",
        Ipv6 = 135 "ipv6",
        Mac = 136 "mac",
        PhoneNational = 137 "phone_national",
        PhonePlan = 138 "phone_plan",
        Date = 139 "date",
        Grouped = 140 "grouped",
        SomeDigit = 141 "some_digit",
        CardRare = 142 "card_rare",
        Ipv4Host = 143 "ipv4_host",
        Base58Key = 144 "base58_key",
        MatrixCrc = 145 "matrix_crc",
        GitlabCrc = 146 "gitlab_crc",
        GrafanaCrc = 147 "grafana_crc",
        NkeyCrc = 148 "nkey_crc",
        SentryClaim = 149 "sentry_claim",
        Email = 150 "email",
        EmailOfPerson = 151 "email_of_person",
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
    /// Whether every match begins with an anchor.
    pub begins_with_anchor: bool,
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

    /// Whether a hit of such confidence is believed only since its value is all there is in its part.
    pub fn is_lone(&self, confidence: Confidence) -> bool {
        !self.confidence.is_reported() && self.alone == Some(confidence)
    }

    /// Whether what it finds and how sure it is of it is what its own pack says, by which its examples were written.
    pub fn finds_as_written(&self) -> bool {
        let matters = |key: &&str| ["confidence", "context", "stop_words", "allow"].contains(key);
        !self.changes.iter().any(|change| change.keys.iter().any(matters))
    }
}

/// Every rule that is in force, by id. Clones share them.
#[derive(Clone)]
pub struct Catalogue(Arc<Loaded>);

struct Loaded {
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
        Ok(Catalogue(Arc::new(Loaded { rules, by_id, off, digest })))
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
        self.0.by_id.get(id).map(|&index| &self.0.rules[index])
    }

    /// Every rule, by id.
    pub fn rules(&self) -> &[Rule] {
        &self.0.rules
    }

    /// Rules that a pack switched off, by id.
    pub fn off(&self) -> &[(Rule, Off)] {
        &self.0.off
    }

    /// SHA-256 in hex over names and texts of the packs in the order of their names, and over the order of those that
    /// change rules of others: two catalogues with the same digest find the same.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({} rules, {})", self.rules().len(), self.digest())
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
