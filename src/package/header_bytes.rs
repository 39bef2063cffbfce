//! The bytes of an RPM's headers, checked before anything is made of them. Pure.
//!
//! An RPM begins with 96 bytes of lead, the signature header, filled up to a multiple of eight bytes, and the header. Each
//! header has 16 bytes that count its entries and the bytes of its data, 16 bytes for each entry (tag, type, place in
//! the data, number of values), and the data (<https://rpm-software-management.github.io/rpm/manual/format_header.html>).
//! As in rpm, counts have bounds, every value lies inside the data, and no two values share bytes: so what is made of a
//! header is never much larger than the header.

use std::io::{self, Read};

const LEAD: u64 = 96;
const INTRO: usize = 16;
const ENTRY: usize = 16;
const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 1];

/// The most that rpm takes (`header.c`).
const MOST_ENTRIES: u32 = 0xffff;
const MOST_DATA: u32 = 256 << 20;

/// The lead and both headers that `reader` starts with, as they stand there.
///
/// # Errors
/// `InvalidData` when a header is not as described, with a text that names the header and the entry.
pub(super) fn read(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    take(reader, LEAD, &mut bytes).map_err(|error| at("lead", &error))?;
    let data = header(reader, &mut bytes).map_err(|error| at("signature header", &error))?;
    take(reader, data.next_multiple_of(8) - data, &mut bytes).map_err(|error| at("signature header", &error))?;
    header(reader, &mut bytes).map_err(|error| at("header", &error))?;
    Ok(bytes)
}

fn at(place: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the {place}: {error}"))
}

fn wrong(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Puts `count` bytes of `reader` at the end of `bytes`; memory is taken as they come.
fn take(reader: &mut impl Read, count: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let found = reader.by_ref().take(count).read_to_end(bytes)?;
    if found as u64 == count {
        Ok(())
    } else {
        let text = format!("it ends after {found} of {count} bytes");
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
    }
}

/// Reads one header; gives the size of its data in bytes.
fn header(reader: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let start = bytes.len();
    take(reader, INTRO as u64, bytes)?;
    let intro = &bytes[start..];
    if !intro.starts_with(&MAGIC) {
        return Err(wrong("it does not begin as one".to_owned()));
    }
    let (entries, data) = (number(intro, 8), number(intro, 12));
    if entries > MOST_ENTRIES || data > MOST_DATA {
        return Err(wrong(format!("it is said to have {entries} entries and {data} bytes, which is too much")));
    }
    let index = entries as usize * ENTRY;
    take(reader, index as u64 + u64::from(data), bytes)?;
    check(&bytes[start + INTRO..], index)?;
    Ok(u64::from(data))
}

/// The big-endian number at `at`, which is inside `bytes`.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Whether the values of all entries lie inside the data and do not share bytes of it.
fn check(header: &[u8], index: usize) -> io::Result<()> {
    let (entries, data) = header.split_at(index);
    let mut used = 0_usize;
    for entry in entries.chunks_exact(ENTRY) {
        let (tag, kind) = (number(entry, 0), number(entry, 4));
        let (place, count) = (number(entry, 8) as usize, number(entry, 12) as usize);
        let outside = || wrong(format!("the value of tag {tag} is not inside the data"));
        let room = data.get(place..).ok_or_else(outside)?;
        let bytes = match kind {
            0 => 0,
            1 | 2 | 7 => count,
            3 => count * 2,
            4 => count * 4,
            5 => count * 8,
            6 | 8 | 9 => texts(room, count).ok_or_else(outside)?,
            other => return Err(wrong(format!("tag {tag} has the unknown type {other}"))),
        };
        if bytes > room.len() {
            return Err(outside());
        }
        used += bytes;
        if used > data.len() {
            return Err(wrong(format!("the value of tag {tag} shares bytes with another one")));
        }
    }
    Ok(())
}

/// The size of `count` texts that each end with a zero; None when they do not end.
fn texts(room: &[u8], count: usize) -> Option<usize> {
    let ends = room.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
    if count == 0 {
        Some(0)
    } else {
        ends.take(count).enumerate().last().filter(|(at, _)| at + 1 == count).map(|(_, end)| end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lead, an empty signature header, and a header of `entries` (tag, type, place, count) and `data`.
    fn rpm(entries: &[[u32; 4]], data: &[u8]) -> Vec<u8> {
        let intro = |entries: usize, data: usize| {
            let counts = [entries, data].map(|count| u32::try_from(count).unwrap().to_be_bytes());
            [&MAGIC[..], &[0; 4], &counts.concat()].concat()
        };
        let index: Vec<u8> = entries.iter().flatten().flat_map(|number| number.to_be_bytes()).collect();
        [vec![0; 96], intro(0, 0), intro(entries.len(), data.len()), index, data.to_vec()].concat()
    }

    fn told(bytes: &[u8]) -> String {
        read(&mut &*bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_right_is_given_as_it_stands_and_no_more() {
        let bytes = rpm(&[[1000, 6, 0, 1], [1028, 4, 4, 1], [1117, 8, 8, 2]], b"abc\0\0\0\0\x01a\0b\0");
        let mut reader = [&bytes[..], b"payload"].concat();
        assert_eq!(read(&mut reader.as_slice()).unwrap(), bytes);
        reader.truncate(bytes.len() - 1);
        assert_eq!(told(&reader), "the header: it ends after 59 of 60 bytes");
    }

    #[test]
    fn what_lies_about_its_size_is_refused() {
        let data = b"abcdef\0\0";
        assert!(told(&rpm(&[[1000, 6, 9, 1]], data)).ends_with("the value of tag 1000 is not inside the data"));
        assert!(told(&rpm(&[[1000, 8, 0, 3]], data)).ends_with("tag 1000 is not inside the data"));
        assert!(told(&rpm(&[[1000, 4, 0, u32::MAX]], data)).ends_with("tag 1000 is not inside the data"));
        assert!(told(&rpm(&[[1000, 12, 0, 1]], data)).ends_with("tag 1000 has the unknown type 12"));
        assert!(told(&rpm(&[[1, 7, 0, 8], [2, 7, 0, 8]], data)).ends_with("tag 2 shares bytes with another one"));
        let mut huge = rpm(&[], data);
        huge[112 + 8..112 + 16].fill(0xff);
        assert!(told(&huge).ends_with("4294967295 entries and 4294967295 bytes, which is too much"));
        huge[112 + 8..112 + 16].copy_from_slice(&[0, 0, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff]);
        assert!(told(&huge).starts_with("the header: it ends after 8 of"), "no memory is taken for what is not there");
        assert!(told(b"not an rpm").starts_with("the lead: it ends after 10 of 96 bytes"));
    }
}
