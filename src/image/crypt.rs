//! Password hashes for `/etc/shadow`: SHA-512-crypt, `$6$SALT$HASH`.
//!
//! Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6; 5,000 rounds. The salt comes from the
//! image's seed, so that an image is the same each time it is made.

use sha2::{Digest as _, Sha512};

const ROUNDS: usize = 5000;
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash of `password` with `salt`, of which at most 16 characters count.
pub fn sha512_crypt(password: &str, salt: &str) -> String {
    let password = password.as_bytes();
    let salt: String = salt.chars().take(16).collect();
    let first = first_digest(password, salt.as_bytes());
    let secret = stretched(&repeated(password, password.len()), password.len());
    let salt_times = 16 + usize::from(first[0]);
    let salted = stretched(&repeated(salt.as_bytes(), salt_times), salt.len());
    let mut digest = first;
    for round in 0..ROUNDS {
        digest = next_digest(round, &digest, &secret, &salted);
    }
    format!("$6${salt}${}", encoded(&digest))
}

fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn first_digest(password: &[u8], salt: &[u8]) -> [u8; 64] {
    let other = sha512(&[password, salt, password]);
    let mut parts: Vec<&[u8]> = vec![password, salt];
    let filled = stretched(&other, password.len());
    parts.push(&filled);
    let mut length = password.len();
    while length > 0 {
        parts.push(if length & 1 == 1 { &other } else { password });
        length >>= 1;
    }
    sha512(&parts)
}

fn next_digest(round: usize, digest: &[u8; 64], secret: &[u8], salted: &[u8]) -> [u8; 64] {
    let is_odd = round % 2 == 1;
    let mut parts: Vec<&[u8]> = vec![if is_odd { secret } else { digest }];
    if !round.is_multiple_of(3) {
        parts.push(salted);
    }
    if !round.is_multiple_of(7) {
        parts.push(secret);
    }
    parts.push(if is_odd { digest } else { secret });
    sha512(&parts)
}

/// The digest of `part`, `times` times.
fn repeated(part: &[u8], times: usize) -> [u8; 64] {
    sha512(&vec![part; times])
}

/// `length` bytes: `digest` again and again.
fn stretched(digest: &[u8; 64], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

/// Base 64 of the format: three bytes give four letters, lowest bits first, the bytes taken in the format's order.
fn encoded(digest: &[u8; 64]) -> String {
    let mut text = String::new();
    let mut push = |bytes: [u8; 3], letters: usize| {
        let [a, b, c] = bytes.map(u32::from);
        let mut bits = a << 16 | b << 8 | c;
        for _ in 0..letters {
            text.push(char::from(LETTERS[bits as usize & 63]));
            bits >>= 6;
        }
    };
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        push([digest[a], digest[b], digest[c]], 4);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    push([0, 0, digest[63]], 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(
            sha512_crypt("Hello world!", "saltstring"),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
    }

    #[test]
    fn a_long_password_and_a_long_salt_are_taken() {
        let hash = sha512_crypt(&"x".repeat(200), "abcdefghijklmnopqrstuvwxyz");
        assert!(hash.starts_with("$6$abcdefghijklmnop$") && hash.len() == 20 + 86);
    }
}
