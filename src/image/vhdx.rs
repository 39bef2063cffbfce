//! A dynamic VHDX: only blocks with data take room.
//!
//! Format: Microsoft, [MS-VHDX] version 1. In: a [`SparseFile`]. Out: file identifier, two headers, two region tables, an
//! empty log, metadata, the block allocation table, and the blocks with data in their order. Equal disks give equal bytes:
//! GUIDs come from the seed.

use std::io::{self, Write};

use super::identity::{Seed, Uuid};
use super::sparse::SparseFile;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Bytes of a block.
const BLOCK: u64 = 2 * MIB;
/// Blocks between two entries of the table that stand for sector bitmaps: 2^23 sectors of 512 bytes.
const CHUNK: u64 = (1 << 23) * 512 / BLOCK;

const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
const TABLE_AT: u64 = 3 * MIB;

const TABLE_REGION: u128 = 0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08;
const METADATA_REGION: u128 = 0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e;

const FILE_PARAMETERS: u128 = 0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b;
const DISK_SIZE: u128 = 0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8;
const DISK_ID: u128 = 0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746;
const LOGICAL_SECTOR: u128 = 0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f;
const PHYSICAL_SECTOR: u128 = 0xcda3_48c7_445d_4471_9cc9_e988_5251_c556;

/// Metadata that a reader must understand; and metadata of the disk rather than of the file.
const REQUIRED: u32 = 4;
const OF_THE_DISK: u32 = 2;

/// Writes `disk` as a VHDX.
pub fn write(disk: &mut SparseFile, seed: Seed, mut to: impl Write) -> io::Result<()> {
    let blocks = disk.size().div_ceil(BLOCK);
    let used: Vec<bool> = (0..blocks).map(|block| disk.has_data(block * BLOCK, (block + 1) * BLOCK)).collect();
    let (table, first_block) = allocation_table(&used);
    to.write_all(&head(seed, table.len() as u64))?;
    to.write_all(&vec![0; usize::try_from(MIB).unwrap_or(0)])?;
    to.write_all(&metadata(disk.size(), seed))?;
    to.write_all(&table)?;
    debug_assert_eq!(TABLE_AT + table.len() as u64, first_block);
    for (block, _) in used.iter().enumerate().filter(|(_, used)| **used) {
        to.write_all(&content(disk, block as u64 * BLOCK)?)?;
    }
    to.flush()
}

fn content(disk: &mut SparseFile, start: u64) -> io::Result<Vec<u8>> {
    let mut block = vec![0; usize::try_from(BLOCK).unwrap_or(0)];
    let length = usize::try_from((disk.size() - start).min(BLOCK)).unwrap_or(0);
    disk.read_at(start, &mut block[..length])?;
    Ok(block)
}

/// The table's bytes, a multiple of 1 MiB, and where the first block lies.
fn allocation_table(used: &[bool]) -> (Vec<u8>, u64) {
    let blocks = used.len() as u64;
    let entries = blocks + blocks.saturating_sub(1) / CHUNK;
    let bytes = (entries * 8).next_multiple_of(MIB).max(MIB);
    let first_block = TABLE_AT + bytes;
    let mut next = first_block / MIB;
    let mut table = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    for (block, used) in (0..).zip(used) {
        if block > 0 && block % CHUNK == 0 {
            // A disk without a parent has no sector bitmaps.
            table.extend_from_slice(&0_u64.to_le_bytes());
        }
        // State 6, fully present, with the place in MiB; or 0, not present, which reads as zeros.
        let entry = if *used { next << 20 | 6 } else { 0 };
        next += if *used { BLOCK / MIB } else { 0 };
        table.extend_from_slice(&entry.to_le_bytes());
    }
    table.resize(usize::try_from(bytes).unwrap_or(0), 0);
    (table, first_block)
}

