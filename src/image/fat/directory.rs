//! Names and slots of a FAT folder: short names, long names, dates. Pure.

use std::collections::BTreeSet;

/// What a folder says of one of its files besides the name.
pub(super) struct Listed {
    pub(super) attributes: u8,
    pub(super) first: u32,
    pub(super) size: u32,
    /// Seconds since 1970.
    pub(super) time: u64,
}

/// The names in a folder, in the order in which they were added.
#[derive(Default)]
pub(super) struct Names {
    all: Vec<Name>,
    short: BTreeSet<[u8; 11]>,
    folded: BTreeSet<String>,
}

struct Name {
    short: [u8; 11],
    /// UTF-16; empty where the short name says it all.
    long: Vec<u16>,
    child: usize,
}

impl Names {
    /// Adds `name` for the node `child`; says what is wrong with it otherwise.
    pub(super) fn add(&mut self, name: &str, child: usize) -> Result<(), String> {
        let bad = |letter: char| (letter as u32) < 32 || "\"*/:<>?\\|".contains(letter);
        if name.contains(bad) || name.ends_with([' ', '.']) || name.encode_utf16().count() > 255 {
            return Err("FAT cannot hold this name".to_owned());
        }
        if !self.folded.insert(name.to_uppercase()) {
            return Err("FAT does not tell this name from another one in letter case".to_owned());
        }
        let plain = plain_short(name);
        let short = match plain {
            Some(short) if self.short.insert(short) => short,
            _ => self.numbered(name).ok_or("its folder has too many names like it")?,
        };
        let says_it_all = plain == Some(short) && !name.contains(|letter: char| letter.is_ascii_lowercase());
        let long = if says_it_all { Vec::new() } else { name.encode_utf16().collect() };
        self.all.push(Name { short, long, child });
        Ok(())
    }

    /// A short name with a number, like `LONGNA~1.TXT`, that no other has.
    fn numbered(&mut self, name: &str) -> Option<[u8; 11]> {
        let (base, extension) = name.rsplit_once('.').filter(|(base, _)| !base.is_empty()).unwrap_or((name, ""));
        let letters = |text: &str| -> Vec<u8> {
            let kept = text.chars().filter(|letter| !" .".contains(*letter));
            kept.map(|letter| {
                u8::try_from(letter).ok().filter(|byte| is_short(*byte)).unwrap_or(b'_').to_ascii_uppercase()
            })
            .collect()
        };
        let (base, extension) = (letters(base), letters(extension));
        (1..1_000_000_u32)
            .map(|number| {
                let tail = format!("~{number}");
                let kept = base.len().min(8 - tail.len());
                filled(&[&base[..kept], tail.as_bytes()].concat(), &extension[..extension.len().min(3)])
            })
            .find(|short| self.short.insert(*short))
    }

    /// Number of slots that the names take.
    pub(super) fn slots(&self) -> u64 {
        self.all.iter().map(|name| 1 + name.long.len().div_ceil(13) as u64).sum()
    }

    /// Appends the slots of all names.
    pub(super) fn write(&self, bytes: &mut Vec<u8>, listed: impl Fn(usize) -> Listed) {
        for name in &self.all {
            let sum = checksum(&name.short);
            let parts: Vec<&[u16]> = name.long.chunks(13).collect();
            for (at, part) in parts.iter().enumerate().rev() {
                bytes.extend_from_slice(&long_slot(part, at, at + 1 == parts.len(), sum));
            }
            bytes.extend_from_slice(&listed(name.child).slot(&name.short));
        }
    }
}

fn is_short(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

/// `name` as a short name, if it is one but for the case of its letters.
fn plain_short(name: &str) -> Option<[u8; 11]> {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let fits = (1..=8).contains(&base.len()) && extension.len() <= 3 && (extension.is_empty() != name.contains('.'));
    let short = base.bytes().chain(extension.bytes()).all(is_short);
    (fits && short).then(|| filled(base.to_ascii_uppercase().as_bytes(), extension.to_ascii_uppercase().as_bytes()))
}

fn filled(base: &[u8], extension: &[u8]) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short
}

fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

fn long_slot(part: &[u16], at: usize, is_last: bool, sum: u8) -> [u8; 32] {
    let mut letters: Vec<u16> = part.to_vec();
    if letters.len() < 13 {
        letters.push(0);
        letters.resize(13, 0xffff);
    }
    let mut slot = [0; 32];
    let number = u8::try_from(at + 1).unwrap_or(20);
    slot[0] = number | if is_last { 0x40 } else { 0 };
    slot[11] = 0x0f;
    slot[13] = sum;
    let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
    for (place, letter) in places.zip(letters) {
        slot[place..place + 2].copy_from_slice(&letter.to_le_bytes());
    }
    slot
}

impl Listed {
    /// The slot of a file with this short name.
    pub(super) fn slot(&self, short: &[u8; 11]) -> [u8; 32] {
        let (date, time) = dos_time(self.time);
        let [low, high] =
            [self.first & 0xffff, self.first >> 16].map(|half| [half.to_le_bytes()[0], half.to_le_bytes()[1]]);
        let mut slot = [0; 32];
        slot[..11].copy_from_slice(short);
        slot[11] = self.attributes;
        slot[14..16].copy_from_slice(&time.to_le_bytes());
        slot[16..18].copy_from_slice(&date.to_le_bytes());
        slot[18..20].copy_from_slice(&date.to_le_bytes());
        slot[20..22].copy_from_slice(&high);
        slot[22..24].copy_from_slice(&time.to_le_bytes());
        slot[24..26].copy_from_slice(&date.to_le_bytes());
        slot[26..28].copy_from_slice(&low);
        slot[28..].copy_from_slice(&self.size.to_le_bytes());
        slot
    }
}

/// Date and time of the format, in UTC; the first is 1980, the last 2107.
pub(super) fn dos_time(seconds: u64) -> (u16, u16) {
    let seconds = seconds.clamp(315_532_800, 4_354_819_198);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days since 1970: eras of 400 years that start on the first of March of year 0.
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + shifted / 146_097 * 400 + u64::from(month <= 2);
    let date = ((year - 1980) << 9) | (month << 5) | day;
    let time = ((second / 3600) << 11) | ((second / 60 % 60) << 5) | (second % 60 / 2);
    (u16::try_from(date).unwrap_or(u16::MAX), u16::try_from(time).unwrap_or(u16::MAX))
}
