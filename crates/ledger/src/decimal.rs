//! Plain decimal literals, read exactly: digits, and some decimals behind a
//! point. No sign, exponent, blank or separator, and never a float on the way.

/// Why a text is no literal of the wanted kind.
#[derive(Clone, Copy)]
pub(crate) enum Flaw {
    /// Not plain digits with a point.
    Malformed,
    /// A literal but for the minus before it.
    Negative,
    /// More decimals than wanted.
    TooPrecise,
    /// Beyond what the number can hold.
    TooLarge,
}

/// The value, scaled by ten to the power of `places`.
pub(crate) fn parse(text: &str, places: usize) -> Result<u64, Flaw> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let (units, decimals) = bare.split_once('.').unwrap_or((bare, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(decimals) {
        return Err(Flaw::Malformed);
    }
    if bare != text {
        return Err(Flaw::Negative);
    }
    let missing = places.checked_sub(decimals.len()).ok_or(Flaw::TooPrecise)?;
    let zeros = std::iter::repeat_n('0', missing);
    let scaled: String = units.chars().chain(decimals.chars()).chain(zeros).collect();
    scaled.parse().map_err(|_| Flaw::TooLarge)
}