/// The first MiB: identifier, headers, region tables.
fn head(seed: Seed, table_bytes: u64) -> Vec<u8> {
    let mut head = vec![0; usize::try_from(MIB).unwrap_or(0)];
    let mut put = |at: u64, part: &[u8]| {
        let at = usize::try_from(at).unwrap_or(0);
        head[at..at + part.len()].copy_from_slice(part);
    };
    put(0, b"vhdxfile");
    let creator: Vec<u8> = "Drydock".encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(8, &creator);
    put(64 * KIB, &header(seed, 1));
    put(128 * KIB, &header(seed, 2));
    let regions = region_table(table_bytes);
    put(192 * KIB, &regions);
    put(256 * KIB, &regions);
    head
}

/// A header; of the two, the one with the higher `sequence` counts.
fn header(seed: Seed, sequence: u64) -> [u8; 4096] {
    let mut header = [0; 4096];
    header[..4].copy_from_slice(b"head");
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..32].copy_from_slice(&seed.uuid("vhdx file").to_mixed_endian());
    header[32..48].copy_from_slice(&seed.uuid("vhdx data").to_mixed_endian());
    // No log GUID: there is nothing to replay.
    header[66..68].copy_from_slice(&1_u16.to_le_bytes());
    header[68..72].copy_from_slice(&u32::try_from(MIB).unwrap_or(0).to_le_bytes());
    header[72..80].copy_from_slice(&LOG_AT.to_le_bytes());
    let sum = crc32c(&header);
    header[4..8].copy_from_slice(&sum.to_le_bytes());
    header
}

fn region_table(table_bytes: u64) -> Vec<u8> {
    let mut regions = vec![0; usize::try_from(64 * KIB).unwrap_or(0)];
    regions[..4].copy_from_slice(b"regi");
    regions[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let entries = [(TABLE_REGION, TABLE_AT, table_bytes), (METADATA_REGION, METADATA_AT, MIB)];
    for ((guid, at, bytes), entry) in entries.into_iter().zip(regions[16..].chunks_exact_mut(32)) {
        entry[..16].copy_from_slice(&mixed(guid));
        entry[16..24].copy_from_slice(&at.to_le_bytes());
        entry[24..28].copy_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes());
        entry[28..32].copy_from_slice(&1_u32.to_le_bytes());
    }
    let sum = crc32c(&regions);
    regions[4..8].copy_from_slice(&sum.to_le_bytes());
    regions
}

/// The metadata region: a table in its first 64 KiB, the values behind it.
fn metadata(size: u64, seed: Seed) -> Vec<u8> {
    let block = u32::try_from(BLOCK).unwrap_or(0).to_le_bytes();
    let disk = REQUIRED | OF_THE_DISK;
    let values: [(u128, u32, Vec<u8>); 5] = [
        (FILE_PARAMETERS, REQUIRED, [block, [0; 4]].concat()),
        (DISK_SIZE, disk, size.to_le_bytes().to_vec()),
        (DISK_ID, disk, seed.uuid("vhdx disk").to_mixed_endian().to_vec()),
        (LOGICAL_SECTOR, disk, 512_u32.to_le_bytes().to_vec()),
        (PHYSICAL_SECTOR, disk, 4096_u32.to_le_bytes().to_vec()),
    ];
    let mut region = vec![0; usize::try_from(MIB).unwrap_or(0)];
    region[..8].copy_from_slice(b"metadata");
    region[10..12].copy_from_slice(&5_u16.to_le_bytes());
    let mut at = 64 << 10;
    for (index, (guid, flags, value)) in values.iter().enumerate() {
        let entry = &mut region[32 + index * 32..][..32];
        entry[..16].copy_from_slice(&mixed(*guid));
        entry[16..20].copy_from_slice(&u32::try_from(at).unwrap_or(0).to_le_bytes());
        entry[20..24].copy_from_slice(&u32::try_from(value.len()).unwrap_or(0).to_le_bytes());
        entry[24..28].copy_from_slice(&flags.to_le_bytes());
        region[at..at + value.len()].copy_from_slice(value);
        at += value.len();
    }
    region
}

fn mixed(guid: u128) -> [u8; 16] {
    Uuid(guid.to_be_bytes()).to_mixed_endian()
}

fn crc32c(bytes: &[u8]) -> u32 {
    !mkext4::csum::crc32c_raw(!0, bytes)
}
