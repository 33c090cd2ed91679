//! Text that people wrote, bounded: what PostgreSQL can store and a reader can bear.

/// Checks a text of `min..=max` characters (Unicode scalar values, as `VARCHAR(n)`
/// counts them) that holds no NUL, which PostgreSQL cannot store.
pub(crate) fn bounded(text: &str, min: usize, max: usize) -> Result<&str, String> {
    if text.contains('\0') {
        return Err("must not contain the character U+0000".to_owned());
    }
    let length = text.chars().count();
    if length < min {
        return Err(match min {
            1 => "must not be empty".to_owned(),
            min => format!("must have at least {min} characters"),
        });
    }
    if length > max {
        return Err(format!("must have at most {max} characters"));
    }
    Ok(text)
}

/// Declares a text type that can only be made by its rule.
macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Reads it.
            ///
            /// # Errors
            /// What is wrong, as the end of a sentence that begins with the field's name.
            pub fn parse(text: &str) -> Result<Self, String> {
                let rule: fn(&str) -> Result<String, String> = $rule;
                rule(text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use bounded_text;
