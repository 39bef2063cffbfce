//! Partition tables: GPT by `gptman`, MBR by hand.
//!
//! In: a [`Layout`]. Out: the table's sectors on the disk. The boot code of the first sector is left as it is.

use std::io;

use super::config::TableType;
use super::identity::Uuid;
use super::partition::{Layout, SECTOR, Slot};
use super::sparse::SparseFile;

/// Writes the partition table of `layout`.
pub fn write(disk: &mut SparseFile, layout: &Layout) -> io::Result<()> {
    match layout.table {
        TableType::Gpt => write_gpt(disk, layout),
        TableType::Mbr => disk.write_at(440, &mbr(layout)),
    }
}

fn write_gpt(disk: &mut SparseFile, layout: &Layout) -> io::Result<()> {
    let size = disk.size();
    let mut window = disk.window(0, size);
    let mut table = gptman::GPT::new_from(&mut window, SECTOR, layout.disk_guid.to_mixed_endian()).map_err(other)?;
    for (slot, number) in layout.slots.iter().zip(1..) {
        table[number] = gpt_entry(slot);
    }
    // Firmware is known to refuse a first sector whose protective entry is marked as active.
    gptman::GPT::write_protective_mbr_into(&mut window, SECTOR).map_err(other)?;
    table.write_into(&mut window).map_err(other)?;
    Ok(())
}

fn gpt_entry(slot: &Slot) -> gptman::GPTPartitionEntry {
    let guid = |uuid: Uuid| uuid.to_mixed_endian();
    gptman::GPTPartitionEntry {
        partition_type_guid: guid(slot.type_guid),
        unique_partition_guid: guid(slot.guid),
        starting_lba: slot.start / SECTOR,
        ending_lba: (slot.start + slot.bytes) / SECTOR - 1,
        attribute_bits: 0,
        partition_name: slot.partition.label.as_str().into(),
    }
}

fn other(error: gptman::Error) -> io::Error {
    io::Error::other(error)
}

/// The last 72 bytes of the first sector: signature, four entries, mark.
fn mbr(layout: &Layout) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[..4].copy_from_slice(&layout.signature.to_le_bytes());
    for (slot, entry) in layout.slots.iter().zip(bytes[6..70].chunks_exact_mut(16)) {
        entry[0] = if slot.active { 0x80 } else { 0 };
        // Cylinders, heads and sectors say "beyond what can be said": the next fields count.
        entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[4] = slot.type_byte;
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[8..12].copy_from_slice(&sectors(slot.start).to_le_bytes());
        entry[12..16].copy_from_slice(&sectors(slot.bytes).to_le_bytes());
    }
    bytes[70..].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

/// The checked configuration keeps an MBR disk below 2 TiB, where this always fits.
fn sectors(bytes: u64) -> u32 {
    u32::try_from(bytes / SECTOR).unwrap_or(u32::MAX)
}
