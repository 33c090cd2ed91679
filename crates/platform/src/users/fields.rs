//! What a person writes about themselves, each by its rule.

use crate::text::{bounded, bounded_text};

bounded_text! {
    /// An e-mail address of at most 255 characters, in lower case: two
    /// addresses that differ only in case are one user.
    Email, |text| {
        // ASCII alone: other letters may have one of ASCII as their small form (U+212A), and
        // an address with any of them is refused below.
        let text = bounded(text, 1, 255)?.to_ascii_lowercase();
        let valid = text.split_once('@').is_some_and(|(local, domain)| {
            let clean = |part: &str| part.chars().all(|c| c.is_ascii_graphic() && !"()<>,;:\\\"[]@".contains(c));
            let dotted = |part: &str| part.split('.').all(|label| !label.is_empty());
            let hyphens = domain.split('.').all(|label| !label.starts_with('-') && !label.ends_with('-'));
            let host = domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
            clean(local) && dotted(local) && local.len() <= 64
                && host && dotted(domain) && hyphens && domain.contains('.')
        });
        if valid { Ok(text) } else { Err("must be an e-mail address such as ada@example.com".to_owned()) }
    }
}

bounded_text! {
    /// A first or last name: 1 to 100 characters, not all blank.
    Name, |text| {
        let trimmed = bounded(text.trim(), 1, 100)?;
        if trimmed.chars().any(char::is_control) {
            return Err("must not contain control characters".to_owned());
        }
        Ok(trimmed.to_owned())
    }
}

bounded_text! {
    /// A telephone number in E.164: `+` and 7 to 15 digits, the first not 0.
    Phone, |text| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let valid = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if valid { Ok(text.to_owned()) } else { Err("must be a number in E.164 form such as +14155550100".to_owned()) }
    }
}
