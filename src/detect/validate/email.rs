//! E-mail addresses, told from what else is written with an `@`: names of files, places of repositories, credentials
//! in links, logins.
//!
//! Whether anybody reads what is sent there is not asked.

use super::Candidate;

/// What ends like a domain and is a file, or a member in a program. None is a top-level domain.
const ENDINGS: &[&str] = &[
    "bmp", "cjs", "cpp", "css", "csv", "exe", "gif", "htm", "html", "ico", "jar", "java", "jpeg", "jpg", "js", "json",
    "jsx", "lock", "log", "mjs", "pdf", "php", "png", "scss", "svg", "tif", "tiff", "toml", "ts", "tsx", "txt", "webp",
    "xml", "yaml", "yml",
];

/// Accounts of services that keep repositories: `git@host:group/project`.
const ACCOUNTS: &[&str] = &["git", "hg", "svn"];

/// What a login follows in a shell.
const SHELLS: &[&str] = &["ssh", "scp", "sftp", "rsync", "mosh"];

/// How far back a link may begin or a shell's word may stand, in bytes.
const REACH_BYTES: usize = 80;

/// Longest label of a domain (RFC 1035), in bytes.
const LABEL_MAX_BYTES: usize = 63;

/// Whether it is an address of somebody.
pub(super) fn email(candidate: &Candidate<'_>) -> bool {
    let Some((local, domain)) = candidate.value().rsplit_once('@') else { return false };
    let label =
        |label: &str| (1..=LABEL_MAX_BYTES).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    let ending = domain.rsplit('.').next().unwrap_or_default();
    let is_named = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.split('.').all(label)
        && !is_named(ENDINGS, ending)
        && !is_named(ACCOUNTS, local)
        && !is_login(candidate)
}

/// Mailboxes of roles: those of RFC 2142, and others that firms and projects have. Nobody in particular reads them.
const ROLES: &[&str] = &[
    "abuse",
    "accounting",
    "accounts",
    "admin",
    "administrator",
    "billing",
    "booking",
    "bookings",
    "bounce",
    "bounces",
    "careers",
    "community",
    "compliance",
    "contact",
    "contacto",
    "contributors",
    "customerservice",
    "dev",
    "developers",
    "donotreply",
    "enquiries",
    "events",
    "feedback",
    "finance",
    "ftp",
    "general",
    "hello",
    "help",
    "helpdesk",
    "hostmaster",
    "hr",
    "info",
    "inquiries",
    "invoices",
    "jobs",
    "kontakt",
    "legal",
    "list",
    "mail",
    "maintainers",
    "marketing",
    "media",
    "moderators",
    "news",
    "newsletter",
    "noc",
    "notifications",
    "office",
    "orders",
    "postmaster",
    "press",
    "privacy",
    "recruiting",
    "root",
    "sales",
    "security",
    "service",
    "services",
    "staff",
    "subscribe",
    "support",
    "team",
    "unsubscribe",
    "usenet",
    "uucp",
    "webmaster",
    "welcome",
    "www",
];

/// Whether it is an address of a person rather than of a role.
pub(super) fn email_of_person(candidate: &Candidate<'_>) -> bool {
    let local = candidate.value().split('@').next().unwrap_or_default();
    let name = local.split('+').next().unwrap_or_default();
    !ROLES.iter().any(|role| role.eq_ignore_ascii_case(name))
}

/// Whether it is a user at a host: in a link, before a path, behind a shell's word.
fn is_login(candidate: &Candidate<'_>) -> bool {
    let from = candidate.start.saturating_sub(REACH_BYTES);
    let head = &candidate.text.as_bytes()[from..candidate.start];
    let gap = head.iter().rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>'));
    let token = &head[gap.map_or(0, |gap| gap + 1)..];
    let in_link = memchr::memmem::rfind(token, b"://").is_some_and(|at| !token[at + 3..].contains(&b'/'));
    let tail = &candidate.text.as_bytes()[candidate.end..];
    let tail = &tail[..tail.len().min(REACH_BYTES)];
    let path = tail.strip_prefix(b":").map(|path| path.split(u8::is_ascii_whitespace).next().unwrap_or_default());
    let before_path = path.is_some_and(|path| path.contains(&b'/') || path.starts_with(b"~"));
    let words = || head.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty() && !word.starts_with(b"-"));
    let in_shell =
        token.is_empty() && words().next_back().is_some_and(|word| SHELLS.iter().any(|shell| shell.as_bytes() == word));
    in_link || before_path || in_shell
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_each;
    use super::*;

    #[test]
    fn roles_are_no_persons() {
        let table = [("[marta@acme.io]", true), ("[Support+eu@acme.io]", false), ("[support.lee@acme.io]", true)];
        check_each(email_of_person, &table);
    }

    #[test]
    fn addresses_are_told_from_look_alikes() {
        let table = [
            ("[marta.kowalczyk+news@acme-widgets.io]", true),
            ("[o'brien@acme.co.uk]", true),
            ("[jürgen@bücher.de]", true),
            ("mailto:[marta@acme.io]", true),
            ("<[marta@acme.io]>", true),
            ("[marta@acme.io]: see above", true),
            ("[marta@acme.io]:hunter2", true),
            ("https://acme.io/u/[marta@acme.io]", true),
            ("[logo@2x.png]", false),
            ("[.marta@acme.io]", false),
            ("[marta.@acme.io]", false),
            ("[marta..k@acme.io]", false),
            ("[marta@-acme.io]", false),
            ("[marta@acme..io]", false),
            ("[git@acme.io]:group/project.git", false),
            ("[deploy@web1.acme.io]:/srv/www", false),
            ("https://marta:[secret@acme.io]/x", false),
            ("ssh -A [marta@web1.acme.io]", false),
        ];
        check_each(email, &table);
    }
}
