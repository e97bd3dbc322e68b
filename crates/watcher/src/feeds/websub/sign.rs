//! The signature of what a hub brings: an HMAC over the body as sent.

use data_encoding::HEXLOWER_PERMISSIVE;
use ring::hmac::{
    Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, verify,
};

/// Whether `X-Hub-Signature` fits the body: `method=hex`, of the four methods that WebSub knows. Takes the same time for every wrong signature.
pub fn is_signed(header: Option<&str>, secret: &str, body: &[u8]) -> bool {
    let Some((method, hex)) = header.and_then(|header| header.trim().split_once('=')) else { return false };
    let algorithm: Algorithm = match method.to_ascii_lowercase().as_str() {
        "sha1" => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => HMAC_SHA256,
        "sha384" => HMAC_SHA384,
        "sha512" => HMAC_SHA512,
        _ => return false,
    };
    let Ok(tag) = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) else { return false };
    verify(&Key::new(algorithm, secret.as_bytes()), body, &tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "what do ya want for nothing?" with the key "Jefe": RFC 2202, case 2, and RFC 4231, case 2.
    const GOOD: [&str; 4] = [
        "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "sha384=af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ];
    const BODY: &[u8] = b"what do ya want for nothing?";

    #[test]
    fn each_method_is_known_by_its_published_examples() {
        for good in GOOD {
            assert!(is_signed(Some(good), "Jefe", BODY), "{good}");
            assert!(is_signed(Some(&good.to_ascii_uppercase()), "Jefe", BODY), "in capitals: {good}");
            assert!(!is_signed(Some(good), "jefe", BODY), "another secret: {good}");
            assert!(!is_signed(Some(good), "Jefe", b"what do ya want for nothing!"), "another body: {good}");
            let (method, hex) = good.split_once('=').expect("two halves");
            assert!(
                !is_signed(Some(&format!("{method}={}", &hex[..hex.len() - 2])), "Jefe", BODY),
                "cut: {good}"
            );
            assert!(!is_signed(Some(&format!("{method}={hex}00")), "Jefe", BODY), "longer: {good}");
        }
    }

    #[test]
    fn what_is_no_signature_is_none() {
        let other = GOOD[1].replace("sha256", "sha512");
        for bad in [
            None,
            Some(""),
            Some("sha256="),
            Some("sha256"),
            Some("md5=00"),
            Some("sha256=xyz"),
            Some(other.as_str()),
        ] {
            assert!(!is_signed(bad, "Jefe", BODY), "{bad:?}");
        }
    }
}
