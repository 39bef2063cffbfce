//! What kind of image a file is, and by which firmware it starts.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::{BootError, Firmware};

/// An image that QEMU can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A disk, in QEMU's word for its format.
    Disk { format: &'static str, firmware: Firmware },
    /// A CD.
    Iso,
}

/// Type GUID of the EFI system partition, as a GPT stores it.
const ESP: [u8; 16] = [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

impl Kind {
    /// The firmware that it is made for.
    pub(super) fn firmwares(&self) -> &'static [Firmware] {
        match self {
            Self::Iso => &[Firmware::Bios, Firmware::Uefi],
            Self::Disk { firmware: Firmware::Bios, .. } => &[Firmware::Bios],
            Self::Disk { firmware: Firmware::Uefi, .. } => &[Firmware::Uefi],
        }
    }
}

/// The kind of the file `path`, by its first and last bytes rather than by its name.
pub(super) fn kind(path: &Path) -> Result<Kind, BootError> {
    let fault = |source| BootError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fault)?;
    let head = bytes(&mut file, SeekFrom::Start(0), 512).map_err(fault)?;
    let descriptor = bytes(&mut file, SeekFrom::Start(16 * 2048), 8).map_err(fault)?;
    let length = file.metadata().map_err(fault)?.len();
    let footer = bytes(&mut file, SeekFrom::Start(length.saturating_sub(512)), 8).map_err(fault)?;
    let disk = |format, firmware| Ok(Kind::Disk { format, firmware });
    match (head.as_slice(), descriptor.as_slice(), footer.as_slice()) {
        (_, [1, b'C', b'D', b'0', b'0', b'1', ..], _) => Ok(Kind::Iso),
        // Hyper-V's second generation, which VHDX is for, has UEFI alone.
        (head, ..) if head.starts_with(b"vhdxfile") => disk("vhdx", Firmware::Uefi),
        ([b'Q', b'F', b'I', 0xfb, ..], ..) => disk("qcow2", Firmware::Uefi),
        (_, _, b"conectix") => disk("vpc", table_firmware(&mut file)),
        ([.., 0x55, 0xaa], ..) => disk("raw", table_firmware(&mut file)),
        _ => Err(BootError::Kind { path: path.to_owned() }),
    }
}

fn bytes(file: &mut File, from: SeekFrom, count: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(from)?;
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// UEFI where a GPT has an EFI system partition.
fn table_firmware(file: &mut File) -> Firmware {
    let table = file.rewind().ok().and_then(|()| gptman::GPT::find_from(&mut BufReader::new(file)).ok());
    let has_esp = table.is_some_and(|table| table.iter().any(|(_, entry)| entry.partition_type_guid == ESP));
    if has_esp { Firmware::Uefi } else { Firmware::Bios }
}
