//! One-time codes by RFC 6238, for accounts whose second factor the user chose to give us.

use aws_lc_rs::hmac;
use jiff::Timestamp;

/// A shared key with its parameters.
#[derive(Clone)]
pub struct Totp {
    key: Vec<u8>,
    algorithm: hmac::Algorithm,
    digits: u32,
    period: i64,
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Totp(hidden)")
    }
}

impl Totp {
    /// Reads a base32 key, or an `otpauth://totp/` address with its parameters. The error never
    /// holds the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let mut totp = Self {
            key: Vec::new(),
            algorithm: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            digits: 6,
            period: 30,
        };
        let mut secret = text.to_owned();
        if text.starts_with("otpauth:") {
            let url =
                url::Url::parse(text).map_err(|_hidden| "not an otpauth address".to_owned())?;
            secret.clear();
            for (name, value) in url.query_pairs() {
                match &*name {
                    "secret" => secret = value.into_owned(),
                    "digits" => totp.digits = value.parse().unwrap_or(6).clamp(6, 8),
                    "period" => totp.period = value.parse().unwrap_or(30).clamp(1, 3600),
                    "algorithm" => {
                        totp.algorithm = match &*value {
                            "SHA1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                            "SHA256" => hmac::HMAC_SHA256,
                            "SHA512" => hmac::HMAC_SHA512,
                            _ => {
                                return Err(
                                    "an algorithm other than SHA1, SHA256, SHA512".to_owned()
                                );
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        totp.key = base32(&secret).ok_or("the key is not base32")?;
        if totp.key.len() < 10 {
            return Err("the key has fewer than 80 bits".to_owned());
        }
        Ok(totp)
    }

    /// The code at a time, `steps` periods later.
    #[must_use]
    pub fn code(&self, now: Timestamp, steps: i64) -> String {
        let counter = now.as_second().div_euclid(self.period) + steps;
        let key = hmac::Key::new(self.algorithm, &self.key);
        let tag = hmac::sign(&key, &counter.to_be_bytes());
        let bytes = tag.as_ref();
        let offset = usize::from(bytes[bytes.len() - 1] & 0x0f);
        let word = [
            bytes[offset],
            bytes[offset + 1],
            bytes[offset + 2],
            bytes[offset + 3],
        ];
        let number = u32::from_be_bytes(word) & 0x7fff_ffff;
        let width = usize::try_from(self.digits).unwrap_or(6);
        format!("{:0width$}", number % 10_u32.pow(self.digits))
    }

    /// The step whose code is the likelier one if our clock is a step off: towards the nearer
    /// edge of the present period.
    #[must_use]
    pub fn neighbour(&self, now: Timestamp) -> i64 {
        if now.as_second().rem_euclid(self.period) * 2 < self.period {
            -1
        } else {
            1
        }
    }
}

fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for c in text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-' && *c != '=')
    {
        let value = match c.to_ascii_uppercase() {
            c @ 'A'..='Z' => u32::from(c) - u32::from('A'),
            c @ '2'..='7' => u32::from(c) - u32::from('2') + 26,
            _ => return None,
        };
        buffer = buffer << 5 | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).unwrap_or_default());
        }
        buffer &= (1 << bits) - 1;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds of RFC 6238 appendix B: the digits 1 to 0 repeated to the hash's length.
    fn seed(length: usize) -> Vec<u8> {
        b"1234567890".iter().copied().cycle().take(length).collect()
    }

    #[test]
    fn the_vectors_of_rfc_6238() {
        let sha1 = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        for (second, one, two, five) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ] {
            let now = Timestamp::from_second(second).unwrap();
            for (algorithm, length, code) in [
                (sha1, 20, one),
                (hmac::HMAC_SHA256, 32, two),
                (hmac::HMAC_SHA512, 64, five),
            ] {
                let totp = Totp {
                    key: seed(length),
                    algorithm,
                    digits: 8,
                    period: 30,
                };
                assert_eq!(totp.code(now, 0), code, "{second}");
            }
        }
    }

    #[test]
    fn keys_come_as_base32_or_as_an_address() {
        let now = Timestamp::from_second(59).unwrap();
        let key = "gezd gnbv gy3t qojq GEZD-GNBV-GY3T-QOJQ";
        assert_eq!(Totp::parse(key).unwrap().code(now, 0), "287082");
        let address = "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8";
        assert_eq!(Totp::parse(address).unwrap().code(now, 0), "94287082");
        for bad in ["", "1890", "AAAA", "otpauth://totp/x"] {
            assert!(Totp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_neighbour_is_the_nearer_step() {
        let totp = Totp::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let at = |second| totp.neighbour(Timestamp::from_second(second).unwrap());
        assert_eq!((at(60), at(74), at(75), at(89)), (-1, -1, 1, 1));
    }
}
