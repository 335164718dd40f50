//! Checks that no pattern can express: checksums, ranges, neighbours. Each is a pure function of the candidate and
//! the text round it, and none allocates for a candidate that fails early.

mod americas;
mod asia;
mod checksum;
mod crypto;
mod dates;
mod europe;
mod europe_east;
mod iban;
mod numbers;
mod phone;
mod things;
mod tokens;
mod url;

use crate::rules::Validator;

/// A value in its text. The range lies on characters' boundaries and is not empty.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'t> {
    pub text: &'t str,
    pub start: usize,
    pub end: usize,
}

impl<'t> Candidate<'t> {
    pub fn value(&self) -> &'t str {
        &self.text[self.start..self.end]
    }

    /// The ASCII digits of the value.
    fn digits(&self) -> impl Iterator<Item = u8> + Clone + 't {
        self.value().bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0')
    }

    /// The byte `distance` before the value, from 1.
    fn before(&self, distance: usize) -> Option<u8> {
        self.start.checked_sub(distance).map(|at| self.text.as_bytes()[at])
    }

    /// The byte `distance` behind the value, from 1.
    fn after(&self, distance: usize) -> Option<u8> {
        self.text.as_bytes().get(self.end + distance - 1).copied()
    }
}

/// Whether a candidate passes.
pub(super) fn holds(validator: Validator, candidate: &Candidate<'_>) -> bool {
    let value = candidate.value();
    match validator {
        Validator::Standalone => numbers::standalone(candidate),
        Validator::Card => numbers::card(candidate),
        Validator::Iban => iban::iban(candidate.value()),
        Validator::Ssn => numbers::ssn(candidate),
        Validator::Phone => phone::phone(candidate),
        Validator::Ipv4 => numbers::ipv4(candidate.value()),
        Validator::GithubCrc => tokens::github_crc(candidate.value()),
        Validator::JwtHeader => tokens::jwt_header(candidate.value()),
        Validator::TokenShape => tokens::token_shape(candidate.value()),
        Validator::DataQuery => url::data_query(candidate.value()),
        Validator::UsItin => americas::us_itin(value),
        Validator::UsNpi => americas::us_npi(value),
        Validator::AbaRouting => americas::aba_routing(value),
        Validator::UsDea => americas::us_dea(value),
        Validator::CaSin => americas::ca_sin(value),
        Validator::BrCpf => americas::br_cpf(value),
        Validator::BrCnpj => americas::br_cnpj(value),
        Validator::MxCurp => americas::mx_curp(value),
        Validator::MxRfc => americas::mx_rfc(value),
        Validator::ArCuit => americas::ar_cuit(value),
        Validator::ClRut => americas::cl_rut(value),
        Validator::CoNit => americas::co_nit(value),
        Validator::PeRuc => americas::pe_ruc(value),
        Validator::EcCedula => americas::ec_cedula(value),
        Validator::UyCi => americas::uy_ci(value),
        Validator::DoCedula => americas::do_cedula(value),
        Validator::UkNhs => europe::uk_nhs(value),
        Validator::UkNino => europe::uk_nino(value),
        Validator::UkUtr => europe::uk_utr(value),
        Validator::UkDrivingLicence => europe::uk_driving_licence(value),
        Validator::IePps => europe::ie_pps(value),
        Validator::DeTaxId => europe::de_tax_id(value),
        Validator::DeSocialSecurity => europe::de_social_security(value),
        Validator::DeHealthInsurance => europe::de_health_insurance(value),
        Validator::IcaoCheck => europe::icao_check(value),
        Validator::DeLanr => europe::de_lanr(value),
        Validator::DeVatId => europe::de_vat_id(value),
        Validator::AtSvnr => europe::at_svnr(value),
        Validator::ChAhv => europe::ch_ahv(value),
        Validator::ChUid => europe::ch_uid(value),
        Validator::FrNir => europe::fr_nir(value),
        Validator::FrSiren => europe::fr_siren(value),
        Validator::FrSiret => europe::fr_siret(value),
        Validator::FrTaxId => europe::fr_tax_id(value),
        Validator::BeNrn => europe::be_nrn(value),
        Validator::BeEnterprise => europe::be_enterprise(value),
        Validator::NlBsn => europe::nl_bsn(value),
        Validator::LuMatricule => europe::lu_matricule(value),
        Validator::EsNif => europe::es_nif(value),
        Validator::EsCif => europe::es_cif(value),
        Validator::EsNss => europe::es_nss(value),
        Validator::PtNif => europe::pt_nif(value),
        Validator::PtCc => europe::pt_cc(value),
        Validator::ItFiscalCode => europe::it_fiscal_code(value),
        Validator::ItVat => europe::it_vat(value),
        Validator::SePersonnummer => europe::se_personnummer(value),
        Validator::SeOrgnummer => europe::se_orgnummer(value),
        Validator::NoFodselsnummer => europe::no_fodselsnummer(value),
        Validator::NoOrgnr => europe::no_orgnr(value),
        Validator::DkCpr => europe::dk_cpr(value),
        Validator::DkCvr => europe::dk_cvr(value),
        Validator::FiHetu => europe::fi_hetu(value),
        Validator::FiBusinessId => europe::fi_business_id(value),
        Validator::IsKennitala => europe::is_kennitala(value),
        Validator::Lei => europe::lei(value),
        Validator::PlPesel => europe_east::pl_pesel(value),
        Validator::PlNip => europe_east::pl_nip(value),
        Validator::PlRegon => europe_east::pl_regon(value),
        Validator::PlIdCard => europe_east::pl_id_card(value),
        Validator::CzRodneCislo => europe_east::cz_rodne_cislo(value),
        Validator::CzIco => europe_east::cz_ico(value),
        Validator::HuTaj => europe_east::hu_taj(value),
        Validator::HuTaxId => europe_east::hu_tax_id(value),
        Validator::RoCnp => europe_east::ro_cnp(value),
        Validator::BgEgn => europe_east::bg_egn(value),
        Validator::GrAfm => europe_east::gr_afm(value),
        Validator::GrAmka => europe_east::gr_amka(value),
        Validator::HrOib => europe_east::hr_oib(value),
        Validator::Jmbg => europe_east::jmbg(value),
        Validator::SiTaxId => europe_east::si_tax_id(value),
        Validator::EeIsikukood => europe_east::ee_isikukood(value),
        Validator::LvPersonasKods => europe_east::lv_personas_kods(value),
        Validator::UaTaxId => europe_east::ua_tax_id(value),
        Validator::RuInn => europe_east::ru_inn(value),
        Validator::RuSnils => europe_east::ru_snils(value),
        Validator::RuOgrn => europe_east::ru_ogrn(value),
        Validator::RuPassport => europe_east::ru_passport(value),
        Validator::TrKimlik => europe_east::tr_kimlik(value),
        Validator::TrVkn => europe_east::tr_vkn(value),
        Validator::TrPlate => europe_east::tr_plate(value),
        Validator::KzIin => europe_east::kz_iin(value),
        Validator::InAadhaar => asia::in_aadhaar(value),
        Validator::InGstin => asia::in_gstin(value),
        Validator::InPlate => asia::in_plate(value),
        Validator::CnResidentId => asia::cn_resident_id(value),
        Validator::CnUscc => asia::cn_uscc(value),
        Validator::TwId => asia::tw_id(value),
        Validator::HkId => asia::hk_id(value),
        Validator::JpMyNumber => asia::jp_my_number(value),
        Validator::JpCorporate => asia::jp_corporate(value),
        Validator::KrRrn => asia::kr_rrn(value),
        Validator::KrFrn => asia::kr_frn(value),
        Validator::KrBrn => asia::kr_brn(value),
        Validator::KrDriverLicense => asia::kr_driver_license(value),
        Validator::ThTnin => asia::th_tnin(value),
        Validator::SgNric => asia::sg_nric(value),
        Validator::SgUen => asia::sg_uen(value),
        Validator::MyNric => asia::my_nric(value),
        Validator::IdNik => asia::id_nik(value),
        Validator::PhTin => asia::ph_tin(value),
        Validator::VnCccd => asia::vn_cccd(value),
        Validator::IlId => asia::il_id(value),
        Validator::AeEmiratesId => asia::ae_emirates_id(value),
        Validator::SaId => asia::sa_id(value),
        Validator::KwCivilId => asia::kw_civil_id(value),
        Validator::EgNationalId => asia::eg_national_id(value),
        Validator::ZaId => asia::za_id(value),
        Validator::AuAbn => asia::au_abn(value),
        Validator::AuAcn => asia::au_acn(value),
        Validator::AuTfn => asia::au_tfn(value),
        Validator::AuMedicare => asia::au_medicare(value),
        Validator::NzIrd => asia::nz_ird(value),
        Validator::Base58Check => crypto::base58_check(value),
        Validator::Bech32 => crypto::bech32(value),
        Validator::Ethereum => crypto::ethereum(value),
        Validator::Vin => things::vin(value),
        Validator::Imei => things::imei(value),
        Validator::Coordinates => things::coordinates(value),
        Validator::UkPlate => things::uk_plate(value),
        Validator::Ipv6 => things::ipv6(candidate),
        Validator::Mac => things::mac(candidate),
        Validator::PhoneNational => phone::phone_national(candidate),
        Validator::PhonePlan => phone::phone_plan(candidate),
        Validator::Date => dates::date(value),
    }
}
